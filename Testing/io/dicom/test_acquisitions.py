"""Slices at the same place: copies dropped, phases told apart, the rest refused."""

import shutil

import numpy as np
import pytest

from LungCancerDxLib.errors import CTReadError
from LungCancerDxLib.io import read_ct
from Testing.io.dicom.dicom_files import chest_voxels, write_series

VOXELS = chest_voxels()
OTHER_PHASE = chest_voxels(seed=1)
UID = "1.2.70"


def test_a_duplicate_slice_is_dropped_with_a_warning(tmp_path):
    paths = write_series(tmp_path, VOXELS)
    shutil.copy(paths[5], tmp_path / "copy.dcm")
    volume = read_ct(tmp_path)
    np.testing.assert_array_equal(volume.voxels, VOXELS)
    assert volume.warnings == ("1 duplicate slice left out.",)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("tag", "word"), [("AcquisitionNumber", "acquisition number"), ("TemporalPositionIdentifier", "temporal number")]
)
def test_two_phases_are_told_apart_by_number(tmp_path, tag, word):
    write_series(tmp_path / "a", OTHER_PHASE, SeriesInstanceUID=UID, **{tag: 2})
    write_series(tmp_path / "b", VOXELS, SeriesInstanceUID=UID, **{tag: 1})
    volume = read_ct(tmp_path)
    np.testing.assert_array_equal(volume.voxels, VOXELS)
    assert f"24 of 48 slices read, told apart by their {word} (1)" in volume.warnings[0]


@pytest.mark.parametrize(
    "instances",
    [(lambda k: k + 1, lambda k: k + 25), (lambda k: 2 * k + 1, lambda k: 2 * k + 2)],
    ids=["one after the other", "alternating"],
)
def test_two_phases_are_told_apart_by_the_order_of_instances(tmp_path, instances):
    write_series(tmp_path / "b", VOXELS, SeriesInstanceUID=UID, InstanceNumber=instances[0])
    write_series(tmp_path / "a", OTHER_PHASE, SeriesInstanceUID=UID, InstanceNumber=instances[1])
    volume = read_ct(tmp_path)
    np.testing.assert_array_equal(volume.voxels, VOXELS)
    assert "told apart by the order of their instance numbers" in volume.warnings[0]


def test_the_more_complete_phase_is_read(tmp_path):
    write_series(tmp_path / "a", OTHER_PHASE[:9], SeriesInstanceUID=UID, AcquisitionNumber=1)
    write_series(tmp_path / "b", VOXELS, SeriesInstanceUID=UID, AcquisitionNumber=2)
    np.testing.assert_array_equal(read_ct(tmp_path).voxels, VOXELS)


def test_phases_that_nothing_tells_apart_are_refused(tmp_path):
    for folder, voxels in (("a", VOXELS), ("b", OTHER_PHASE)):
        write_series(tmp_path / folder, voxels, SeriesInstanceUID=UID, InstanceNumber=None)
    with pytest.raises(CTReadError, match=r"up to 2 different slices lie at the same place.*tell the stacks apart"):
        read_ct(tmp_path)


def test_shuffled_instance_numbers_do_not_mix_two_phases(tmp_path):
    numbers = np.random.default_rng(4).permutation(48) + 1
    write_series(tmp_path / "a", VOXELS, SeriesInstanceUID=UID, InstanceNumber=lambda k: int(numbers[k]))
    write_series(tmp_path / "b", OTHER_PHASE, SeriesInstanceUID=UID, InstanceNumber=lambda k: int(numbers[24 + k]))
    with pytest.raises(CTReadError, match="tell the stacks apart"):
        read_ct(tmp_path)


def test_two_half_scans_that_share_a_slice_are_not_taken_for_phases(tmp_path):
    places = [(-40.0, -50.0, -60.0 + 3 * k) for k in range(24)]
    upper = {"SeriesInstanceUID": UID, "InstanceNumber": lambda k: 40 + k, "AcquisitionNumber": 2}
    write_series(tmp_path / "a", VOXELS[:13], places[:13], SeriesInstanceUID=UID, AcquisitionNumber=1)
    write_series(tmp_path / "b", OTHER_PHASE[12:], places[12:], **upper)
    with pytest.raises(CTReadError, match="tell the stacks apart"):
        read_ct(tmp_path)


MARKS = {
    "acquisition number": ("AcquisitionNumber", 1, 2),
    "temporal number": ("TemporalPositionIdentifier", 1, 2),
    "cardiac phase": ("NominalPercentageOfCardiacPhase", 30.0, 70.0),
    "cardiac phase by trigger": ("TriggerTime", 200, 700),
    "irradiation event": ("IrradiationEventUID", "1.2.1", "1.2.2"),
    "acquisition time": ("AcquisitionTime", "101112", "101130"),
    "acquisition time of each slice": (
        "AcquisitionTime",
        lambda k: f"1011{10 + 0.05 * k:09.6f}",
        lambda k: f"1012{10 + 0.05 * k:09.6f}",
    ),
    "acquisition time with date": ("AcquisitionDateTime", "20200101101112.5+0100", "20200101101130"),
}


