"""A scan and what is known of it to a training case."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import affine_transform

from ...errors import UsageError
from ...phantom.case import CaseTruth, draw_truth
from ...phantom.patient import synthetic_preprocessed
from ...preprocessing import CTLungs, WorkingLungs, WorkingScan, preprocess
from ...preset import Preset
from ...runtime.progress import Progress, silent
from ...volume import CTVolume, world_to_index
from .store import TrainingCase

NONE = np.zeros((0, 4))


def prepare_case(
    name: str,
    volume: CTVolume,
    preset: Preset,
    nodules_lps_mm: np.ndarray = NONE,
    exclusion_regions_lps_mm: np.ndarray = NONE,
    progress: Progress = silent,
    lung_labels: np.ndarray | None = None,
) -> TrainingCase:
    """Preprocess a scan (III-B) and take its nodules and exclusion regions to the working grid.

    Parameters
    ----------
    nodules_lps_mm
        (N, 4) x, y, z, diameter.
    exclusion_regions_lps_mm
        (M, 4) x, y, z, radius.
    lung_labels
        The lungs where they are known already, (K, J, I) of the volume: 1 left lung, 2 right lung.

    Raises
    ------
    NoLungsError
    UsageError
        Where a nodule lies outside the lungs' part of the scan.
    """
    preprocessed = preprocess(volume, preset, progress, lung_labels)
    scan = preprocessed.working
    nodules = to_working(nodules_lps_mm, scan)
    outside = ((nodules[:, :3] < 0) | (nodules[:, :3] > np.array(scan.image.shape) - 1)).any(axis=1)
    if outside.any():
        x, y, z, _ = nodules_lps_mm[outside][0]
        raise UsageError(
            f"Case {name}: the nodule at ({x:g}, {y:g}, {z:g}) LPS mm lies outside the lungs' part of the scan. Is it "
            "this scan's, in LPS (not RAS) mm?"
        )
    lungs = lungs_on_working_grid(preprocessed.lungs, scan)
    return TrainingCase(name, scan, lungs, nodules, to_working(exclusion_regions_lps_mm, scan))


def synthetic_case(name: str, rng: np.random.Generator, preset: Preset) -> tuple[TrainingCase, CaseTruth]:
    """A synthetic patient on the working grid, with nodules as in the paper's larger set (Fig. 2a), and the truth.

    From the generator `default_rng([seed, index])` the patient and the truth of `phantom.case.synthetic_case`.
    """
    patient_rng, truth_rng = rng.spawn(2)
    scan, lungs, nodules, record = synthetic_preprocessed(patient_rng, preset, population="dsb")
    truth = draw_truth(truth_rng, nodules, emphysema=bool(record["emphysema"]), female=bool(record["female"]))
    spheres = np.array([[*nodule.center_lps_mm, nodule.diameter_mm] for nodule in nodules])
    return TrainingCase(name, scan, lungs, to_working(spheres, scan), NONE, synthetic=True), truth


def lungs_on_working_grid(lungs: CTLungs, scan: WorkingScan) -> WorkingLungs:
    """The lungs of a CT on the grid of its working scan, nearest voxel."""
    to_ct = np.linalg.inv(lungs.kji_to_lps) @ scan.kji_to_lps
    return WorkingLungs(
        affine_transform(lungs.labels, to_ct[:3, :3], to_ct[:3, 3], scan.image.shape, order=0, output=np.uint8)
    )


def to_working(spheres_lps_mm: np.ndarray, scan: WorkingScan) -> np.ndarray:
    """(N, 4) x, y, z, length in LPS mm to k, j, i, length in working voxels."""
    spheres = np.asarray(spheres_lps_mm, dtype=float).reshape(-1, 4)
    centers = world_to_index(scan.kji_to_lps, spheres[:, :3])
    return np.column_stack([centers, spheres[:, 3] / scan.spacing_mm])
