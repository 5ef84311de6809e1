"""How well masks of nodules agree with their truth: overlap, surfaces, volumes and diameters."""

from __future__ import annotations

import glob
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import numpy as np
from scipy import ndimage

from ..errors import CTReadError, UsageError
from ..io import read_ct
from ..io.image_file import image_extension, read_label_map, scan_id
from ..io.result_folder import NODULES_FILE
from ..io.tables import read_table
from ..preprocessing.lung_mask import bounding_box
from ..report.plotting import LUNG_WINDOW_HU, figure_file
from ..volume import corners_apart_mm
from .report import Row, resample, row

COLUMNS = (
    *("id", "label", "kind", "diameter_mm", "dice", "surface_mm", "surface_95_mm"),
    *("volume_error", "diameter_error_mm"),
)
SIZES_MM = (0.0, 6.0, 10.0, 20.0, np.inf)
_SAME_PLACE_MM = 0.1
_AROUND_VOXELS, _WORST = 8, 8


@dataclass(frozen=True)
class Outline:
    """A nodule of the truth and the mask that overlaps it most.

    Parameters
    ----------
    id, label, kind
        Its scan, its label there, and what sort of nodule it is, where that was told.
    diameter_mm
        Of the sphere of its true volume.
    dice
        0 where no mask overlaps it.
    surface_mm, surface_95_mm
        Mean and 95th percentile of the distances of either surface's voxels from the other; None without a mask.
    volume_error, diameter_error_mm
        The mask's less the truth's, the volume's as a share of the truth's.
    masks
        Mask and truth, (2, K, J, I) bool, of a box around both, and its voxels in mm.
    hu
        (K, J, I) int16, the scan in this box, where it was given.
    """

    id: str
    label: int
    kind: str
    diameter_mm: float
    dice: float
    surface_mm: float | None
    surface_95_mm: float | None
    volume_error: float
    diameter_error_mm: float
    masks: tuple[np.ndarray, np.ndarray] = field(repr=False, compare=False)
    hu: np.ndarray | None = field(default=None, repr=False, compare=False)


def read_outlines(masks: Path, truth: Path, kinds: Path | None = None, scans: Path | None = None) -> list[Outline]:
    """Every nodule of one label map or of a folder of them.

    Parameters
    ----------
    masks
        A label map or a result folder; where the truth is a folder, a folder with one of these for each of its files,
        by its name without ending.
    kinds
        A table with the columns id, label and kind.
    scans
        The CT, or a folder with one for each file of the truth, to be seen behind the masks.

    Raises
    ------
    UsageError, CTReadError
        Where a file is missing, cannot be read, or two are of the same scan or do not lie on the same grid; where there
        is no nodule, or none of `kinds`.
    """
    known: dict[tuple[str, int], str] = {}
    if kinds is not None:
        table = read_table(kinds, ("id", "label", "kind"))
        rows = zip(table.lines, table.texts("id"), table.numbers("label"), table.texts("kind"), strict=True)
        for line, name, label, kind in rows:
            if label != int(label):
                raise table.complaint(line, "expected a whole number.", "label")
            if (name, int(label)) in known:
                raise table.complaint(line, f"nodule {int(label)} of {name} is there twice.")
            known[name, int(label)] = kind
    many = truth.is_dir()
    files = sorted(path for path in truth.iterdir() if image_extension(path)) if many else [truth]
    truths: dict[str, Path] = {}
    for path in files:
        name = scan_id(path)
        if name in truths:
            raise UsageError(f"{truths[name]} and {path} are both the truth of {name}; remove one.")
        truths[name] = path
    found = []
    for name, path in truths.items():
        ct = _file_of(scans, name, "CT") if scans is not None and many else scans
        found += _of_scan(name, _mask_file(masks, name if many else None), path, known, ct)
    if not found:
        raise UsageError(f"{truth} holds no nodule: expected label maps (NRRD, NIfTI, MetaImage), each label a nodule.")
    if kinds is not None and not any(one.kind for one in found):
        raise UsageError(
            f"No row of {kinds} fits a nodule; expected such as id {found[0].id}, label {found[0].label}: the name "
            "of a file of the truth without its ending, and a label in it."
        )
    return found


