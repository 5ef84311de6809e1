"""Which lung is which where an image shows one lung, half a patient, or neither spine nor the body's outline."""

import functools

import numpy as np
import pytest
from scipy import ndimage

from LungCancerDxLib.io import read_ct
from LungCancerDxLib.names import LEFT, RIGHT, UNKNOWN_SIDE
from LungCancerDxLib.phantom.patient import synthetic_chest
from LungCancerDxLib.preprocessing import preprocess
from LungCancerDxLib.preprocessing.lungs import find_lungs
from LungCancerDxLib.preset import DEFAULT
from Testing.helpers import reoriented

SPACING = np.array([5.0, 2.0, 2.0])
OTHER = {LEFT: RIGHT, RIGHT: LEFT}


@functools.cache
def chest(**options):
    return synthetic_chest(np.random.default_rng(1), spacing_mm_kji=tuple(SPACING), **options)


def dice(a, b):
    return 2 * (a & b).sum() / (a.sum() + b.sum())


def middle_i(lungs):
    """Between the lungs, where the spine is."""
    return int((np.argwhere(lungs == LEFT)[:, 2].min() + np.argwhere(lungs == RIGHT)[:, 2].max()) / 2)


def box_of(lungs, label, margin=4):
    """The crop of a targeted reconstruction."""
    return tuple(
        slice(max(low - margin, 0), high + margin + 1)
        for low, high in zip(
            np.argwhere(lungs == label).min(axis=0), np.argwhere(lungs == label).max(axis=0), strict=True
        )
    )


def check_single(hu, lungs, label, spacing=SPACING, least=0.95):
    """The lung is found whole, on its side, and the other one is said to lie outside the image."""
    found = find_lungs(hu, spacing, DEFAULT)
    assert set(np.unique(found.labels)) == {0, label}
    assert dice(found.labels == label, lungs == label) > least
    side, missing = ("left", "right") if label == LEFT else ("right", "left")
    assert f"The image shows the {side} lung only; the {missing} lung lies outside it" in found.warnings[-1]


@pytest.mark.parametrize("label", [LEFT, RIGHT])
@pytest.mark.parametrize("heights", [(0.0, 1.0), (0.0, 0.55), (0.45, 1.0)], ids=["whole", "lower", "upper"])
def test_a_targeted_reconstruction_of_one_lung_is_of_that_side(label, heights):
    patient = chest()
    _, rows, columns = box_of(patient.lungs, label)
    slices = slice(*(int(len(patient.lungs) * height) for height in heights))
    box = (slices, rows, columns)
    check_single(patient.volume.voxels[box].copy(), patient.lungs[box], label)


@pytest.mark.parametrize("label", [LEFT, RIGHT])
def test_padding_around_a_circular_field_of_view_is_no_lung_and_no_side_is_wrong(label):
    patient = synthetic_chest(np.random.default_rng(1), spacing_mm_kji=(5.0, 1.2, 1.2))
    _, j, i = np.argwhere(patient.lungs == label).mean(axis=0).astype(int)
    half = round(90 / 1.2)
    hu, lungs = (np.pad(a, ((0, 0), (half, half), (half, half))) for a in (patient.volume.voxels, patient.lungs))
    box = (slice(None), slice(j, j + 2 * half), slice(i, i + 2 * half))
    hu, lungs = hu[box].copy(), lungs[box].copy()
    rows, columns = np.ogrid[: 2 * half, : 2 * half]
    beyond = np.hypot(rows - half + 0.5, columns - half + 0.5) > half
    hu[:, beyond], lungs[:, beyond] = -1024, 0
    found = find_lungs(hu, np.array([5.0, 1.2, 1.2]), DEFAULT).labels
    assert dice(found > 0, lungs > 0) > 0.97
    assert ((found == OTHER[label]) & (lungs == label)).sum() < 0.01 * (lungs == label).sum()


@pytest.mark.parametrize("beyond_mm", [-30, 0, 20])
def test_half_a_patient_is_of_the_side_that_is_shown(beyond_mm):
    patient = chest()
    middle, beyond = middle_i(patient.lungs), round(beyond_mm / SPACING[2])
    for label, columns in ((LEFT, slice(middle - beyond, None)), (RIGHT, slice(None, middle + beyond))):
        check_single(patient.volume.voxels[:, :, columns].copy(), patient.lungs[:, :, columns], label)


