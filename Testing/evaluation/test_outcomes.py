"""Scores, labels and truth of cases are read and joined; what is wrong in them is said."""

import numpy as np
import pytest

from LungCancerDxLib.cohorts.run import CASE_COLUMNS
from LungCancerDxLib.errors import UsageError
from LungCancerDxLib.evaluation.outcomes import read_predictions
from Testing.evaluation.tables_by_hand import write

SCORES = ("id,cancer", "a,0.9", "b,0.2", "c,0.4")
LABELS = ("cancer,id", "0,b", "1,a", "0,c")


def read(folder, scores=SCORES, labels=LABELS, truth=None):
    truth = write(folder / "truth.csv", *truth) if truth else None
    return read_predictions(write(folder / "scores.csv", *scores), write(folder / "labels.csv", *labels), truth)


def test_scores_are_joined_with_labels_and_truth(tmp_path):
    found = read(tmp_path, truth=("id,label,bayes_probability", "a,1,0.8", "b,0,0.1", "c,0,0.3", "d,0,0.5"))
    assert found.ids == ["b", "a", "c"]
    assert found.predicted.tolist() == [0.2, 0.9, 0.4]
    assert found.cancer.tolist() == [False, True, False]
    assert found.bayes.tolist() == [0.1, 0.8, 0.3]
    assert (found.score_name, found.remarks) == ("model score", ())
    assert found.leak is None


def test_the_truth_tells_the_leak_of_the_cases_without_a_nodule(tmp_path):
    rows = ("id,bayes_probability,leak,nodule_count", "c,0.1,0.1,0", "a,0.8,0.1,2", "b,0.2,0.05,0")
    np.testing.assert_array_equal(read(tmp_path, truth=rows).leak, [0.05, np.nan, 0.1])


def test_the_table_of_a_cohort_is_read_with_the_name_that_its_scores_may_have(tmp_path):
    name = "model score (simulated outcomes)"
    cells = {"a": {"score": "0.9", "score_name": name}, "b": {"score": "0.1", "score_name": name}, "failed": {}}
    rows = [
        ",".join(cells[case].get(column, "") if column != "id" else case for column in CASE_COLUMNS) for case in cells
    ]
    found = read(tmp_path, (",".join(CASE_COLUMNS), *rows), labels=("id,label", "a,1", "b,0", "failed,1"))
    assert (found.predicted.tolist(), found.score_name) == ([0.9, 0.1], name)
    assert found.remarks == ("1 of 3 labelled cases have no score and are left out.",)


def test_cases_without_a_score_or_a_label_are_left_out_and_counted(tmp_path):
    found = read(tmp_path, scores=("id,score", "a,0.9", "b,", "c,0.4", "d,0.5", "e,0.6"), truth=None)
    assert found.ids == ["a", "c"]
    assert found.remarks == (
        "1 of 3 labelled cases have no score and are left out.",
        "2 cases with a score have no label and are left out.",
    )


@pytest.mark.parametrize(
    ("tables", "message"),
    [
        ({"scores": ("id,cancer", "a,1.2")}, "scores.csv, line 2, column cancer: expected a probability within 0..1"),
        ({"scores": ("id,risk", "a,1")}, "scores.csv has no column score or cancer; its header line names id, risk"),
        ({"scores": ("id,score", "a,0.1", "a,0.2")}, "scores.csv, line 3: the case a is there twice"),
        ({"labels": ("id,cancer", "a,0.5")}, "labels.csv, line 2, column cancer: expected the label 0 or 1, got 0.5"),
        ({"labels": ("id,cancer", "b,0", "c,0")}, "2 cases have a score .* expected cases of both labels"),
        ({"labels": ("id,cancer", "x,0", "y,1")}, "0 cases have a score"),
        ({"truth": ("id,bayes_probability", "a,0.5")}, "truth.csv lacks 2 of 3 cases, such as b"),
        ({"truth": ("id,p", "a,0.5")}, "truth.csv has no column bayes_probability"),
        ({"labels": ("id,label", "a,2")}, "labels.csv, line 2, column label: expected the label 0 or 1, got 2"),
    ],
)
def test_what_is_wrong_in_a_table_is_said(tmp_path, tables, message):
    with pytest.raises(UsageError, match=message):
        read(tmp_path, **tables)