def _mask_file(masks: Path, name: str | None) -> Path:
    """The label map of a scan, or of the only scan where it has no name."""
    if name is None:
        return masks / NODULES_FILE if masks.is_dir() else masks
    result = masks / name / NODULES_FILE
    return result if result.is_file() else _file_of(masks, name, "masks")


def _file_of(folder: Path, name: str, what: str) -> Path:
    """What belongs to a scan: an image file of its name, or (a DICOM series) a folder."""
    found = [
        path
        for path in sorted(folder.glob(f"{glob.escape(name)}*"))
        if scan_id(path) == name and (image_extension(path) or (what == "CT" and path.is_dir()))
    ]
    if not found:
        raise UsageError(f"{folder} has no {what} of {name}: expected {name}.nrrd, .nii.gz or the like.")
    if len(found) > 1:
        raise UsageError(f"{found[0]} and {found[1]} are both the {what} of {name}; remove one.")
    return found[0]


def _of_scan(name: str, masks: Path, truth: Path, kinds: dict[tuple[str, int], str], ct: Path | None) -> list[Outline]:
    (found, affine), (true, true_affine) = read_label_map(masks), read_label_map(truth)
    _check_grid(masks, found, affine, truth, true, true_affine)
    scan = None if ct is None else read_ct(ct)
    if scan is not None:
        _check_grid(ct, scan.voxels, scan.kji_to_lps, truth, true, true_affine)
    spacing = np.linalg.norm(true_affine[:3, :3], axis=0)
    rows = []
    for label in np.unique(true[true > 0]).tolist():
        overlapping = np.bincount(found[(true == label) & (found > 0)])
        mask = found == int(np.argmax(overlapping)) if len(overlapping) else np.zeros_like(true, dtype=bool)
        hu = None if scan is None else scan.voxels
        rows.append(compare(name, label, kinds.get((name, label), ""), mask, true == label, spacing, hu))
    return rows


def _check_grid(
    path: Path | None, array: np.ndarray, affine: np.ndarray, truth: Path, true: np.ndarray, true_affine: np.ndarray
) -> None:
    if array.shape != true.shape or corners_apart_mm(affine, true_affine, true.shape) > _SAME_PLACE_MM:
        raise CTReadError(f"{path} ({array.shape} voxels) does not lie on the grid of {truth} ({true.shape} voxels).")


def compare(
    name: str,
    label: int,
    kind: str,
    mask: np.ndarray,
    truth: np.ndarray,
    spacing_mm: np.ndarray,
    hu: np.ndarray | None = None,
) -> Outline:
    """The figures of a mask (K, J, I) bool against a truth that is not empty, and of the scan what lies there."""
    box = bounding_box(mask | truth, _AROUND_VOXELS)
    mask, truth = mask[box], truth[box]
    voxel_mm3 = float(np.prod(spacing_mm))
    diameter, true_diameter = (float(np.cbrt(6 / np.pi * one.sum() * voxel_mm3)) for one in (mask, truth))
    surface = _surface_distances_mm(mask, truth, spacing_mm) if mask.any() else None
    return Outline(
        id=name,
        label=label,
        kind=kind,
        diameter_mm=true_diameter,
        dice=float(2 * (mask & truth).sum() / (mask.sum() + truth.sum())),
        surface_mm=None if surface is None else float(surface.mean()),
        surface_95_mm=None if surface is None else float(np.percentile(surface, 95)),
        volume_error=float(mask.sum() / truth.sum() - 1),
        diameter_error_mm=diameter - true_diameter,
        masks=(np.stack([mask, truth]), spacing_mm),
        hu=None if hu is None else hu[box].copy(),
    )


def _surface_distances_mm(one: np.ndarray, other: np.ndarray, spacing_mm: np.ndarray) -> np.ndarray:
    """Distances of the surface voxels of two masks from the nearest of the other's, both ways."""
    surfaces = [mask & ~ndimage.binary_erosion(mask) for mask in (one, other)]
    away = [ndimage.distance_transform_edt(~surface, sampling=spacing_mm) for surface in surfaces]
    return np.concatenate([away[1][surfaces[0]], away[0][surfaces[1]]])


