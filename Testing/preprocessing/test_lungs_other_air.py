"""Air that is no lung: gas in the bowel, cushions, couches and bags beside the patient."""

import functools

import numpy as np
import pytest
from scipy import ndimage

from LungCancerDxLib.io import read_ct
from LungCancerDxLib.names import LEFT, RIGHT
from LungCancerDxLib.phantom.patient import synthetic_chest
from LungCancerDxLib.preprocessing.lungs import find_lungs
from LungCancerDxLib.preset import DEFAULT

SPACING = np.array([5.0, 2.0, 2.0])
TISSUE_HU, NOISE_HU = 40, 18
ABDOMEN_MM = 200
AROUND_MM = 80  # of air around the image, with room for a cushion


def noisy(shape, hu):
    return np.clip(np.random.default_rng(0).normal(hu, NOISE_HU, shape), -1024, 3071)


@functools.cache
def trunk(spacing=tuple(SPACING)):
    """A synthetic chest with an abdomen of soft tissue below it, and its lungs."""
    patient = synthetic_chest(np.random.default_rng(1), spacing_mm_kji=spacing)
    return with_abdomen(patient.volume.voxels, patient.lungs, spacing)


def with_abdomen(hu, lungs, spacing):
    bottom = hu[0].copy()
    inside = ndimage.binary_fill_holes(bottom > -500)
    bottom[inside & (bottom < -300)] = TISSUE_HU
    slices = int(ABDOMEN_MM / spacing[0])
    below = noisy((slices, *bottom.shape), 0) + bottom
    hu = np.concatenate([np.clip(below, -1024, 3071).astype(np.int16), hu])
    return hu, np.concatenate([np.zeros((slices, *bottom.shape), np.uint8), lungs])


def body_middle(hu):
    """(j, i) of the abdomen's middle, in pixels."""
    return np.argwhere(hu[3] > -500).mean(axis=0)


def ball(hu, center, radius_mm, spacing, value, wall_mm=4.0):
    """The image with a ball of gas in a wall of tissue (centre in voxels), and which voxels the gas fills."""
    offsets = (np.indices(hu.shape).T - np.array(center)).T * np.array(spacing)[:, None, None, None]
    distance_mm = np.sqrt((offsets**2).sum(axis=0))
    hu, gas = hu.copy(), distance_mm < radius_mm
    hu[distance_mm < radius_mm + wall_mm] = TISSUE_HU
    hu[gas] = noisy(gas.sum(), value)
    return hu, gas


def least_dice(hu, truth, spacing=SPACING):
    """Of both lungs, against the truth or against those of the same image without other air; and the messages."""
    found = find_lungs(hu, np.array(spacing), DEFAULT)
    sides = [(found.labels == label, truth == label) for label in (LEFT, RIGHT)]
    return min(2 * (a & b).sum() / (a.sum() + b.sum()) for a, b in sides), found.warnings


@functools.cache
def undisturbed():
    hu, _ = trunk()
    return find_lungs(hu, SPACING, DEFAULT).labels


@pytest.mark.parametrize("hu_of_gas", [-1000, -985, -940])
@pytest.mark.parametrize("radius_mm", [60, 95], ids=["0.9 L", "3.6 L"])
def test_gas_below_the_lungs_is_no_lung_even_where_it_is_more_than_both_or_not_quite_pure(radius_mm, hu_of_gas):
    hu, _ = trunk()
    j, i = body_middle(hu)
    filled, _ = ball(hu, (ABDOMEN_MM / 2 / SPACING[0], j - 8, i), radius_mm, SPACING, hu_of_gas)
    dice, warnings = least_dice(filled, undisturbed())
    assert dice > 0.995
    assert any("bowel" in message for message in warnings) == (hu_of_gas == -940)  # what might be lung is named


def test_gas_beside_the_base_of_a_lung_is_no_lung():
    hu, truth = trunk()
    k, j, i = np.argwhere(truth == LEFT)[0]
    filled, gas = ball(hu, (k + 2, j - 10, i - 15), 45, SPACING, -1000)
    labels = find_lungs(filled, SPACING, DEFAULT).labels
    assert (labels[gas] > 0).mean() < 0.01
    assert set(np.unique(labels)) == {0, LEFT, RIGHT}


