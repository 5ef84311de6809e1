"""A small bank of nodules that look like real ones to the code: a free ball, a ball on a wall, a cube."""

import numpy as np

RATINGS = "malignancy,texture,spiculation,lobulation,margin,sphericity,subtlety"
NODULES_HEAD = f"id,patient,fold,spacing_k_mm,spacing_j_mm,spacing_i_mm,diameter_mm,{RATINGS},calcification,shell_hu"
CUBES_HEAD = f"id,patient,fold,{RATINGS}"
LUNG_HU, SOFT_HU = -850, 40


def ball_of(shape, spacing, diameter_mm):
    axes = [(np.arange(n) - (n - 1) / 2) * s for n, s in zip(shape, spacing, strict=True)]
    k, j, i = np.meshgrid(*axes, indexing="ij")
    return k**2 + j**2 + i**2 <= (diameter_mm / 2) ** 2, i


def arrays_of(name, shape, spacing, diameter_mm, wall_from_mm=None):
    """A ball of soft tissue in lung; a wall beyond an offset along i where one is given."""
    mask, i = ball_of(shape, spacing, diameter_mm)
    dense = mask if wall_from_mm is None else mask | (i > wall_from_mm)
    return {f"hu_{name}": np.where(dense, SOFT_HU, LUNG_HU).astype(np.int16), f"mask_{name}": mask.astype(np.uint8)}


def write_bank(folder):
    """Nodules a-1 (free, rated 2, fold 0) and a-2 (on a wall, rated 5, fold 1), cube c (rated 4, fold 1)."""
    nodules = arrays_of("a-1", (5, 40, 40), (2.0, 0.8, 0.8), 9.0)
    nodules |= arrays_of("a-2", (5, 40, 40), (2.0, 0.8, 0.8), 10.0, wall_from_mm=4.0)
    np.savez_compressed(folder / "lidc-nodules.npz", **nodules)
    np.savez_compressed(folder / "lidc-cubes.npz", **arrays_of("c", (51, 51, 51), (1.0, 1.0, 1.0), 10.0))
    rows = ["a-1,P-1,0,2,0.8,0.8,9,2,5,1,1,5,3,3,6,-830", "a-2,P-2,1,2,0.8,0.8,10,5,5,1,1,5,3,3,6,-400"]
    (folder / "lidc-nodules.csv").write_text("\n".join([NODULES_HEAD, *rows]) + "\n")
    (folder / "lidc-cubes.csv").write_text(f"{CUBES_HEAD}\nc,P-3,1,4,5,1,1,5,3,3\n")