def segmentation_report(
    outlines: Sequence[Outline], rng: np.random.Generator, samples: int = 1000
) -> tuple[tuple[Row, ...], tuple[str, ...]]:
    """Figures over all nodules, by size and by kind, with intervals over resampled scans; and remarks."""
    scans, owner = np.unique([one.id for one in outlines], return_inverse=True)
    times = resample(rng, len(scans), samples)[:, owner]
    diameter = np.array([one.diameter_mm for one in outlines])
    kinds = np.array([one.kind for one in outlines])
    groups = {"": np.ones(len(outlines), dtype=bool)}
    for low, high in pairwise(SIZES_MM):
        name = f", {low:g} mm and more" if np.isinf(high) else f", {low:g} to {high:g} mm"
        groups[name] = (diameter >= low) & (diameter < high)
    groups.update({f", {kind}": kinds == kind for kind in sorted(set(kinds.tolist()) - {""})})
    rows = [one for name, among in groups.items() if among.any() for one in _rows(outlines, among, times, name)]
    missed = sum(one.dice == 0 for one in outlines)
    remarks = (
        f"{missed} of {len(outlines)} nodules have no mask that overlaps them: Dice 0, and no part in the rest.",
        f"Intervals: percentiles 2.5 and 97.5 over {samples} bootstrap samples of the {len(scans)} scans.",
    )
    return tuple(rows), remarks


def _rows(outlines: Sequence[Outline], among: np.ndarray, times: np.ndarray, name: str) -> list[Row]:
    def tenth(values: np.ndarray) -> float:
        return float(np.percentile(values, 10))

    def size(values: np.ndarray) -> float:
        return float(np.median(np.abs(values)))

    figures: tuple[tuple[str, str, Callable[[np.ndarray], float]], ...] = (
        ("median Dice", "dice", lambda values: float(np.median(values))),
        ("tenth percentile of Dice", "dice", tenth),
        ("median of the mean surface distance, mm", "surface_mm", lambda values: float(np.median(values))),
        ("median volume error, share", "volume_error", lambda values: float(np.median(values))),
        ("median size of the volume error, share", "volume_error", size),
        ("median size of the diameter error, mm", "diameter_error_mm", size),
    )
    masked = np.array([one.surface_mm is not None for one in outlines])
    rows = []
    for title, column, figure in figures:
        used = among if column == "dice" else among & masked
        if used.any():
            values = np.array([getattr(outlines[n], column) for n in np.flatnonzero(used).tolist()], dtype=float)
            drawn = [np.repeat(values, one) for one in times[:, used]]
            resampled = np.array([figure(sample) if len(sample) else np.nan for sample in drawn])
            rows.append(row(f"{title}{name}", figure(values), f"{used.sum()} nodules", resampled))
    return rows


def save_worst(outlines: Sequence[Outline], path: Path) -> None:
    """A picture of the nodules of the lowest Dice, in the slice where most of the truth is.

    Raises
    ------
    UsageError
        Where matplotlib is not installed.
    """
    low, high = LUNG_WINDOW_HU
    worst = sorted(outlines, key=lambda one: one.dice)[:_WORST]
    with figure_file(path, 2, _WORST // 2, figsize=(12, 6.5)) as axes:
        for place in axes.flat:
            place.axis("off")
        for place, one in zip(axes.flat, worst, strict=False):
            (mask, truth), spacing = one.masks
            k = int(np.argmax(truth.sum(axis=(1, 2))))
            shape = {"aspect": spacing[1] / spacing[2], "interpolation": "nearest"}
            scan = np.full(mask[k].shape, -1000.0) if one.hu is None else one.hu[k]
            place.imshow(scan, cmap="gray", vmin=low, vmax=high, **shape)
            for outline, colour in ((truth[k], "cyan"), (mask[k], "red")):
                if outline.any():
                    place.contour(outline, [0.5], colors=colour, linewidths=1)
            place.set_title(f"{one.id}, {one.label}: {one.diameter_mm:.0f} mm, Dice {one.dice:.2f}", fontsize=8)
        axes.flat[0].figure.suptitle("Mask red, truth cyan", fontsize=9)
