"""What the command line shows while it works and when it is done."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from LungCancerDxLib.case import Case, CaseResult, Nodule
from LungCancerDxLib.cli.output import summary
from LungCancerDxLib.cli.terminal import make_progress
from LungCancerDxLib.names import RESEARCH_USE_ONLY
from LungCancerDxLib.runtime.progress import silent

NODULES = (
    Nodule(
        1,
        "detected",
        (12.5, -3.0, 40.0),
        diameter_mm=8.5,
        confidence=0.9,
        malignancy=0.25,
        contribution=0.75,
        scored=True,
    ),
    Nodule(2, "detected", (1.0, 2.0, 3.0), diameter_mm=4.0, confidence=0.3),
    Nodule(3, "user", (1.5, 2.5, 3.5), malignancy=0.125),
)


def result(outcome="synthetic", nodules=NODULES, **case):
    whole = Case(0.3, "model score (simulated outcomes)", "leaky-noisy-or", 0.01, 0.25, 0, None, None, 1)
    return CaseResult(
        software={},
        model={"outcome": outcome, "name": "some-model", "preset": "DEFAULT", "trained_on": "invented patients"},
        run={},
        input={},
        case=replace(whole, **case),
        lungs={"left_volume_ml": 2000.4, "right_volume_ml": 2500.6},
        nodules=nodules,
        timing_s={"total": 12.34},
        warnings=("Slices are thick.",),
    )


def lines(result):
    return summary(result, Path("out")).splitlines()


def row(result, rank):
    return next(line for line in lines(result) if line.startswith(f"{rank:>4}  ")).split()


def test_the_summary_tells_the_score_by_its_name_the_lungs_and_where_the_files_are():
    text = summary(result(), Path("out"))
    assert "Case score 0.30  (model score (simulated outcomes))" in text
    assert "\nModel some-model (preset DEFAULT, leaky-noisy-or)\n" in text
    assert "Lungs: left 2000 mL, right 2501 mL" in text
    assert "Warning: Slices are thick." in text
    assert "Results in out  (seconds: total 12.3)" in text
    assert text.endswith(RESEARCH_USE_ONLY)


def test_each_nodule_has_its_row_with_a_dash_where_nothing_was_measured():
    assert row(result(), 1) == ["1", "12.5", "-3.0", "40.0", "~8.5", "mm", "0.900", "0.250", "75.0%", "yes"]
    assert row(result(), 2) == ["2", "1.0", "2.0", "3.0", "~4.0", "mm", "0.300", "-", "detected"]
    assert row(result(), 3) == ["3", "1.5", "2.5", "3.5", "-", "-", "0.125", "user"]


def test_a_diameter_of_an_outline_is_not_marked_as_that_of_a_box():
    first, *others = result().nodules
    outlined = replace(result(), nodules=(replace(first, volume_mm3=321.6), *others))
    assert row(outlined, 1)[4:6] == ["8.5", "mm"]


def test_the_shares_of_leak_and_blanks_are_told_where_there_are_any():
    assert "      share of the leak: 25.0%" in lines(result())
    assert not any("blanks" in line for line in lines(result()))
    with_blanks = result(blank_count=4, blank_malignancy=0.1, blank_share=0.125, leak_share=None)
    assert "      share of the 4 blanks: 12.5%" in lines(with_blanks)
    assert not any("leak:" in line for line in lines(with_blanks))


def test_an_untrained_model_is_told_first():
    assert lines(result(outcome="none"))[1].startswith("NO TRAINED MODEL: scores mean nothing.")
    assert not any("NO TRAINED MODEL" in line for line in lines(result()))


def test_a_score_that_is_not_reliable_is_said_to_be_so_in_the_first_line_and_once():
    why = "The score is not reliable: slices are 5.0 mm apart."
    unreliable = replace(result(), warnings=(why, "Something else."), unreliable=("slices are 5.0 mm apart",))
    assert lines(unreliable)[1] == why
    assert lines(unreliable).count("Warning: Something else.") == 1
    assert "\n".join(lines(unreliable)).count("slices are 5.0 mm apart") == 1
    named = "Case score 0.30  (model score (simulated outcomes), not reliable). "
    assert any(line.startswith(named) for line in lines(unreliable))


def test_a_lung_of_unknown_side_is_listed_as_such():
    one = replace(result(), lungs={"left_volume_ml": 0.0, "right_volume_ml": 0.0, "unknown_side_volume_ml": 1800.0})
    assert "Lungs: left 0 mL, right 0 mL, side unknown 1800 mL" in lines(one)


def test_a_case_without_nodules_says_so():
    assert "No nodules were found." in lines(result(nodules=()))


def test_json_progress_is_a_line_of_json_per_report_that_never_falls(capsys):
    progress = make_progress("json")
    for stage, fraction in (("a", 0.0), ("b", 0.5), ("b", 0.25), ("c", 1.0)):
        progress(stage, fraction)
    reports = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(report["stage"], report["fraction"]) for report in reports] == [("a", 0), ("b", 0.5), ("b", 0.5), ("c", 1)]
    assert reports[0]["seconds_left"] is None
    assert reports[1]["seconds_left"] >= 0
    assert reports[3]["seconds_left"] == 0


def test_the_bar_goes_to_stderr_and_names_the_stage(capsys):
    progress = make_progress("bar")
    for stage, fraction in (
        ("reading the CT", 0.0),
        ("detecting nodules", 0.5),
        ("detecting nodules", 0.25),
        ("done", 1.0),
    ):
        progress(stage, fraction)
    out, error = capsys.readouterr()
    assert out == ""
    assert "reading the CT" in error
    assert " 50 % |" in error
    assert " 25 % |" not in error
    assert "100 % |" in error


@pytest.mark.parametrize("kind", ["none"])
def test_no_progress_is_silent(kind):
    assert make_progress(kind) is silent