def test_gas_that_hangs_together_with_a_lung_by_a_narrow_gap_is_cut_off():
    hu, truth = trunk()
    k, j, i = np.argwhere(truth == LEFT)[0]
    filled, gas = ball(hu, (k - 11, j, i), 45, SPACING, -1000)
    filled[k - 4 : k + 2, j - 3 : j + 4, i - 3 : i + 4] = -1000
    labels = find_lungs(filled, SPACING, DEFAULT).labels
    assert (labels[gas] > 0).mean() < 0.02
    undisturbed_left = undisturbed() == LEFT
    assert 2 * (undisturbed_left & (labels == LEFT)).sum() / (undisturbed_left.sum() + (labels == LEFT).sum()) > 0.99


def test_a_bulla_within_a_lung_stays_lung():
    hu, truth = trunk()
    center = np.argwhere(truth == RIGHT).mean(axis=0)
    filled, gas = ball(hu, center, 40, SPACING, -1000, wall_mm=0.0)
    assert (find_lungs(filled, SPACING, DEFAULT).labels[gas] == RIGHT).mean() > 0.98


@pytest.mark.parametrize("hu_of_filling", [-1000, -930], ids=["bag of air", "foam"])
@pytest.mark.parametrize("side", ["back", "front", "left"])
def test_a_cushion_beside_the_patient_is_no_lung(side, hu_of_filling):
    hu, _ = trunk()
    pad = int(AROUND_MM / SPACING[1])
    hu = np.pad(hu, ((0, 0), (pad, pad), (pad, pad)), constant_values=-1000)
    body = ndimage.binary_fill_holes((hu > -500).max(axis=0))
    rows, columns = np.flatnonzero(body.any(axis=1)), np.flatnonzero(body.any(axis=0))
    wide, middle = slice(columns[0] + 10, columns[-1] - 10), slice(rows.mean() - 30, rows.mean() + 30)
    middle = slice(int(middle.start), int(middle.stop))
    where = {
        "back": (slice(rows[-1] + 1, rows[-1] + 31), wide),
        "front": (slice(rows[0] - 30, rows[0]), wide),
        "left": (middle, slice(columns[-1] + 1, columns[-1] + 31)),
    }
    cushion = np.zeros(hu.shape, bool)
    cushion[len(hu) // 6 : -len(hu) // 6, *where[side]] = True
    cushion &= ~body
    filling = ndimage.binary_erosion(cushion, iterations=2)
    hu[cushion] = -200
    hu[filling] = noisy(filling.sum(), hu_of_filling)
    truth = np.pad(undisturbed(), ((0, 0), (pad, pad), (pad, pad)))
    assert filling.sum() * np.prod(SPACING) / 1e6 > 0.5
    assert least_dice(hu.astype(np.int16), truth)[0] > 0.995


def test_the_scan_with_gas_in_a_distended_colon(difficult_case):
    volume = read_ct(difficult_case("bowel-gas-is-a-lung", "ct.nrrd")).canonical()
    found = find_lungs(volume.voxels, volume.spacing_mm_kji, DEFAULT)
    litres = [(found.labels == label).sum() * np.prod(volume.spacing_mm_kji) / 1e6 for label in (LEFT, RIGHT)]
    assert litres == pytest.approx([1.85, 1.93], abs=0.05)
    assert not found.labels[:75].any()  # the colon ends below, the lungs begin above


@pytest.mark.slow
@pytest.mark.parametrize("radius_mm", [62, 95])
def test_gas_below_a_real_chest_leaves_its_lungs_where_they_are(radius_mm, real_scan_path):
    volume = read_ct(real_scan_path("LIDC-IDRI-0001")).canonical()
    hu, spacing = volume.voxels[:, ::2, ::2], volume.spacing_mm_kji * (1, 2, 2)
    lungs = find_lungs(hu, spacing, DEFAULT).labels
    below, lungs = with_abdomen(hu, lungs, spacing)
    j, i = body_middle(below)
    filled, _ = ball(below, (ABDOMEN_MM / 2 / spacing[0], j - 10, i), radius_mm, spacing, -1000)
    assert least_dice(filled, lungs, spacing)[0] > 0.999
