"""The tables of a run hold what its cases hold."""

import json

import pytest

from Testing.cohorts.runs import rows, run_here, write_scans


@pytest.fixture(scope="module")
def scans(tmp_path_factory):
    return write_scans(tmp_path_factory.mktemp("scans"), ("scan2", "scan10", "scan1"))


@pytest.fixture(scope="module")
def run(scans, tmp_path_factory):
    out = tmp_path_factory.mktemp("run")
    run_here(scans, out)
    return out


def test_the_tables_have_the_columns_that_are_promised(run):
    assert list(rows(run)[0]) == [
        *("id", "path", "status", "reason", "score", "score_name", "outcome", "model", "scored_nodules"),
        *(
            "listed_nodules",
            "lung_rads",
            "leak",
            "left_lung_ml",
            "right_lung_ml",
            "unknown_side_lung_ml",
            "seconds",
            "warnings",
        ),
    ]
    assert list(rows(run, "nodules.csv")[0]) == [
        *("id", "rank", "source", "x_lps_mm", "y_lps_mm", "z_lps_mm", "box_diameter_mm", "diameter_mm", "volume_mm3"),
        *("type", "logit", "confidence", "malignancy", "network_malignancy", "contribution", "scored"),
    ]


def test_rows_are_in_natural_order_and_hold_what_the_cases_hold(run, scans):
    cases, nodules = rows(run), rows(run, "nodules.csv")
    assert [row["id"] for row in cases] == ["scan1", "scan2", "scan10"]
    assert [(row["id"], row["rank"]) for row in nodules] == [(row["id"], rank) for row in cases for rank in "12"]
    for row in cases:
        case = json.loads((run / "cases" / row["id"] / "case.json").read_text())
        assert (row["status"], row["reason"], row["path"]) == ("done", "", str(scans / f"{row['id']}.nrrd"))
        assert float(row["score"]) == case["case"]["score"]
        assert float(row["seconds"]) == pytest.approx(case["timing_s"]["total"], abs=0.01)
        assert (row["scored_nodules"], row["listed_nodules"], row["leak"]) == ("1", "2", "0.01")
        assert row["warnings"] == "A warning. Another, with a comma."
    assert len({row["score"] for row in cases}) == 3
    assert (nodules[0]["logit"], nodules[0]["scored"], nodules[1]["scored"]) == (str(-1 / 3), "1", "0")


def test_every_listed_nodule_is_in_the_submission_to_luna16(run):
    submitted = rows(run, "luna16_submission.csv")
    assert list(submitted[0]) == ["seriesuid", "coordX", "coordY", "coordZ", "probability"]
    assert [(row["seriesuid"], row["coordY"]) for row in submitted] == [
        (row["id"], row["y_lps_mm"]) for row in rows(run, "nodules.csv")
    ]
