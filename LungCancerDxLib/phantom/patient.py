"""A synthetic patient: anatomy drawn first, then put on a grid and scanned, or straight on the working grid.

The second is what preprocessing makes of the scan, without the scan: quick enough to train on.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from ..names import LEFT, RIGHT
from ..preprocessing import WorkingLungs, WorkingScan
from ..preprocessing.hull import dilate_lungs, hull_lung
from ..preprocessing.lung_mask import bounding_box
from ..preprocessing.working_grid import mask_grey, to_grey
from ..preset import Preset
from ..runtime.progress import in_threads
from ..volume import CTVolume
from .canvas import Canvas
from .fields import Lattice, Reader
from .nodules.nodule import SyntheticNodule
from .nodules.population import Population, draw_nodules
from .scanner.acquisition import (
    BLUR_MM,
    ENHANCED,
    ENHANCED_OVER_MM,
    Acquisition,
    Scanner,
    blurred,
    draw_acquisition,
    narrow,
    plain_acquisition,
)
from .thorax.anatomy import Anatomy, draw_anatomy
from .thorax.painting import lung_labels, paint_patient
from .thorax.soft_tissue import AIR_HU, FAT_HU, body_width_mm, build_inner, build_outer, build_wall

SHARPEST_EDGE_MM = 0.7
AIR_AROUND_MM = 14.0
TABLE_BELOW_MM = 6.0
SPRIGS_BELOW_MM = 1.2  # of the pixel size
SAMPLE_NODULES = (3, 4)  # how many a patient of no population has
SHOULDERS_BELOW_APEX_MM, SHOULDERS_OVER_MM = 45.0, 30.0
SUBSLICE_MM = 1.25  # thicker slices are painted in several, and averaged

EDGE_SHARE = 0.8  # of a working voxel: the edges of a scan of smaller pixels are sharper than a voxel
HULL_STEP = 2  # working voxels: the hulls and their dilation are made on a grid this much coarser
SEEN_DEPTH_MM = 0.35  # where the lung's edge is seen at the threshold of the mask, below the true surface


@dataclass(frozen=True)
class SyntheticPatient:
    """A chest CT whose truth is known.

    The `volume` is in canonical order; the origin of LPS is the midline and the height of the carina. `nodules` are all
    of the patient's, also those outside a slab. `lungs`, uint8 (K, J, I) of the scan, are 1 in the left and 2 in the
    right lung, each with its vessels, bronchi and nodules. `record` is every parameter drawn, JSON-able;
    `record["emphysema"]` and `record["female"]` are bool.
    """

    volume: CTVolume
    nodules: tuple[SyntheticNodule, ...]
    lungs: np.ndarray
    record: dict[str, Any]


@dataclass(frozen=True)
class DrawnPatient:
    """A patient before there is a grid, how the scan is made, and the generator of its noise."""

    anatomy: Anatomy
    acquisition: Acquisition
    nodules: tuple[SyntheticNodule, ...]
    noise_rng: np.random.Generator

    def record(self) -> dict[str, Any]:
        """Every parameter drawn, JSON-able."""
        return {**self.anatomy.record(), "acquisition": asdict(self.acquisition)}

    def shoulder(self, z_mm: Any) -> Any:
        """How much of the shoulders a slice at a height crosses, 0 to 1."""
        start = self.anatomy.high_lps_mm[2] - SHOULDERS_BELOW_APEX_MM
        return np.clip((z_mm - start) / SHOULDERS_OVER_MM, 0, 1)


def draw_patient(
    rng: np.random.Generator,
    spacing_mm_kji: tuple[float, float, float] | None,
    nodules: Sequence[SyntheticNodule] | None,
    population: Population | None,
    left_lung: bool = True,
    right_lung: bool = True,
) -> DrawnPatient:
    """Everything that chance decides; see `synthetic_chest`."""
    anatomy_rng, acquisition_rng, nodule_rng, noise_rng = rng.spawn(4)
    sprigs = spacing_mm_kji is None or max(spacing_mm_kji[1:]) < SPRIGS_BELOW_MM
    anatomy = draw_anatomy(anatomy_rng, left_lung=left_lung, right_lung=right_lung, sprigs=sprigs)
    if spacing_mm_kji is None:
        acquisition = draw_acquisition(acquisition_rng, body_width_mm(anatomy.thorax.body))
    else:
        acquisition = plain_acquisition(spacing_mm_kji)
    if nodules is None:
        count = int(nodule_rng.choice(SAMPLE_NODULES)) if population is None else None
        nodules = draw_nodules(nodule_rng, anatomy, population=population or "dsb", count=count)
    return DrawnPatient(anatomy, acquisition, tuple(nodules), noise_rng)


def synthetic_chest(
    rng: np.random.Generator,
    *,
    spacing_mm_kji: tuple[float, float, float] | None = (2.5, 0.75, 0.75),
    nodules: Sequence[SyntheticNodule] | None = None,
    population: Population | None = None,
    left_lung: bool = True,
    right_lung: bool = True,
    z_range_mm: tuple[float, float] | None = None,
) -> SyntheticPatient:
    """A chest CT of a synthetic adult.

    The patient depends on the generator alone: the same generator state gives the same anatomy on any grid, with any
    lung absent and with any nodules, and the same noise on the same grid. Only the finest vessels are left out where a
    given voxel size is too coarse to show them.

    Parameters
    ----------
    spacing_mm_kji
        With None the acquisition is drawn: voxel size, field of view, kernel, dose, contrast medium, padding. A given
        voxel size is scanned plainly (`plain_acquisition`).
    nodules
        Instead of drawn ones; an empty sequence for none.
    population
        Whose nodules are drawn, by number and size. Without one the patient is a sample, with three or four nodules.
    left_lung, right_lung
        An absent lung is soft tissue.
    z_range_mm
        Image only the slices of the whole scan whose centres lie in this range of heights (LPS z, mm).

    Raises
    ------
    ValueError
        Where no slice lies in `z_range_mm`.
    """
    drawn = draw_patient(rng, spacing_mm_kji, nodules, population, left_lung, right_lung)
    return scanned(drawn, z_range_mm)


def scanned(drawn: DrawnPatient, z_range_mm: tuple[float, float] | None = None) -> SyntheticPatient:
    """Put a patient on the grid of the acquisition and scan it; see `synthetic_chest`."""
    anatomy, acquisition = drawn.anatomy, drawn.acquisition
    spacing = acquisition.spacing_mm_kji
    outer = build_outer(anatomy.thorax.body, anatomy.thorax.cage)
    low_xy, high_xy = _body_box(outer[0].field)
    x, y, all_z = _grid(acquisition, anatomy, low_xy, high_xy)
    lowest, highest = z_range_mm or (-np.inf, np.inf)
    imaged = np.flatnonzero((all_z >= lowest) & (all_z <= highest))
    if len(imaged) == 0:
        raise ValueError(f"no slice within z_range_mm {z_range_mm}; the scan covers {all_z[0]:.0f} to {all_z[-1]:.0f}")
    parts = subslices(spacing)
    offsets = (np.arange(parts) + 0.5) / parts - 0.5
    fine_z = (all_z[imaged][:, None] + spacing[0] * offsets).ravel()
    hu = np.full((len(fine_z), len(y), len(x)), AIR_HU, dtype=np.float32)
    at_z, at_y, at_x = (c.astype(np.float32) for c in (fine_z, y, x))
    canvas = Canvas(hu, at_z, at_y, at_x, edge_mm=max(SHARPEST_EDGE_MM, *spacing[1:]))
    layers = (*outer, *build_inner(anatomy.thorax, acquisition.blood))
    table_y = float(high_xy[1]) + TABLE_BELOW_MM if acquisition.table else None
    paint_patient(canvas, anatomy, layers, acquisition.blood, drawn.nodules, table_y)

    plane_rng, slice_rng = drawn.noise_rng.spawn(2)
    scanner = Scanner.of(acquisition, (len(y), len(x)), plane_rng)
    slice_rngs = slice_rng.spawn(len(all_z))
    reader = Reader(canvas.y, canvas.x)
    voxels = np.empty((len(imaged), len(y), len(x)), dtype=np.int16)
    lungs = np.empty(voxels.shape, dtype=np.uint8)

    def scan(k: int) -> None:
        z = float(all_z[imaged[k]])
        true_hu = canvas.hu[k * parts : (k + 1) * parts].mean(axis=0) if parts > 1 else canvas.hu[k]
        voxels[k] = scanner.scan(true_hu, float(drawn.shoulder(z)), slice_rngs[imaged[k]])
        lungs[k] = lung_labels(anatomy, reader, z)

    for _ in in_threads(scan, range(len(imaged))):
        pass
    kji_to_lps = grid_affine(spacing, (x[0], y[0], all_z[imaged[0]]))
    info = {"path": "synthetic", "kernel": acquisition.kernel}
    return SyntheticPatient(CTVolume(voxels, kji_to_lps, info), drawn.nodules, lungs, drawn.record())


def subslices(spacing_mm_kji: tuple[float, float, float]) -> int:
    """In how many thin slices a slice is painted."""
    return max(int(spacing_mm_kji[0] / max(SUBSLICE_MM, 1.6 * spacing_mm_kji[1])), 1)


def grid_affine(spacing_mm_kji: Sequence[float], first_lps_mm: Sequence[float]) -> np.ndarray:
    """(4, 4) from index to LPS mm of a grid along the patient's axes, whose first voxel has this centre."""
    kji_to_lps = np.zeros((4, 4))
    kji_to_lps[[2, 1, 0], [0, 1, 2]] = spacing_mm_kji
    kji_to_lps[:, 3] = *first_lps_mm, 1
    return kji_to_lps


