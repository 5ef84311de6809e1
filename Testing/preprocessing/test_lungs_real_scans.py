"""The real scans at full resolution: both lungs in all five, and the known lesions inside the mask."""

import csv

import numpy as np
import pytest

from LungCancerDxLib.io import read_ct
from LungCancerDxLib.names import LEFT, RIGHT
from LungCancerDxLib.preprocessing import preprocess
from LungCancerDxLib.preset import DEFAULT, GRT123
from LungCancerDxLib.volume import index_to_world, world_to_index

pytestmark = pytest.mark.slow

# Lung volumes in mL (left, right) after looking at the masks; see docs/preprocessing-real-scans.png.
VOLUMES_ML = {
    "LIDC-IDRI-0001": (1670, 1910),
    "LIDC-IDRI-0002": (2370, 2720),
    "LIDC-IDRI-0314": (1830, 880),
    "CMB-CRC-MSB-01068": (1870, 2380),
    "4D-Lung-P113": (660, 1200),
}
# Least share of each lesion's sphere inside the hulled and dilated mask. The lesions of P113 lie at the hilum and in
# the mediastinum, which no lung mask is made to hold whole.
SHARE_INSIDE = {
    ("LIDC-IDRI-0001", "1"): 1.0,
    ("LIDC-IDRI-0002", "1"): 1.0,
    ("CMB-CRC-MSB-01068", "1"): 1.0,
    ("4D-Lung-P113", "1"): 0.65,
    ("4D-Lung-P113", "2"): 0.55,
}
# What the published code makes of two scans (of P113 it keeps only the right lung).
PUBLISHED_CROPS = {
    "LIDC-IDRI-0001": (270, 205, 267),
    "4D-Lung-P113": (201, 208, 136),
}


@pytest.fixture(scope="module", params=list(VOLUMES_ML))
def scan(request, real_scan_path):
    volume = read_ct(real_scan_path(request.param))
    return request.param, volume, preprocess(volume, DEFAULT)


def test_both_lungs_are_found_on_their_sides(scan):
    name, volume, preprocessed = scan
    lungs = preprocessed.lungs
    assert [lungs.volume_ml(label) for label in (LEFT, RIGHT)] == pytest.approx(VOLUMES_ML[name], rel=0.03)
    x_mm = [index_to_world(volume.kji_to_lps, np.argwhere(lungs.labels == s)[::997]).mean(0)[0] for s in (LEFT, RIGHT)]
    assert x_mm[0] > x_mm[1] + 100


def test_known_lesions_lie_inside_the_mask(scan, real_scan_path):
    name, _, preprocessed = scan
    with (real_scan_path(name).parent / "annotations.csv").open() as file:
        lesions = {(row["scan"], row["lesion"]): row for row in csv.DictReader(file) if row["diameter_mm"]}
    assert {key for key in lesions if key[0] == name} == {key for key in SHARE_INSIDE if key[0] == name}
    for key, least in SHARE_INSIDE.items():
        if key[0] == name:
            place = [float(lesions[key][f"{axis}_lps_mm"]) for axis in "xyz"]
            center = world_to_index(preprocessed.working.kji_to_lps, place)
            radius_mm = float(lesions[key]["diameter_mm"]) / 2
            assert share_of_sphere_inside(preprocessed.working.dilated, center, radius_mm) >= least


@pytest.mark.parametrize(("name", "shape"), PUBLISHED_CROPS.items())
def test_the_published_preset_crops_as_the_published_code(name, shape, real_scan_path):
    assert preprocess(read_ct(real_scan_path(name)), GRT123).working.image.shape == shape


def share_of_sphere_inside(mask, center_kji, radius):
    grid = np.stack(np.meshgrid(*[np.arange(np.floor(c - radius), np.ceil(c + radius) + 1) for c in center_kji]), -1)
    ball = grid[np.linalg.norm(grid - center_kji, axis=-1) <= radius].astype(int)
    inside = ((ball >= 0) & (ball < mask.shape)).all(axis=1)
    return mask[tuple(ball[inside].T)].sum() / len(ball)
