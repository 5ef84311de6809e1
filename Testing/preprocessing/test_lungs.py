"""Left and right, and what the published rules lose."""

import dataclasses
import functools

import numpy as np
import pytest

from LungCancerDxLib.errors import NoLungsError
from LungCancerDxLib.names import LEFT, RIGHT
from LungCancerDxLib.phantom.patient import synthetic_chest
from LungCancerDxLib.preprocessing import preprocess
from LungCancerDxLib.preprocessing.lungs import Lungs, find_lungs, lung_warnings
from LungCancerDxLib.preset import DEFAULT, GRT123
from LungCancerDxLib.volume import CTVolume

SPACING = (5.0, 2.0, 2.0)


@functools.cache
def chest(**options):
    return synthetic_chest(np.random.default_rng(1), spacing_mm_kji=SPACING, **options)


def found(patient, preset=DEFAULT):
    lungs = find_lungs(patient.volume.voxels, patient.volume.spacing_mm_kji, preset)
    return Lungs(lungs.labels, (*lungs.warnings, *lung_warnings(lungs.labels)))


def dice(a, b):
    return 2 * (a & b).sum() / (a.sum() + b.sum())


@pytest.mark.slow
@pytest.mark.parametrize("preset", [DEFAULT, GRT123], ids=lambda preset: preset.name)
def test_left_and_right_are_the_patients(preset):
    patient = chest()
    lungs = found(patient, preset)
    for label in (LEFT, RIGHT):
        assert dice(lungs.labels == label, patient.lungs == label) > 0.9
    assert lungs.warnings == ()


@pytest.mark.parametrize(("there", "label", "missing"), [("right", RIGHT, "left"), ("left", LEFT, "right")])
def test_a_single_lung_keeps_its_side_and_its_absence_is_said(there, label, missing):
    patient = chest(**{f"{missing}_lung": False})
    lungs = found(patient)
    assert set(np.unique(lungs.labels)) == {0, label}
    assert dice(lungs.labels == label, patient.lungs == label) > 0.9
    assert any(f"the {missing} lung is missing" in words for words in lungs.warnings)


@pytest.mark.slow
@pytest.mark.parametrize(("z_range_mm", "cut"), [((20.0, 90.0), "bottom"), ((-130.0, -60.0), "top")])
def test_a_slab_that_ends_inside_the_lungs_is_recovered_with_a_warning(z_range_mm, cut):
    patient = chest(z_range_mm=z_range_mm)
    lungs = found(patient)
    for label in (LEFT, RIGHT):
        assert dice(lungs.labels == label, patient.lungs == label) > 0.85
    assert any(f"cut off at the {cut}" in words for words in lungs.warnings)


@pytest.mark.slow
def test_a_lung_too_small_for_the_published_rules_comes_back_only_where_asked_for():
    patient = chest()
    hu = patient.volume.voxels.copy()
    consolidated = patient.lungs == LEFT
    consolidated[np.flatnonzero(consolidated.any(axis=(1, 2)))[-14:]] = False
    hu[consolidated] = 40  # all of the left lung but its top
    hu[(patient.lungs == 0) & (hu < -500) & (np.indices(hu.shape)[2] > hu.shape[2] * 0.5)] = 40
    hu[:, :, -6:] = -1000
    spacing = patient.volume.spacing_mm_kji
    left_alone = (patient.lungs == LEFT) & ~consolidated
    recovered = find_lungs(hu, spacing, DEFAULT)
    assert dice(recovered.labels == LEFT, left_alone) > 0.8
    assert any("published lung mask drops was recovered" in words for words in recovered.warnings)
    published = find_lungs(hu, spacing, dataclasses.replace(DEFAULT, recover_lost_lungs=False))
    assert not (published.labels[left_alone] > 0).mean() > 0.05