def _body_box(skin: Lattice) -> tuple[np.ndarray, np.ndarray]:
    """Lowest and highest x, y of the body."""
    inside = np.argwhere((skin.values < 0).any(axis=0))
    _, y, x = skin.node_mm
    low, high = (np.array([x[i], y[j]]) for j, i in (inside.min(axis=0), inside.max(axis=0)))
    return low, high


def _grid(
    acquisition: Acquisition, anatomy: Anatomy, low_xy: np.ndarray, high_xy: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Voxel centres x, y, z of the whole scan of a body within a box (x, y), LPS mm."""
    k, j, i = acquisition.spacing_mm_kji
    z = _centres(anatomy.low_lps_mm[2] - acquisition.below_mm, anatomy.high_lps_mm[2] + acquisition.above_mm, k)
    if acquisition.field_mm is None:
        low, high = low_xy - AIR_AROUND_MM, high_xy + np.array([0.0, TABLE_BELOW_MM]) + AIR_AROUND_MM
    else:
        middle, half = (low_xy + high_xy) / 2 + anatomy.thorax.body.shift_mm, acquisition.field_mm / 2
        low, high = middle - half, middle + half
    return _centres(low[0], high[0], i), _centres(low[1], high[1], j), z


def _centres(low: float, high: float, step: float) -> np.ndarray:
    """Voxel centres that fill the field from `low` to `high`, in its middle, mm."""
    count = int(np.ceil((high - low) / step - 1e-9))
    return np.asarray((low + high) / 2 + (np.arange(count) - (count - 1) / 2) * step)


def synthetic_preprocessed(
    rng: np.random.Generator,
    preset: Preset,
    *,
    nodules: Sequence[SyntheticNodule] | None = None,
    population: Population | None = None,
) -> tuple[WorkingScan, WorkingLungs, tuple[SyntheticNodule, ...], dict[str, Any]]:
    """What `preprocess` gives for the patient that `synthetic_chest` makes of the same generator state, nearly.

    The acquisition is drawn (`spacing_mm_kji=None`). Blur, slice thickness and noise are what the resampled scan
    shows; the lungs are the true ones. With the scan and its lungs come its nodules and every parameter drawn.
    """
    drawn = draw_patient(rng, None, nodules, population)
    anatomy, acquisition = drawn.anatomy, drawn.acquisition
    step = preset.working_spacing_mm
    margin = step * max(preset.crop_margin_low, preset.crop_margin_high)
    z, y, x = (
        np.arange(np.floor(low - margin), high + margin, step).astype(np.float32)
        for low, high in zip(anatomy.low_lps_mm[::-1], anatomy.high_lps_mm[::-1], strict=True)
    )
    reader = Reader(y, x)
    lungs = np.stack(list(in_threads(lambda height: lung_labels(anatomy, reader, float(height), SEEN_DEPTH_MM), z)))
    ends = np.array([[side.start, side.stop - 1] for side in bounding_box(lungs > 0)]).T
    first = np.maximum(ends[0] - preset.crop_margin_low, 0)
    box = tuple(slice(*side) for side in zip(first, ends[1] + 1 + preset.crop_margin_high, strict=True))
    lungs, (z, y, x) = lungs[box], (c[side] for c, side in zip((z, y, x), box, strict=True))

    canvas = Canvas(np.full(lungs.shape, FAT_HU, dtype=np.float32), z, y, x, edge_mm=EDGE_SHARE * step)
    layers = (*build_wall(anatomy.thorax.cage), *build_inner(anatomy.thorax, acquisition.blood))
    paint_patient(canvas, anatomy, layers, acquisition.blood, drawn.nodules)
    dilated = _dilated(lungs, preset)
    scan = WorkingScan(
        image=mask_grey(_scan(canvas, drawn, preset), dilated, lungs > 0, preset),
        dilated=dilated,
        lung_ends_kji=(ends - first).astype(float),
        kji_to_lps=grid_affine((step, step, step), (x[0], y[0], z[0])),
    )
    return scan, WorkingLungs(lungs), drawn.nodules, drawn.record()


def _dilated(lungs: np.ndarray, preset: Preset) -> np.ndarray:
    """Hull and dilation of both lungs (labels), made on a coarser grid."""
    coarse = lungs[(slice(None, None, HULL_STEP),) * 3]
    hulls = hull_lung(coarse == LEFT, preset) | hull_lung(coarse == RIGHT, preset)
    spacing = np.full(3, HULL_STEP * preset.working_spacing_mm)
    dilated = dilate_lungs(hulls, spacing, replace(preset, dilation="ball of the working grid"))
    for axis in range(3):
        dilated = dilated.repeat(HULL_STEP, axis=axis)
    return np.roll(dilated, (-1, -1, -1), axis=(0, 1, 2))[tuple(slice(n) for n in lungs.shape)]


def _scan(canvas: Canvas, drawn: DrawnPatient, preset: Preset) -> np.ndarray:
    """The painted volume as a resampled scan shows it: grey values, uint8."""
    how, step = drawn.acquisition, preset.working_spacing_mm
    slice_mm, _, pixel_mm = how.spacing_mm_kji
    hu = canvas.hu
    parts = subslices(how.spacing_mm_kji)
    across = max(slice_mm**2 * (1 / 6 + (1 - 1 / parts**2) / 12) - step**2 / 12, 0.0) / step**2
    half = narrow(across)
    through = np.concatenate([half[:0:-1], half])
    levels = np.pad(np.arange(len(hu)), len(half) - 1, mode="symmetric")
    within = narrow((BLUR_MM[how.kernel] ** 2 + pixel_mm**2 / 6) / step**2)
    wide = narrow((ENHANCED_OVER_MM / step) ** 2)
    noise_at = _draw_noise(drawn, canvas, step)
    grey = np.empty(hu.shape, dtype=np.uint8)
    strength = ENHANCED[how.kernel]

    def scan(k: int) -> None:
        level = sum(weight * hu[at] for weight, at in zip(through, levels[k : k + len(through)], strict=True))
        seen = blurred(level, (within, within))
        if strength:
            seen = seen + strength * (seen - blurred(seen, (wide, wide)))
        grey[k] = to_grey(seen + noise_at(float(canvas.z[k])), preset)

    for _ in in_threads(scan, range(len(hu))):
        pass
    return grey


def _draw_noise(drawn: DrawnPatient, canvas: Canvas, step_mm: float) -> Callable[[float], np.ndarray]:
    """The noise of a scan, resampled: planes of the scan's own pixels brought to the working grid, slices mixed.

    Returns what gives the noise at a height, HU (J, I).
    """
    how = drawn.acquisition
    slice_mm, *pixel_mm = how.spacing_mm_kji
    rows, columns = (
        int(np.ceil(len(c) * step_mm / pixel)) + 2 for c, pixel in zip((canvas.y, canvas.x), pixel_mm, strict=True)
    )
    plane_rng, slice_rng = drawn.noise_rng.spawn(2)
    planes = Scanner.of(how, (rows, columns), plane_rng).planes
    for axis, (centres, pixel) in enumerate(zip((canvas.y, canvas.x), pixel_mm, strict=True), start=1):
        at = np.arange(len(centres)) * step_mm / pixel
        below = at.astype(int)
        share = (at - below).astype(np.float32).reshape((1, -1, 1) if axis == 1 else (1, 1, -1))
        planes = planes.take(below, axis) * (1 - share) + planes.take(below + 1, axis) * share
    scanner = Scanner(replace(how, spacing_mm_kji=(slice_mm, step_mm, step_mm)), planes)
    first = float(canvas.z[0])
    count = int(np.ceil(len(canvas.z) * step_mm / slice_mm)) + 2
    shoulders, rngs = drawn.shoulder(first + np.arange(count) * slice_mm), slice_rng.spawn(count)
    slices = list(in_threads(lambda k: scanner.noise(float(shoulders[k]), rngs[k]), range(count)))

    def at_height(z_mm: float) -> np.ndarray:
        position = (z_mm - first) / slice_mm
        below = int(position)
        share = np.float32(position - below)
        return np.asarray(slices[below] * (1 - share) + slices[below + 1] * share)

    return at_height
