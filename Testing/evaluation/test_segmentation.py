"""Masks against their truth: figures that can be worked out by hand, files that fit or do not."""

import numpy as np
import pytest

from LungCancerDxLib.cli import main
from LungCancerDxLib.errors import CTReadError, UsageError
from LungCancerDxLib.evaluation.segmentation import compare, read_outlines, segmentation_report
from LungCancerDxLib.io.dicom.writer import write_dicom_series
from LungCancerDxLib.io.image_file import write_image
from LungCancerDxLib.volume import CTVolume
from Testing.helpers import slab

AFFINE = np.array([[0.0, 0, 1, -10], [0, 1, 0, -10], [2, 0, 0, 5], [0, 0, 0, 1]])
SPACING = np.array([2.0, 1.0, 1.0])


def cube(at, size, shape=(20, 24, 24)):
    mask = np.zeros(shape, dtype=np.uint8)
    mask[tuple(slice(a, a + s) for a, s in zip(at, size, strict=True))] = 1
    return mask


def write(labels, path, affine=AFFINE):
    path.parent.mkdir(exist_ok=True, parents=True)
    write_image(labels.astype(np.uint8), CTVolume(np.zeros(labels.shape, np.int16), affine), path)
    return path


def test_a_mask_shifted_by_a_voxel_has_the_figures_of_that():
    truth, mask = cube((5, 5, 5), (4, 8, 8)), cube((5, 5, 6), (4, 8, 8))
    one = compare("a", 1, "", mask > 0, truth > 0, SPACING)
    assert one.dice == pytest.approx(7 / 8)
    assert one.volume_error == one.diameter_error_mm == 0
    assert one.surface_95_mm == pytest.approx(1.0)
    assert 0 < one.surface_mm < 1
    assert one.diameter_mm == pytest.approx(np.cbrt(6 / np.pi * 512))


def test_a_nodule_without_a_mask_has_dice_zero_and_no_distances():
    one = compare("a", 1, "", np.zeros((9, 9, 9), bool), cube((3, 3, 3), (3, 3, 3), (9, 9, 9)) > 0, SPACING)
    assert one.dice == 0
    assert one.surface_mm is None
    assert one.volume_error == -1


def test_each_label_of_the_truth_meets_the_mask_that_overlaps_it_most(tmp_path):
    truth = cube((2, 2, 2), (4, 4, 4)) + 2 * cube((10, 12, 12), (6, 6, 6))
    masks = 5 * cube((2, 2, 2), (4, 4, 4)) + 3 * cube((10, 12, 12), (3, 6, 6))
    kinds = tmp_path / "kinds.csv"
    kinds.write_text("id,label,kind\ntruth,2,attached\n")
    found = read_outlines(write(masks, tmp_path / "m.nrrd"), write(truth, tmp_path / "truth.nrrd"), kinds)
    assert [(one.label, one.kind) for one in found] == [(1, ""), (2, "attached")]
    assert [one.dice for one in found] == pytest.approx([1, 2 / 3])
    assert found[1].volume_error == pytest.approx(-0.5)


def test_folders_are_matched_by_name_and_a_missing_or_foreign_file_is_named(tmp_path):
    one = cube((2, 2, 2), (4, 4, 4))
    write(one, tmp_path / "truth" / "p1.nrrd")
    write(one, tmp_path / "truth" / "p2.nii.gz")
    write(one, tmp_path / "masks" / "p1" / "nodules.nrrd")
    with pytest.raises(UsageError, match="no masks of p2"):
        read_outlines(tmp_path / "masks", tmp_path / "truth")
    moved, larger = AFFINE.copy(), AFFINE.copy()
    moved[0, 3] += 4
    larger[:3, :3] *= 1.04  # no entry of it is a tenth of a millimetre off
    for other in (moved, larger):
        path = write(one, tmp_path / "masks" / "p2.nrrd", other)
        with pytest.raises(CTReadError, match="does not lie on the grid"):
            read_outlines(tmp_path / "masks", tmp_path / "truth")
        path.unlink()
    write(one, tmp_path / "masks" / "p2.nrrd")
    assert [o.dice for o in read_outlines(tmp_path / "masks", tmp_path / "truth")] == [1.0, 1.0]
    (tmp_path / "empty").mkdir()
    with pytest.raises(UsageError, match="no nodule"):
        read_outlines(tmp_path / "masks", tmp_path / "empty")


@pytest.mark.parametrize("twice", ["truth", "masks"])
def test_two_files_of_one_scan_are_refused_and_longer_names_are_of_others(tmp_path, twice):
    one = cube((2, 2, 2), (4, 4, 4))
    for folder in ("truth", "masks"):
        for name in ("p1.nrrd", "p1.2.nrrd"):
            write(one, tmp_path / folder / name)
    write(0 * one, tmp_path / "masks" / "p1.2.nrrd")
    assert [o.dice for o in read_outlines(tmp_path / "masks", tmp_path / "truth")] == [0.0, 1.0]
    write(one, tmp_path / twice / "p1.nii.gz")
    with pytest.raises(UsageError, match=rf"p1\.nii\.gz and .*p1\.nrrd are both the {twice} of p1"):
        read_outlines(tmp_path / "masks", tmp_path / "truth")


