"""A synthetic patient straight on the working grid: what preprocessing makes of the scan, without the scan."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from ..names import LEFT, RIGHT
from ..preprocessing import WorkingLungs, WorkingScan
from ..preprocessing.hull import dilate_lungs, hull_lung
from ..preprocessing.working_grid import mask_grey, to_grey
from ..preset import Preset
from ..runtime.progress import in_threads
from .canvas import Canvas
from .lattice import Reader
from .nodules.nodule import SyntheticNodule
from .nodules.population import Population
from .patient import SHOULDERS_BELOW_APEX_MM, DrawnPatient, draw_patient, subslices
from .scanner.acquisition import BLUR_MM, ENHANCED, ENHANCED_OVER_MM, Acquisition, Scanner, blurred, narrow
from .thorax.anatomy import Anatomy
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
    shows; the lungs are the true ones.

    Returns
    -------
    The scan and its lungs, its nodules, and every parameter drawn.
    """
    drawn = draw_patient(rng, spacing_mm_kji=None, nodules=nodules, population=population)
    anatomy, acquisition = drawn.anatomy, drawn.acquisition
    step = preset.working_spacing_mm
    margin = step * max(preset.crop_margin_low, preset.crop_margin_high)
    z, y, x = (
        np.arange(np.floor(low - margin), high + margin, step).astype(np.float32)
        for low, high in zip(anatomy.low_lps_mm[::-1], anatomy.high_lps_mm[::-1], strict=True)
    )
    reader = Reader(y, x)
    lungs = np.stack(list(in_threads(lambda height: lung_labels(anatomy, reader, float(height), SEEN_DEPTH_MM), z)))
    box, ends = _crop(lungs > 0, preset)
    lungs, (z, y, x) = lungs[box], (c[side] for c, side in zip((z, y, x), box, strict=True))

    canvas = Canvas(np.full(lungs.shape, FAT_HU, dtype=np.float32), z, y, x, edge_mm=EDGE_SHARE * step)
    layers = (*build_wall(anatomy.thorax.cage), *build_inner(anatomy.thorax, acquisition.blood))
    paint_patient(canvas, anatomy, layers, acquisition.blood, drawn.nodules, None)
    grey = _scan(canvas, drawn, preset)
    dilated = _dilated(lungs, preset)
    kji_to_lps = np.zeros((4, 4))
    kji_to_lps[[2, 1, 0], [0, 1, 2]] = step
    kji_to_lps[:, 3] = x[0], y[0], z[0], 1
    image = mask_grey(grey, dilated, lungs > 0, preset)
    scan = WorkingScan(image=image, dilated=dilated, lung_ends_kji=ends, kji_to_lps=kji_to_lps)
    return scan, WorkingLungs(lungs), drawn.nodules, drawn.record()


def _crop(mask: np.ndarray, preset: Preset) -> tuple[tuple[slice, ...], np.ndarray]:
    """The box of the lungs with the preset's margin, and the lungs' ends (2, 3) in it."""
    box, ends = [], []
    for axis in range(3):
        there = np.flatnonzero(mask.any(axis=tuple(other for other in range(3) if other != axis)))
        low = max(int(there[0]) - preset.crop_margin_low, 0)
        box.append(slice(low, min(int(there[-1]) + 1 + preset.crop_margin_high, mask.shape[axis])))
        ends.append((there[0] - low, there[-1] - low))
    return tuple(box), np.array(ends, dtype=float).T


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
    noise = _Noise(drawn.anatomy, how, canvas, drawn.noise_rng, step)
    grey = np.empty(hu.shape, dtype=np.uint8)
    strength = ENHANCED[how.kernel]

    def scan(k: int) -> None:
        level = sum(weight * hu[at] for weight, at in zip(through, levels[k : k + len(through)], strict=True))
        seen = _smoothed(level, within)
        if strength:
            seen = seen + strength * (seen - _smoothed(seen, wide))
        seen = seen + noise.at(float(canvas.z[k]))
        grey[k] = to_grey(seen, preset)

    for _ in in_threads(scan, range(len(hu))):
        pass
    return grey


def _smoothed(plane: np.ndarray, half: np.ndarray) -> np.ndarray:
    return blurred(blurred(plane, half, 0), half, 1)


class _Noise:
    """The noise of a scan, resampled: planes of the scan's own pixels brought to the working grid, slices mixed."""

    def __init__(
        self, anatomy: Anatomy, how: Acquisition, canvas: Canvas, rng: np.random.Generator, step_mm: float
    ) -> None:
        slice_mm, *pixel_mm = how.spacing_mm_kji
        shape = [int(np.ceil(len(c) * step_mm / p)) + 2 for c, p in zip((canvas.y, canvas.x), pixel_mm, strict=True)]
        plane_rng, slice_rng = rng.spawn(2)
        planes = Scanner.of(how, (shape[0], shape[1]), plane_rng).planes
        for axis, (centres, pixel) in enumerate(zip((canvas.y, canvas.x), pixel_mm, strict=True), start=1):
            at = np.arange(len(centres)) * step_mm / pixel
            below = at.astype(int)
            share = (at - below).astype(np.float32).reshape((1, -1, 1) if axis == 1 else (1, 1, -1))
            planes = planes.take(below, axis) * (1 - share) + planes.take(below + 1, axis) * share
        self._scanner = Scanner(replace(how, spacing_mm_kji=(slice_mm, step_mm, step_mm)), planes)
        self._first, self._slice_mm = float(canvas.z[0]), slice_mm
        count = int(np.ceil(len(canvas.z) * step_mm / slice_mm)) + 2
        shoulder_from = anatomy.high_lps_mm[2] - SHOULDERS_BELOW_APEX_MM
        heights = self._first + np.arange(count) * slice_mm
        shoulders = np.clip((heights - shoulder_from) / 30.0, 0, 1)
        rngs = slice_rng.spawn(count)
        self._slices = list(in_threads(lambda k: self._scanner.noise(float(shoulders[k]), rngs[k]), range(count)))

    def at(self, z_mm: float) -> np.ndarray:
        """HU (J, I) at a height."""
        position = (z_mm - self._first) / self._slice_mm
        below = int(position)
        share = np.float32(position - below)
        return self._slices[below] * (1 - share) + self._slices[below + 1] * share
