"""Every step of the preprocessing beside its slow, plain version, on a synthetic and on real chests (coarsened)."""

import dataclasses
import functools

import numpy as np
import pytest
from scipy import ndimage
from skimage.morphology import convex_hull_image

from LungCancerDxLib.io import read_ct
from LungCancerDxLib.phantom.patient import synthetic_chest
from LungCancerDxLib.preprocessing import hull, lung_mask, lung_split
from LungCancerDxLib.preprocessing import working_grid as intensity
from LungCancerDxLib.preprocessing import working_grid as resample
from LungCancerDxLib.preset import DEFAULT, GRT123, PAPER
from Testing.Oracles import preprocessing as oracle
from Testing.Oracles.lung_mask import lung_cores

pytestmark = pytest.mark.slow

COARSENING = 3  # in plane, so that the plain versions end within seconds


CASES = [("synthetic", GRT123), ("synthetic", DEFAULT), ("CMB-CRC-MSB-01068", GRT123), ("4D-Lung-P113", DEFAULT)]


@pytest.fixture(scope="module", params=CASES, ids=lambda case: f"{case[0]}-{case[1].name}")
def case(request, real_scan_path):
    """Hounsfield units (K, J, I) and spacing in mm, a preset, and what the plain versions make of them."""
    name, preset = request.param
    hu_and_spacing = scan(name, real_scan_path)
    return hu_and_spacing, preset, oracle.preprocess(*hu_and_spacing, preset)


@pytest.fixture
def chest(case):
    return case[0]


@pytest.fixture
def truth(case):
    """The preset and what the plain versions make of the chest."""
    return case[1:]


def scan(name, real_scan_path) -> tuple[np.ndarray, np.ndarray]:
    if name == "synthetic":
        volume = chest_of_seed_3().volume
        return volume.voxels, volume.spacing_mm_kji
    volume = read_ct(real_scan_path(name)).canonical()
    hu = np.ascontiguousarray(volume.voxels[:, ::COARSENING, ::COARSENING])
    return hu, volume.spacing_mm_kji * [1, COARSENING, COARSENING]


@functools.cache
def chest_of_seed_3():
    return synthetic_chest(np.random.default_rng(3), spacing_mm_kji=(5.0, 2.5, 2.5))


def test_air_in_slices_is_that_of_the_oracle(chest: tuple[np.ndarray, np.ndarray], truth):
    preset, plain = truth
    assert (lung_mask.air_components(*chest, preset) != plain["air"]).mean() < 1e-5


def test_lung_components_are_those_of_the_oracle(chest, truth):
    preset, plain = truth
    assert np.array_equal(lung_mask.lung_components(plain["air"], chest[1], preset), plain["lungs_raw"])


def test_filled_holes_are_those_of_the_oracle(truth):
    _, plain = truth
    assert np.array_equal(lung_mask.fill_holes(plain["lungs_raw"]), plain["filled"])


def test_split_and_cleaned_lungs_are_those_of_the_oracle(chest, truth):
    preset, plain = truth
    sides = lung_split.split_lungs(plain["filled"], chest[1], preset)
    near_one = ~ties(plain["filled"], chest[1], preset)  # the oracle drops voxels that are equally near to both cores
    for lung, name in zip(sides, ("lung_a", "lung_b"), strict=True):
        cleaned = lung_split.clean_lung(lung, preset)
        assert dice(cleaned & near_one, plain[name] & near_one) > 0.9999


def ties(filled, spacing_mm_kji, preset):
    """Voxels that are equally near to both cores, to rounding."""
    cores = lung_cores(filled, preset)
    to_a, to_b = (ndimage.distance_transform_edt(~core, sampling=spacing_mm_kji) for core in cores)
    return np.abs(to_a - to_b) < 1e-6


def test_hulls_are_those_of_the_oracle(truth):
    preset, plain = truth
    both = hull.hull_lung(plain["lung_a"], preset) | hull.hull_lung(plain["lung_b"], preset)
    assert dice(both, plain["hull"]) > 0.9999


def test_dilation_is_that_of_the_oracle(chest, truth):
    preset, plain = truth
    assert np.array_equal(hull.dilate_lungs(plain["hull"], chest[1], preset), plain["dilated"])


def test_grey_values_are_those_of_the_oracle(chest, truth):
    preset, plain = truth
    assert np.array_equal(intensity.to_grey(chest[0], preset), plain["grey"])
    lungs = plain["lung_a"] | plain["lung_b"]
    assert np.array_equal(intensity.mask_grey(plain["grey"], plain["dilated"], lungs, preset), plain["masked"])


def test_working_image_is_that_of_the_oracle(chest, truth):
    preset, plain = truth
    lungs = plain["lung_a"] | plain["lung_b"]
    grid = resample.lung_grid(lungs, chest[1], preset)
    seen = grid.on_ct(plain["masked"].shape)
    image = resample.resample_grey(plain["masked"][seen], seen, grid)
    assert image.shape == plain["cropped"].shape
    assert np.abs(image.astype(int) - plain["cropped"]).max() <= 1
    assert (image == plain["cropped"]).mean() > 0.995  # halves fall either way in single precision


@pytest.mark.parametrize("seed", range(5))
def test_a_hull_is_that_of_scikit_image(seed):
    rng = np.random.default_rng(seed)
    mask = np.zeros((40, 30), dtype=bool)
    mask[tuple(rng.integers(0, (40, 30), size=(int(rng.integers(1, 25)), 2)).T)] = True
    assert np.array_equal(hull.convex_hull(mask), convex_hull_image(mask))


def test_lungs_open_on_top_are_found_as_by_the_oracle():
    """An image that begins below the apices, its lungs open to the outside in the top slices."""
    patient = chest_of_seed_3()
    hu, spacing = patient.volume.voxels.copy(), patient.volume.spacing_mm_kji
    top = np.flatnonzero((patient.lungs > 0).any(axis=(1, 2)))[-1] - 8
    hu = hu[: top + 1]
    j, i = np.argwhere(patient.lungs[top] > 0).mean(axis=0).astype(int)
    hu[-3:, : j + 1, i - 20 : i + 21] = -1000  # a gap in the chest wall
    for preset in (PAPER, GRT123):
        air = lung_mask.air_components(hu, spacing, preset)
        plain = oracle.lung_components(air, spacing, preset)
        assert plain.any()
        assert np.array_equal(lung_mask.lung_components(air, spacing, preset), plain)
        without_cutting = dataclasses.replace(preset, top_slices_per_cut=len(hu))
        assert not lung_mask.lung_components(air, spacing, without_cutting).any()


def dice(a, b):
    return 2 * (a & b).sum() / (a.sum() + b.sum())