def test_kinds_of_which_none_fits_are_refused(tmp_path):
    path, kinds = write(cube((2, 2, 2), (4, 4, 4)), tmp_path / "truth.nrrd"), tmp_path / "kinds.csv"
    kinds.write_text("id,label,kind\ntruth.nrrd,1,attached\n")
    with pytest.raises(UsageError, match=r"No row of .*kinds\.csv fits a nodule; expected such as id truth, label 1"):
        read_outlines(path, path, kinds)


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ("truth,1,a\ntruth,1,b", r"line 3: nodule 1 of truth is there twice"),
        ("truth,1.6,a", r"line 2, column label: expected a whole number"),
    ],
)
def test_kinds_that_are_told_twice_or_of_no_label_are_refused(tmp_path, rows, said):
    path, kinds = write(cube((2, 2, 2), (4, 4, 4)), tmp_path / "truth.nrrd"), tmp_path / "kinds.csv"
    kinds.write_text(f"id,label,kind\n{rows}\n")
    with pytest.raises(UsageError, match=said):
        read_outlines(path, path, kinds)


def test_the_command_writes_tables_and_a_picture_of_the_worst(tmp_path, capsys):
    truth = cube((2, 2, 2), (4, 4, 4)) + 2 * cube((10, 12, 12), (8, 12, 12))
    write(truth, tmp_path / "truth.nrrd")
    write(cube((2, 2, 3), (4, 4, 4)), tmp_path / "masks.nrrd")
    arguments = ["evaluate", "segmentation", str(tmp_path / "masks.nrrd"), str(tmp_path / "truth.nrrd")]
    assert main([*arguments, "--bootstrap", "20", "--out", str(tmp_path / "out")]) == 0
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        *("segmentation.md", "segmentation.csv", "nodules.csv", "worst.png")
    }
    text = (tmp_path / "out" / "segmentation.md").read_text()
    assert "1 of 2 nodules have no mask" in text
    assert "median Dice, 6 to 10 mm | " in text or "median Dice, 0 to 6 mm | " in text


def test_the_scan_is_seen_behind_the_masks_and_another_scan_is_refused(tmp_path, capsys):
    volume = slab().volume
    truth = np.zeros(volume.shape_kji, np.uint8)
    truth[6:9, 60:66, 60:68] = 1
    for name, labels in (("truth", truth), ("masks", np.roll(truth, 1, axis=2))):
        write(labels, tmp_path / name / "p1.nrrd", volume.kji_to_lps)
    write_dicom_series(volume, tmp_path / "scans" / "p1", "Doe^Jane")
    (one,) = read_outlines(tmp_path / "masks", tmp_path / "truth", scans=tmp_path / "scans")
    inside = one.masks[0][1]
    np.testing.assert_array_equal(one.hu[inside], volume.voxels[truth > 0])
    arguments = ["evaluate", "segmentation", str(tmp_path / "masks"), str(tmp_path / "truth"), "--bootstrap", "20"]
    assert main([*arguments, "--ct", str(tmp_path / "scans"), "--out", str(tmp_path / "out")]) == 0
    assert (tmp_path / "out" / "worst.png").stat().st_size > 0
    write(truth, tmp_path / "truth" / "p2.nrrd", AFFINE)
    write(truth, tmp_path / "masks" / "p2.nrrd", AFFINE)
    assert main([*arguments, "--ct", str(tmp_path / "scans"), "--out", str(tmp_path / "no")]) == 2
    assert "has no CT of p2" in capsys.readouterr().err
    (tmp_path / "scans" / "p1").rename(tmp_path / "scans" / "p2")
    with pytest.raises(CTReadError, match="does not lie on the grid"):
        read_outlines(tmp_path / "masks" / "p2.nrrd", tmp_path / "truth" / "p2.nrrd", scans=tmp_path / "scans" / "p2")


def test_intervals_hold_the_figure_and_groups_are_by_size(tmp_path):
    rng = np.random.default_rng(0)
    outlines = []
    for n in range(12):
        size = int(rng.integers(3, 9))
        truth = cube((4, 4, 4), (size,) * 3)
        outlines.append(compare(f"p{n}", 1, "free", cube((4, 4, 5), (size,) * 3) > 0, truth > 0, SPACING))
    rows, _ = segmentation_report(outlines, rng, 50)
    dice = next(row for row in rows if row.name == "median Dice")
    assert dice.low <= dice.value <= dice.high
    assert any(row.name == "median Dice, free" for row in rows)
