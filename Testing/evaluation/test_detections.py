"""Marks and findings are read from LUNA16's files and from a cohort's tables; what is wrong in them is said."""

import numpy as np
import pytest

from LungCancerDxLib.cohorts.run import NODULE_COLUMNS as COHORT_COLUMNS
from LungCancerDxLib.datasets.dsb2017 import NODULE_COLUMNS
from LungCancerDxLib.errors import UsageError
from LungCancerDxLib.evaluation.detections import read_detections
from Testing.evaluation.tables_by_hand import write

MARKS = ("seriesuid,coordX,coordY,coordZ,probability", "a,1,2,3,0.9", "b,4,5,6,0.2")
NODULES = ("seriesuid,coordX,coordY,coordZ,diameter_mm", "a,1,2,4,8", "c,0,0,0,12.5")


def read(folder, marks=MARKS, nodules=NODULES, excluded=None, scans=None):
    named = {"excluded": excluded, "scans": scans}
    others = {name: write(folder / f"{name}.csv", *rows) for name, rows in named.items() if rows}
    return read_detections(write(folder / "marks.csv", *marks), write(folder / "nodules.csv", *nodules), **others)


def test_the_files_of_luna16_are_read(tmp_path):
    found = read(tmp_path, excluded=(NODULES[0], "b,7,7,7,-1"), scans=("c", "b", "a", "d"))
    assert found.scans == 4
    assert found.mark_scan.tolist() == [2, 1]
    assert found.mark_center_lps_mm.tolist() == [[1, 2, 3], [4, 5, 6]]
    assert found.mark_score.tolist() == [0.9, 0.2]
    assert found.finding_scan.tolist() == [2, 0, 1]
    assert found.finding_diameter_mm.tolist() == [8, 12.5, 10]
    assert found.finding_counts.tolist() == [True, True, False]
    assert np.isnan(found.finding_malignancy).all()
    assert found.remarks == ()


def test_the_tables_of_a_cohort_are_read_in_any_order_of_columns(tmp_path):
    marks = (
        "rank,id,logit,confidence,z_lps_mm,y_lps_mm,x_lps_mm,diameter_mm,box_diameter_mm,source",
        "1,a,2.5,0.92,3,2,1,9,11,detected",
        "2,a,-1,0.27,6,5,4,7,,detected",
        "21,a,,,0,0,0,5,,user",
    )
    nodules = ("id,diameter_mm,malignancy,x_lps_mm,y_lps_mm,z_lps_mm", "a,8,0.7,1,2,4", "a,9,,1,2,9")
    found = read(tmp_path, marks, nodules, scans=("id,score", "a,0.5", "b,0.1"))
    assert found.scans == 2
    assert found.mark_score.tolist() == [2.5, -1]
    assert found.mark_center_lps_mm.tolist() == [[1, 2, 3], [4, 5, 6]]
    assert found.mark_diameter_mm.tolist() == [11, 7]
    np.testing.assert_array_equal(found.finding_malignancy, [0.7, np.nan])


def test_the_labels_of_a_synthetic_cohort_tell_how_malignant_nodules_are(tmp_path):
    nodules = (f"{','.join(NODULE_COLUMNS)},probability,kind", "a,1,2,4,8,0.7,solid", "a,9,9,9,5,0.1,calcified")
    assert read(tmp_path, nodules=nodules).finding_malignancy.tolist() == [0.7, 0.1]


def test_the_table_of_detected_nodules_has_the_columns_that_are_read(tmp_path):
    known = {"id": "a", "source": "detected", "x_lps_mm": "1", "y_lps_mm": "2", "z_lps_mm": "3", "logit": "1.5"}
    row = ",".join({**known, "box_diameter_mm": "7"}.get(column, "") for column in COHORT_COLUMNS)
    found = read(tmp_path, (",".join(COHORT_COLUMNS), row))
    assert found.mark_center_lps_mm.tolist() == [[1, 2, 3]]
    assert (found.mark_score.tolist(), found.mark_diameter_mm.tolist()) == ([1.5], [7])


def test_without_a_list_the_scans_are_those_named_and_a_remark_says_so(tmp_path):
    found = read(tmp_path)
    assert found.scans == 3
    assert "Scans are the 3 that the tables name" in found.remarks[0]


def test_a_header_of_the_list_is_no_scan(tmp_path):
    assert read(tmp_path, scans=("Patient", "a", "b", "c")).scans == 3


def test_rows_on_scans_outside_the_list_are_left_out_and_counted(tmp_path):
    found = read(tmp_path, scans=("seriesuid", "a"))
    assert (found.scans, len(found.mark_scan), len(found.finding_scan)) == (1, 1, 1)
    assert found.remarks == (
        "1 rows of marks.csv are on scans outside the list, left out.",
        "1 rows of nodules.csv are on scans outside the list, left out.",
    )


def test_a_detector_that_found_nothing_is_read(tmp_path):
    found = read(tmp_path, marks=MARKS[:1])
    assert (found.scans, len(found.mark_score)) == (2, 0)
    assert found.mark_center_lps_mm.shape == (0, 3)


@pytest.mark.parametrize(
    ("tables", "message"),
    [
        ({"marks": ("seriesuid,coordX,coordY,coordZ", "a,1,2,3")}, "marks.csv has no column probability or logit or"),
        ({"marks": (MARKS[0], "a,1,2,3,high")}, "marks.csv, line 2, column probability: expected a number, got 'high'"),
        ({"marks": (MARKS[0], "", "a,1,,3,0.5")}, "marks.csv, line 3, column coordY: expected a number, got ''"),
        ({"marks": (MARKS[0], "a,1,2,3,inf")}, "expected a number, got 'inf'"),
        ({"marks": (MARKS[0], "a,1,5,2,3,0,9")}, "line 2: 7 cells, but the header line has 5"),
        ({"marks": (MARKS[0], ",1,2,3,0.9")}, "marks.csv, line 2, column seriesuid: the cell is empty"),
        ({"marks": ("id,id,coordX", "a,b,1")}, "names id more than once"),
        ({"marks": ("",)}, "marks.csv is empty"),
        ({"nodules": (NODULES[0], "a,1,2,3,0")}, "nodules.csv, line 2, column diameter_mm: expected a diameter"),
        ({"excluded": (NODULES[0], "a,1,2,3,x")}, "excluded.csv, line 2, column diameter_mm"),
        ({"nodules": (*NODULES, "c,0,0,0,12.5")}, "nodules.csv, line 4: the same finding as in line 3"),
        ({"nodules": (NODULES[0], 'a,1,2,4,"8', "b,1,2,3,4")}, "nodules.csv, line 2: cannot be read"),
        ({"scans": ("seriesuid",)}, "scans.csv names no scan"),
        ({"scans": ("x", "y")}, r"No scan of .*marks.csv \(such as a\) is in .*scans.csv \(such as x\)"),
        ({"nodules": (NODULES[0], "z,1,2,3,9")}, "have no scan in common"),
    ],
)
def test_what_is_wrong_in_a_table_is_said(tmp_path, tables, message):
    with pytest.raises(UsageError, match=message):
        read(tmp_path, **tables)


def test_a_file_that_is_not_there_is_said(tmp_path):
    with pytest.raises(UsageError, match=r"none.csv cannot be read .*; expected a CSV file"):
        read_detections(tmp_path / "none.csv", tmp_path / "none.csv")