def write_two(folder, shift_mm, first, second, again=VOXELS, spacing_mm=3.0):
    """Two acquisitions of one chest under one series UID, the second shifted."""
    for name, voxels, shift, tags in (("a", VOXELS, 0.0, first), ("b", again, shift_mm, second)):
        positions = [(-40.0, -50.0, -60.0 + shift + spacing_mm * k) for k in range(len(voxels))]
        write_series(folder, voxels, positions, name=f"{name}{{}}.dcm", SeriesInstanceUID=UID, **tags)


@pytest.mark.slow
@pytest.mark.parametrize("shift_mm", [0.0, 1.5, -1.2])
@pytest.mark.parametrize("mark", MARKS)
def test_acquisitions_are_told_apart_before_positions_are_judged(tmp_path, mark, shift_mm):
    tag, first, second = MARKS[mark]
    same = {"InstanceNumber": None}
    write_two(tmp_path, shift_mm, {tag: first, **same}, {tag: second, **same}, OTHER_PHASE)
    volume = read_ct(tmp_path)
    np.testing.assert_array_equal(volume.voxels, VOXELS)
    assert f"24 of 48 slices read, told apart by their {' '.join(mark.split()[:2])}" in volume.warnings[0]
    assert "1011" not in volume.warnings[0]


def test_acquisitions_are_told_apart_by_the_order_of_their_instances(tmp_path):
    write_two(tmp_path, 1.0, {"InstanceNumber": lambda k: k + 1}, {"InstanceNumber": lambda k: k + 25}, OTHER_PHASE)
    volume = read_ct(tmp_path)
    np.testing.assert_array_equal(volume.voxels, VOXELS)
    assert "told apart by the order of their instance numbers" in volume.warnings[0]


def test_acquisitions_that_nothing_tells_apart_are_refused_truly(tmp_path):
    write_two(tmp_path, 1.2, {}, {}, OTHER_PHASE)
    with pytest.raises(CTReadError, match=r"the slices lie 1\.20 to 1\.80 mm apart without any order"):
        read_ct(tmp_path)


def test_an_acquisition_of_a_part_does_not_hide_that_of_the_whole(tmp_path):
    write_two(tmp_path, 1.0, {"AcquisitionNumber": 2}, {"AcquisitionNumber": 1}, OTHER_PHASE[:12])
    volume = read_ct(tmp_path)
    np.testing.assert_array_equal(volume.voxels, VOXELS)
    assert "24 of 36 slices read" in volume.warnings[0]


def test_two_reconstructions_in_one_series_are_told_apart_by_their_slices(tmp_path):
    thick = chest_voxels((14, 32, 40), seed=2)
    write_two(tmp_path, 1.0, {"SliceThickness": 3.0}, {"SliceThickness": 5.0}, thick, spacing_mm=3.0)
    volume = read_ct(tmp_path)
    np.testing.assert_array_equal(volume.voxels, VOXELS)
    assert "24 of 38 slices read, told apart by their slice thickness in mm (3)" in volume.warnings[0]


@pytest.mark.parametrize("shift_mm", [31.5, 14 * 3.0])
def test_acquisitions_of_which_none_covers_the_whole_are_refused(tmp_path, shift_mm):
    write_two(tmp_path, shift_mm, {"AcquisitionNumber": 1}, {"AcquisitionNumber": 2}, OTHER_PHASE)
    with pytest.raises(
        CTReadError, match=r"acquisitions \(by their acquisition number\) overlap, and none covers the w"
    ):
        read_ct(tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize(
    "tags",
    [
        {"AcquisitionNumber": lambda k: k // 4 + 1},
        {"SliceThickness": lambda k: 3.0 if k < 12 else 5.0},
        {"AcquisitionNumber": lambda k: 1 + (k > 10)},
        {"AcquisitionTime": lambda k: f"1011{10 + 0.3 * (k // 4):09.6f}"},
        {"AcquisitionTime": lambda k: f"1011{10 + 0.05 * k + 3 * (k > 10):09.6f}"},
        {"AcquisitionTime": lambda k: f"1011{(7 * k) % 24 + 10}"},
        {"TriggerTime": lambda k: (550, 552, 550, 552, 551)[k // 5]},
        {"AcquisitionNumber": lambda k: (7 * k) % 24},
        {"TriggerTime": lambda k: 10 * k, "IrradiationEventUID": lambda k: f"1.2.{k}"},
    ],
)
def test_one_scan_taken_in_steps_is_one_scan(tmp_path, tags):
    write_series(tmp_path, VOXELS, **tags)
    volume = read_ct(tmp_path)
    np.testing.assert_array_equal(volume.voxels, VOXELS)
    assert volume.warnings == ()


@pytest.mark.slow
@pytest.mark.parametrize("count", [5, 300])
def test_slices_that_all_state_one_position_are_refused(tmp_path, count):
    voxels = chest_voxels((count, 32, 40))
    write_series(tmp_path, voxels, [(-40.0, -50.0, -60.0)] * count, SliceLocation=lambda k: 3 * k)
    with pytest.raises(CTReadError, match=f"all {count} slices state the same position"):
        read_ct(tmp_path)
