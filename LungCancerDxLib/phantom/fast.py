"""A synthetic patient straight on the working grid: what preprocessing makes of the scan, without the scan."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from ..names import LEFT, RIGHT
from ..preprocessing import WorkingLungs, WorkingScan
from ..preprocessing.hull import dilate_lungs, hull_lung
from ..preprocessing.lung_mask import bounding_box
from ..preprocessing.working_grid import mask_grey, to_grey
from ..preset import Preset
from ..runtime.progress import in_threads
from .canvas import Canvas
from .fields import Reader
from .nodules.nodule import SyntheticNodule
from .nodules.population import Population
from .patient import DrawnPatient, draw_patient, grid_affine, subslices
from .scanner.acquisition import BLUR_MM, ENHANCED, ENHANCED_OVER_MM, Scanner, blurred, narrow
from .thorax.painting import lung_labels, paint_patient
from .thorax.soft_tissue import FAT_HU, build_inner, build_wall

EDGE_SHARE = 0.8  # of a working voxel: the edges of a scan of smaller pixels are sharper than a voxel
HULL_STEP = 2  # working voxels: the hulls and their dilation are made on a grid this much coarser
SEEN_DEPTH_MM = 0.35  # where the lung's edge is seen at the threshold of the mask, below the true surface


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