@pytest.mark.slow
@pytest.mark.parametrize("label", [LEFT, RIGHT])
def test_a_lobe_behind_fluid_stays_lung_of_its_side_and_is_told(label):
    patient = chest()
    hu, lung = patient.volume.voxels.copy(), patient.lungs == label
    slices = np.flatnonzero(lung.any(axis=(1, 2)))
    fluid = lung.copy()
    fluid[: slices[len(slices) // 2] - 2] = fluid[slices[len(slices) // 2] + 2 :] = False
    hu[fluid] = 20
    lungs = find_lungs(hu, patient.volume.spacing_mm_kji, DEFAULT)
    for side in (LEFT, RIGHT):
        assert dice(lungs.labels == side, (patient.lungs == side) & ~fluid) > 0.9
    assert any("of lung lies apart from the rest of its lung" in words for words in lungs.warnings)


@pytest.mark.slow
def test_the_lungs_of_a_tall_patient_are_lungs():
    patient = chest()
    spacing = patient.volume.spacing_mm_kji * (10.0 / litres(patient)) ** (1 / 3)
    lungs = find_lungs(patient.volume.voxels, spacing, DEFAULT)
    for label in (LEFT, RIGHT):
        assert dice(lungs.labels == label, patient.lungs == label) > 0.9


def litres(patient):
    return np.count_nonzero(patient.lungs) * np.prod(patient.volume.spacing_mm_kji) / 1e6


@pytest.mark.slow
def test_a_lung_that_is_open_to_the_outside_is_recovered():
    """A drain through the chest wall joins the right lung to the air around the patient."""
    patient = chest()
    hu = patient.volume.voxels.copy()
    k, j, i = np.argwhere(patient.lungs == RIGHT).mean(axis=0).astype(int)
    hu[k : k + 2, j - 2 : j + 3, :i] = -1000
    lungs = find_lungs(hu, patient.volume.spacing_mm_kji, DEFAULT)
    for label in (LEFT, RIGHT):
        assert dice(lungs.labels == label, patient.lungs == label) > 0.9
    assert any("was recovered" in words for words in lungs.warnings)


def test_bowel_gas_and_trachea_are_no_lungs():
    """A body without lungs but with half a litre of pure air."""
    hu = np.full((40, 150, 180), -1000, dtype=np.int16)
    j, i = np.ogrid[:150, :180]
    hu[:, np.hypot((j - 75) / 55, (i - 90) / 75) < 1] = 40
    hu[10:30, 50:78, 80:110] = -1005
    with pytest.raises(NoLungsError, match="No lungs were found"):
        find_lungs(hu, np.array([5.0, 2.5, 2.5]), DEFAULT)


@pytest.mark.parametrize("value", [-1024, 40])
def test_an_image_of_one_value_has_no_lungs(value):
    with pytest.raises(NoLungsError):
        find_lungs(np.full((30, 60, 60), value, dtype=np.int16), np.array([5.0, 5.0, 5.0]), DEFAULT)


def test_where_no_lungs_are_found_the_series_that_was_chosen_is_named():
    kji_to_lps = np.array([[0, 0, 5.0, 0], [0, 5.0, 0, 0], [5.0, 0, 0, 0], [0, 0, 0, 1]])
    volume = CTVolume(np.full((30, 60, 60), 40, np.int16), kji_to_lps, warnings=('2 CT series found; read "HEAD".',))
    with pytest.raises(NoLungsError, match=r'No lungs were found.* 2 CT series found; read "HEAD"'):
        preprocess(volume, DEFAULT)


def test_lungs_at_the_border_of_the_field_of_view_are_warned_of():
    patient = chest()
    i = np.flatnonzero((patient.lungs > 0).any(axis=(0, 1)))[0] + 6
    lungs = find_lungs(patient.volume.voxels[:, :, i:].copy(), patient.volume.spacing_mm_kji, DEFAULT)
    assert any("border of the field of view" in words for words in lung_warnings(lungs.labels))
