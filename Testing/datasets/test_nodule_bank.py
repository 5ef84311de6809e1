"""A bank gives what its tables and arrays say, and complains by file and line."""

import numpy as np
import pytest

from LungCancerDxLib.datasets.nodule_bank import read_nodule_bank
from LungCancerDxLib.errors import CTReadError, UsageError
from Testing.real_nodules import CUBES_HEAD, write_bank


@pytest.fixture
def folder(tmp_path):
    write_bank(tmp_path)
    return tmp_path


def test_nodules_come_before_cubes_with_their_voxels_and_ratings(folder):
    free, wall, cube = read_nodule_bank(folder)
    assert (free.id, free.patient, free.fold, free.malignancy, free.calcification) == ("a-1", "P-1", 0, 2, 6)
    assert free.spacing_mm_kji == (2.0, 0.8, 0.8)
    assert free.hu.dtype == np.int16
    assert free.mask.dtype == bool
    assert free.hu.shape == free.mask.shape
    assert [nodule.is_attached for nodule in (free, wall, cube)] == [False, True, False]
    assert [nodule.is_cube for nodule in (free, wall, cube)] == [False, False, True]
    assert cube.spacing_mm_kji == (1.0, 1.0, 1.0)
    assert cube.diameter_mm == pytest.approx(10, rel=0.05)


def test_the_folder_may_come_from_the_environment(folder, monkeypatch):
    monkeypatch.setenv("LUNGCANCERDX_DATA", str(folder))
    assert len(read_nodule_bank()) == 3
    monkeypatch.delenv("LUNGCANCERDX_DATA")
    with pytest.raises(UsageError, match="LUNGCANCERDX_DATA"):
        read_nodule_bank()


def test_a_nodule_without_voxels_is_named_with_its_line(folder):
    table = folder / "lidc-nodules.csv"
    table.write_text(table.read_text() + "b-9,P-9,1,2,0.8,0.8,8,3,5,1,1,5,3,3,6,-800\n")
    with pytest.raises(CTReadError, match=r"lidc-nodules\.csv, line 4: nodule b-9 is not in lidc-nodules\.npz"):
        read_nodule_bank(folder)


@pytest.mark.parametrize(
    ("row", "column", "expected"),
    [
        ("2,6,5,1,1,5,3,3", "malignancy", "1 to 5"),
        ("2,3.9,5,1,1,5,3,3", "malignancy", "1 to 5"),
        ("2,3,-2,1,1,5,3,3", "texture", "1 to 5"),
        ("7.9,3,5,1,1,5,3,3", "fold", "0 or more"),
        ("-1,3,5,1,1,5,3,3", "fold", "0 or more"),
    ],
)
def test_a_rating_or_fold_that_is_none_is_refused(folder, row, column, expected):
    (folder / "lidc-cubes.csv").write_text(f"{CUBES_HEAD}\nc,P-3,{row}\n")
    with pytest.raises(CTReadError, match=rf"line 2, column {column}: expected a whole number, {expected}"):
        read_nodule_bank(folder)


@pytest.mark.parametrize("what", ["missing", "empty", "an array"])
def test_a_missing_or_damaged_archive_is_named(folder, what):
    (folder / "lidc-cubes.npz").unlink()
    if what != "missing":
        with (folder / "lidc-cubes.npz").open("wb") as file:
            np.save(file, np.zeros(3)) if what == "an array" else None
    with pytest.raises(CTReadError, match=r"lidc-cubes\.npz cannot be read"):
        read_nodule_bank(folder)
