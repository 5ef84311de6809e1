"""A synthetic patient: anatomy drawn first, then put on a grid, then scanned."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..volume import CTVolume
from .acquisition import scan_slice
from .canvas import Canvas, blend
from .nodules import SyntheticNodule, draw_nodules, paint_nodules
from .organs import AIR_HU, MUSCLE_HU, paint_chest_contents, paint_organs, paint_trunk
from .parenchyma import Parenchyma, draw_parenchyma
from .skeleton import paint_ribs, paint_shoulder_girdle, paint_spine, paint_sternum
from .thorax import LEFT, RIGHT, Thorax, draw_thorax
from .tree import (
    MAIN_BRONCHI,
    TRACHEA,
    LungTree,
    draw_lung_tree,
    paint_airways,
    paint_vessels,
)

# The field of view (x, y, z) around the body, LPS mm: air on all sides, from the shoulders to below the lungs.
FIELD_LOW_MM, FIELD_HIGH_MM = (-185.0, -140.0, -190.0), (185.0, 140.0, 135.0)
SHARPEST_EDGE_MM = 0.8
LUNG_BOX_MM = (-140.0, -95.0, -175.0), (140.0, 95.0, 102.0)  # holds the lungs of every patient
# Rectangles (x, y low, x, y high; template mm) that hold all of the chest wall, of the spine and of the breastbone.
CHEST_WINDOW_MM = (-146.0, -104.0), (146.0, 104.0)
SPINE_WINDOW_MM = (-36.0, 18.0), (36.0, 118.0)
STERNUM_WINDOW_MM = (-24.0, -108.0), (24.0, -40.0)
LUNG_LABELS = {LEFT: 1, RIGHT: 2}


@dataclass(frozen=True)
class SyntheticPatient:
    """A chest CT whose truth is known.

    Parameters
    ----------
    volume
        The scan, in canonical order. The origin of LPS is the midline and the height of the carina.
    nodules
        All nodules of the patient, also those outside a slab.
    lungs
        uint8, shape (K, J, I) of the scan: 1 left lung, 2 right lung, each with its vessels, bronchi and nodules.
    """

    volume: CTVolume
    nodules: tuple[SyntheticNodule, ...]
    lungs: np.ndarray


@dataclass(frozen=True)
class _Anatomy:
    """All that is drawn of a patient before there is a grid."""

    thorax: Thorax
    parenchyma: Parenchyma
    trees: dict[float, LungTree]
    sides: tuple[float, ...]  # the lungs that are there

    def lungs(self, points_lps_mm: np.ndarray) -> np.ndarray:
        """Field of the lungs that are there, at points (N, 3)."""
        lungs = self.thorax.at(*(points_lps_mm / self.thorax.scale_xyz).T).lungs
        return np.min([lungs[side] for side in self.sides], axis=0)


def synthetic_chest(
    rng: np.random.Generator,
    *,
    spacing_mm_kji: tuple[float, float, float] = (2.5, 0.75, 0.75),
    nodules: Sequence[SyntheticNodule] | None = None,
    left_lung: bool = True,
    right_lung: bool = True,
    z_range_mm: tuple[float, float] | None = None,
) -> SyntheticPatient:
    """A chest CT of an invented adult.

    The patient depends on the generator alone: the same generator state gives the same anatomy on any grid, with any
    lung absent and with any nodules, and the same noise on the same grid.

    Parameters
    ----------
    nodules
        Instead of three or four drawn ones; an empty sequence for none.
    left_lung, right_lung
        An absent lung is soft tissue.
    z_range_mm
        Image only the slices of the whole scan whose centres lie in this range of heights (LPS z, mm).
    """
    thorax_rng, parenchyma_rng, tree_rng, nodule_rng, noise_rng = rng.spawn(5)
    thorax = draw_thorax(thorax_rng)
    trees = {side: draw_lung_tree(tree_rng, thorax, side) for side in (LEFT, RIGHT)}
    sides = (LEFT,) * left_lung + (RIGHT,) * right_lung
    anatomy = _Anatomy(thorax, draw_parenchyma(parenchyma_rng), trees, sides)
    if nodules is None:
        nodules = draw_nodules(nodule_rng, anatomy.lungs, *LUNG_BOX_MM) if sides else ()

    x, y, all_z = (
        _centres(low, high, step)
        for low, high, step in zip(FIELD_LOW_MM, FIELD_HIGH_MM, spacing_mm_kji[::-1], strict=True)
    )
    slice_rngs = noise_rng.spawn(len(all_z))
    lowest, highest = z_range_mm or (-np.inf, np.inf)
    imaged = np.flatnonzero((all_z >= lowest) & (all_z <= highest))
    if len(imaged) == 0:
        raise ValueError(f"no slice within z_range_mm {z_range_mm}; the scan covers {all_z[0]:.0f} to {all_z[-1]:.0f}")

    canvas = Canvas(
        np.full((len(imaged), len(y), len(x)), AIR_HU, dtype=np.float32),
        z=all_z[imaged].astype(np.float32),
        y=y.astype(np.float32),
        x=x.astype(np.float32),
        edge_mm=max(SHARPEST_EDGE_MM, spacing_mm_kji[1], spacing_mm_kji[2]),
    )
    lungs = _paint_patient(canvas, anatomy, nodules)
    voxels = np.empty(canvas.hu.shape, dtype=np.int16)
    for k, number in enumerate(imaged):
        voxels[k] = scan_slice(canvas.hu[k], spacing_mm_kji[1:], slice_rngs[number])

    kji_to_lps = np.zeros((4, 4))
    kji_to_lps[[2, 1, 0], [0, 1, 2]] = spacing_mm_kji
    kji_to_lps[:, 3] = x[0], y[0], all_z[imaged[0]], 1
    return SyntheticPatient(CTVolume(voxels, kji_to_lps, {"path": "synthetic"}), tuple(nodules), lungs)


def _centres(low: float, high: float, step: float) -> np.ndarray:
    """Voxel centres that fill the field from `low` to `high`, in its middle, mm."""
    count = int(np.ceil((high - low) / step))
    return (low + high) / 2 + (np.arange(count) - (count - 1) / 2) * step


def _paint_patient(canvas: Canvas, anatomy: _Anatomy, nodules: Sequence[SyntheticNodule]) -> np.ndarray:
    """Paint all tissues; returns the lung labels, uint8, shape (K, J, I)."""
    template = canvas.in_frame(anatomy.thorax.scale_xyz)
    lungs = np.zeros(canvas.hu.shape, dtype=np.uint8)
    for k in range(len(canvas.z)):
        _paint_slice(template, k, anatomy, lungs[k])
    paint_organs(template)
    paint_shoulder_girdle(template)
    for side in anatomy.sides:
        paint_vessels(template, anatomy.trees[side].vessels, lungs == LUNG_LABELS[side])
    bronchi = [tube for side in anatomy.sides for tube in MAIN_BRONCHI[side] + anatomy.trees[side].bronchi]
    paint_airways(template, TRACHEA + bronchi)
    paint_nodules(canvas, nodules)
    return lungs


def _paint_slice(template: Canvas, k: int, anatomy: _Anatomy, labels: np.ndarray) -> None:
    """Paint the large shapes of slice k and fill its lung labels (uint8, shape (J, I))."""
    z, edge_mm = float(template.z[k]), template.edge_mm
    paint_trunk(template.hu[k], template.x[None, :], template.y[:, None], z, edge_mm)

    box, hu, x, y = template.window(k, *CHEST_WINDOW_MM)
    fields = anatomy.thorax.at(x, y, z)
    paint_chest_contents(hu, fields, edge_mm)
    for side, lung in fields.lungs.items():
        if side in anatomy.sides:
            blend(hu, lung, anatomy.parenchyma.slice_hu(x, y, z), edge_mm)
            labels[box][lung < 0] = LUNG_LABELS[side]
        else:
            blend(hu, lung, MUSCLE_HU, edge_mm)
    paint_ribs(hu, fields.wall, x, y, z, anatomy.thorax.rib_top_z, edge_mm)

    for window, paint_bone in ((SPINE_WINDOW_MM, paint_spine), (STERNUM_WINDOW_MM, paint_sternum)):
        _, hu, x, y = template.window(k, *window)
        paint_bone(hu, x, y, z, edge_mm)
