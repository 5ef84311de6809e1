"""A synthetic patient: anatomy drawn first, then put on a grid, then scanned."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..runtime.progress import in_threads
from ..volume import CTVolume
from .canvas import Canvas
from .lattice import Lattice, Reader
from .nodules.nodule import SyntheticNodule
from .nodules.population import Population, draw_nodules
from .scanner.acquisition import Acquisition, Scanner, draw_acquisition, plain_acquisition
from .thorax.anatomy import Anatomy, draw_anatomy
from .thorax.painting import SPRIGS_BELOW_MM, lung_labels, paint_patient
from .thorax.soft_tissue import AIR_HU, body_width_mm, build_inner, build_outer

SHARPEST_EDGE_MM = 0.7
AIR_AROUND_MM = 14.0
TABLE_BELOW_MM = 6.0
SAMPLE_NODULES = (3, 4)  # how many a patient of no population has
SHOULDERS_BELOW_APEX_MM = 45.0
SUBSLICE_MM = 1.25  # thicker slices are painted in several, and averaged


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
    record
        Every parameter drawn, JSON-able; `record["emphysema"]` and `record["female"]` are bool.
    """

    volume: CTVolume
    nodules: tuple[SyntheticNodule, ...]
    lungs: np.ndarray
    record: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class DrawnPatient:
    """A patient before there is a grid, how the scan is made, and the generator of its noise."""

    anatomy: Anatomy
    acquisition: Acquisition
    nodules: tuple[SyntheticNodule, ...]
    noise_rng: np.random.Generator

    def record(self) -> dict[str, Any]:
        """Every parameter drawn, JSON-able."""
        return {**self.anatomy.record(), "acquisition": self.acquisition.record()}


def draw_patient(
    rng: np.random.Generator,
    *,
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
        acquisition = draw_acquisition(acquisition_rng, body_width_mm(anatomy.body))
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
    """A chest CT of an invented adult.

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
    drawn = draw_patient(
        rng,
        spacing_mm_kji=spacing_mm_kji,
        nodules=nodules,
        population=population,
        left_lung=left_lung,
        right_lung=right_lung,
    )
    return scanned(drawn, z_range_mm)


def scanned(drawn: DrawnPatient, z_range_mm: tuple[float, float] | None = None) -> SyntheticPatient:
    """Put a patient on the grid of the acquisition and scan it; see `synthetic_chest`."""
    anatomy, acquisition = drawn.anatomy, drawn.acquisition
    outer = build_outer(anatomy.body, anatomy.thorax.cage)
    box = _box_of(outer[0].field)
    x, y, all_z = _grid(acquisition, anatomy, box)
    lowest, highest = z_range_mm or (-np.inf, np.inf)
    imaged = np.flatnonzero((all_z >= lowest) & (all_z <= highest))
    if len(imaged) == 0:
        raise ValueError(f"no slice within z_range_mm {z_range_mm}; the scan covers {all_z[0]:.0f} to {all_z[-1]:.0f}")
    parts = subslices(acquisition.spacing_mm_kji)
    fine_z = (all_z[imaged][:, None] + acquisition.spacing_mm_kji[0] * _offsets(parts)).ravel()
    canvas = Canvas(
        np.full((len(fine_z), len(y), len(x)), AIR_HU, dtype=np.float32),
        z=fine_z.astype(np.float32),
        y=y.astype(np.float32),
        x=x.astype(np.float32),
        edge_mm=max(SHARPEST_EDGE_MM, *acquisition.spacing_mm_kji[1:]),
    )
    inner = build_inner(anatomy.thorax, acquisition.blood)
    table_y = box[1][1] + TABLE_BELOW_MM if acquisition.table else None
    paint_patient(canvas, anatomy, (*outer, *inner), acquisition.blood, drawn.nodules, table_y)

    plane_rng, slice_rng = drawn.noise_rng.spawn(2)
    scanner = Scanner.of(acquisition, (len(y), len(x)), plane_rng)
    slice_rngs = slice_rng.spawn(len(all_z))
    reader = Reader(canvas.y, canvas.x)
    voxels = np.empty((len(imaged), len(y), len(x)), dtype=np.int16)
    lungs = np.empty(voxels.shape, dtype=np.uint8)
    shoulder_from = anatomy.high_lps_mm[2] - SHOULDERS_BELOW_APEX_MM

    def scan(k: int) -> None:
        z = float(all_z[imaged[k]])
        hu = canvas.hu[k * parts : (k + 1) * parts].mean(axis=0) if parts > 1 else canvas.hu[k]
        shoulder = float(np.clip((z - shoulder_from) / 30.0, 0, 1))
        voxels[k] = scanner.scan(hu, shoulder, slice_rngs[imaged[k]])
        lungs[k] = lung_labels(anatomy, reader, z)

    for _ in in_threads(scan, range(len(imaged))):
        pass
    kji_to_lps = np.zeros((4, 4))
    kji_to_lps[[2, 1, 0], [0, 1, 2]] = acquisition.spacing_mm_kji
    kji_to_lps[:, 3] = x[0], y[0], all_z[imaged[0]], 1
    info = {"path": "synthetic", "kernel": acquisition.kernel}
    return SyntheticPatient(CTVolume(voxels, kji_to_lps, info), drawn.nodules, lungs, drawn.record())


def subslices(spacing_mm_kji: tuple[float, float, float]) -> int:
    """In how many thin slices a slice is painted."""
    return max(int(spacing_mm_kji[0] / max(SUBSLICE_MM, 1.6 * spacing_mm_kji[1])), 1)


def _offsets(parts: int) -> np.ndarray:
    return (np.arange(parts) + 0.5) / parts - 0.5


def _box_of(skin: Lattice) -> tuple[tuple[float, float], tuple[float, float]]:
    """Lowest and highest x and y of the body."""
    _, rows, columns = (
        np.flatnonzero((skin.values < 0).any(axis=tuple(o for o in range(3) if o != axis))) for axis in range(3)
    )
    _, y, x = skin.node_mm
    return (float(x[columns[0]]), float(y[rows[0]])), (float(x[columns[-1]]), float(y[rows[-1]]))


def _grid(
    acquisition: Acquisition, anatomy: Anatomy, box: tuple[tuple[float, float], tuple[float, float]]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Voxel centres x, y, z of the whole scan, LPS mm."""
    k, j, i = acquisition.spacing_mm_kji
    z = _centres(anatomy.low_lps_mm[2] - acquisition.below_mm, anatomy.high_lps_mm[2] + acquisition.above_mm, k)
    if acquisition.field_mm is None:
        (low_x, low_y), (high_x, high_y) = box
        below = high_y + TABLE_BELOW_MM + AIR_AROUND_MM
        return (
            _centres(low_x - AIR_AROUND_MM, high_x + AIR_AROUND_MM, i),
            _centres(low_y - AIR_AROUND_MM, below, j),
            z,
        )
    half = acquisition.field_mm / 2
    (low_x, low_y), (high_x, high_y) = box
    middle_x = (low_x + high_x) / 2 + anatomy.body.shift_mm[0]
    middle_y = (low_y + high_y) / 2 + anatomy.body.shift_mm[1]
    return _centres(middle_x - half, middle_x + half, i), _centres(middle_y - half, middle_y + half, j), z


def _centres(low: float, high: float, step: float) -> np.ndarray:
    """Voxel centres that fill the field from `low` to `high`, in its middle, mm."""
    count = int(np.ceil((high - low) / step - 1e-9))
    return (low + high) / 2 + (np.arange(count) - (count - 1) / 2) * step