def test_half_a_patient_with_part_of_the_other_lung_has_two_lungs():
    patient = chest()
    columns = slice(middle_i(patient.lungs) - round(60 / SPACING[2]), None)
    found, truth = (
        find_lungs(patient.volume.voxels[:, :, columns].copy(), SPACING, DEFAULT),
        patient.lungs[:, :, columns],
    )
    for label in (LEFT, RIGHT):
        assert dice(found.labels == label, truth == label) > 0.9


@pytest.mark.parametrize("removed", [LEFT, RIGHT])
def test_after_removal_of_a_lung_the_other_keeps_its_side(removed):
    patient = chest()
    hu = patient.volume.voxels.copy()
    gone = ndimage.binary_dilation(patient.lungs == removed, iterations=2)
    hu[gone & (hu < -200)] = 30
    found = find_lungs(hu, SPACING, DEFAULT)
    assert set(np.unique(found.labels)) == {0, OTHER[removed]}
    assert dice(found.labels == OTHER[removed], patient.lungs == OTHER[removed]) > 0.95
    assert "Only one lung was found" in found.warnings[-1]


def test_both_lungs_are_told_apart_in_a_field_of_view_around_the_heart():
    patient = chest()
    middle, half = middle_i(patient.lungs), round(90 / SPACING[2])
    rows = box_of(patient.lungs, LEFT)[1]
    box = (slice(None), slice(rows.start, rows.stop - 15), slice(middle - half, middle + half))
    found = find_lungs(patient.volume.voxels[box].copy(), SPACING, DEFAULT)
    for label in (LEFT, RIGHT):
        assert dice(found.labels == label, patient.lungs[box] == label) > 0.9


def test_where_nothing_tells_the_side_it_is_unknown_and_stays_one_lung():
    """A block of lung in tissue that ends nowhere in the image: no spine, no skin."""
    hu = np.random.default_rng(0).normal(40, 15, (40, 90, 90))
    hu[5:35, 20:70, 20:70] = -850
    hu = hu.astype(np.int16)
    found = find_lungs(hu, np.array([5.0, 2.5, 2.5]), DEFAULT)
    assert set(np.unique(found.labels)) == {0, UNKNOWN_SIDE}
    assert "does not tell which" in found.warnings[-1]


@pytest.mark.parametrize("file", ["ct.nrrd", "ct-1.25mm.nrrd"])
def test_the_targeted_reconstruction_of_a_left_lung(file, difficult_case):
    volume = read_ct(difficult_case("one-lung-reconstruction-wrong-side", file))
    stored = reoriented(volume, (2, 0, 1), (True, False, True))
    for scan in (volume, stored):
        lungs = preprocess(scan, DEFAULT).lungs
        assert lungs.volume_ml(LEFT) == pytest.approx(1950, rel=0.03)
        assert lungs.volume_ml(RIGHT) == lungs.volume_ml(UNKNOWN_SIDE) == 0


@pytest.mark.slow
@pytest.mark.parametrize("name", ["LIDC-IDRI-0001", "LIDC-IDRI-0002", "LIDC-IDRI-0314"])
def test_halves_and_targeted_reconstructions_of_real_scans(name, real_scan_path):
    volume = read_ct(real_scan_path(name)).canonical()
    every = 2 if name == "LIDC-IDRI-0001" else 3
    hu = volume.voxels[:: every - 1, ::2, ::2]
    spacing = volume.spacing_mm_kji * (every - 1, 2, 2)
    lungs = find_lungs(hu, spacing, DEFAULT).labels
    middle = middle_i(lungs)
    for label, columns in ((LEFT, slice(middle, None)), (RIGHT, slice(None, middle))):
        check_single(hu[:, :, columns].copy(), lungs[:, :, columns], label, spacing)
        box = (slice(None), *box_of(lungs, label)[1:])
        check_single(hu[box].copy(), lungs[box], label, spacing, least=0.93)
