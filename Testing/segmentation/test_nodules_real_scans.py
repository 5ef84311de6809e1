"""Nodules in a whole synthetic chest and the readers' lesions in real scans."""

import csv

import numpy as np
import pytest
import torch

from LungCancerDxLib.io import read_ct
from LungCancerDxLib.models.find import find_model, segmenter_of
from LungCancerDxLib.phantom.nodules.nodule import SyntheticNodule
from LungCancerDxLib.phantom.patient import synthetic_chest
from LungCancerDxLib.preprocessing.lungs import CTLungs, find_lungs
from LungCancerDxLib.preset import DEFAULT
from LungCancerDxLib.segmentation.nodules import segment_nodules
from LungCancerDxLib.volume import index_to_world
from Testing.segmentation.scenes import proposal

pytestmark = pytest.mark.slow

# Type, and equivalent diameter in mm after looking at the outlines. The readers' (24.3 mm in LIDC-IDRI-0001) run along
# the outer edge of the spicules, a pixel high.
LESIONS = {"LIDC-IDRI-0001": ("solid", 22.5), "CMB-CRC-MSB-01068": ("solid", 23.7)}


NODULES = {  # and how far off their diameters may be
    SyntheticNodule((74.0, 7.0, 92.0), 12.0, seed=1): 0.1,  # on the pleura
    SyntheticNodule((113.0, 42.0, -9.0), 14.0, hu=-600.0, kind="ground-glass", seed=2): 0.1,
    SyntheticNodule((-85.0, 20.0, 20.0), 10.0, seed=3): 0.2,  # on a vessel as wide as its radius
    SyntheticNodule((-90.0, -10.0, -20.0), 20.0, margin="lobulated", seed=4): 0.1,
}


@pytest.fixture(scope="module")
def segmenter():
    """That of the default model."""
    found = segmenter_of(find_model())
    if found is None:
        pytest.skip("the default model has no segmenter")
    return found.net


def test_the_nodules_of_the_synthetic_chest_are_measured(segmenter):
    patient = synthetic_chest(np.random.default_rng(1), spacing_mm_kji=(2.0, 1.0, 1.0), nodules=tuple(NODULES))
    proposals = [proposal(n.center_lps_mm, n.diameter_mm, rank) for rank, n in enumerate(patient.nodules, 1)]
    lungs = CTLungs(patient.lungs, patient.volume.kji_to_lps)
    result = segment_nodules(patient.volume, lungs, proposals, segmenter, torch.device("cpu"))
    for truth, nodule in zip(patient.nodules, result.nodules, strict=True):
        assert nodule.diameter_mm == pytest.approx(truth.diameter_mm, rel=NODULES[truth])
        assert nodule.type == truth.kind
        assert nodule.side == ("left" if truth.center_lps_mm[0] > 0 else "right")
        assert np.count_nonzero(result.labels == nodule.rank) > 0


@pytest.mark.parametrize("name", LESIONS)
def test_a_real_lesion_is_outlined_from_boxes_that_are_off(name, real_scan_path, segmenter):
    path = real_scan_path(name)
    lesion = next(row for row in csv.DictReader((path.parent / "annotations.csv").open()) if row["scan"] == name)
    center, readers_mm = np.array([float(lesion[f"{a}_lps_mm"]) for a in "xyz"]), float(lesion["diameter_mm"])
    volume = read_ct(path).canonical()
    lungs = CTLungs(find_lungs(volume.voxels, volume.spacing_mm_kji, DEFAULT).labels, volume.kji_to_lps)
    expected_type, diameter_mm = LESIONS[name]
    for off_mm, box_mm in (((0, 0, 0), readers_mm), ((2, 2, 0), 0.7 * readers_mm), ((-2, 1, 2), 1.3 * readers_mm)):
        result = segment_nodules(volume, lungs, [proposal(center + off_mm, box_mm)], segmenter, torch.device("cpu"))
        nodule = result.nodules[0]
        assert nodule.type == expected_type
        assert (nodule.side, nodule.third) == ("left", "middle")
        assert nodule.diameter_mm == pytest.approx(diameter_mm, rel=0.03)
        assert nodule.diameter_mm == pytest.approx(readers_mm, rel=0.1)
        assert nodule.distance_to_pleura_mm < 2
        place = index_to_world(volume.kji_to_lps, np.argwhere(result.labels)).mean(axis=0)
        assert np.linalg.norm(place - center) < 2.5
