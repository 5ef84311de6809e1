"""`lungcancerdx evaluate detection` and `cases` write whole folders of tables and figures."""

import argparse
import csv

import numpy as np
import pytest

from LungCancerDxLib.cli.evaluate import CASE_FILES, DETECTION_FILES, RATING_FILES, add_evaluate
from LungCancerDxLib.errors import OutputError, UsageError
from LungCancerDxLib.evaluation.ratings import COLUMNS
from LungCancerDxLib.io.tables import write_table
from Testing.evaluation.tables_by_hand import write

pytest.importorskip("sklearn")
pytest.importorskip("matplotlib")


@pytest.fixture
def marks_and_nodules(tmp_path):
    rng = np.random.default_rng(5)
    nodules, marks = [], []
    for scan in range(20):
        for x, y, z in rng.uniform(-100, 100, (int(rng.integers(0, 3)), 3)):
            nodules.append(f"s{scan},{x},{y},{z},9,{rng.random()}")
            marks.append(f"s{scan},{x + 1},{y},{z},{rng.uniform(0.3, 1)},8")
        marks += [f"s{scan},{x},{y},{z},{rng.uniform(0, 0.7)},8" for x, y, z in rng.uniform(-100, 100, (4, 3))]
    return (
        write(tmp_path / "marks.csv", "seriesuid,coordX,coordY,coordZ,probability,diameter_mm", *marks),
        write(tmp_path / "nodules.csv", "seriesuid,coordX,coordY,coordZ,diameter_mm,malignancy", *nodules),
    )


@pytest.fixture
def scores_labels_truth(tmp_path):
    rng = np.random.default_rng(6)
    bayes = rng.random(80)
    scores = (bayes + rng.random(80)) / 2
    tables = {"scores": ("cancer", scores), "truth": ("bayes_probability", bayes), "labels": ("cancer", None)}
    tables["labels"] = ("cancer", (rng.random(80) < bayes).astype(int))
    return [
        write(tmp_path / f"{name}.csv", f"id,{tables[name][0]}", *(f"c{n},{x}" for n, x in enumerate(tables[name][1])))
        for name in ("scores", "labels", "truth")
    ]


@pytest.fixture
def no_pictures(monkeypatch):
    """Empty files in their place."""
    for name in ("froc_figure", "top_k_figure", "roc_figure", "histograms", "reliability_figure"):
        monkeypatch.setattr(f"LungCancerDxLib.evaluation.figures.save_{name}", lambda *given: given[-1].touch())


def evaluate(*arguments):
    """`lungcancerdx evaluate` in this process; its message."""
    parser = argparse.ArgumentParser()
    add_evaluate(parser.add_subparsers(dest="command"))
    parsed = parser.parse_args(["evaluate", *map(str, arguments)])
    return parsed.run(parsed, None)


def rows_of(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def check_pictures(folder, names):
    from matplotlib.image import imread

    for name in names:
        if name.endswith(".png"):
            picture = imread(folder / name)[..., :3]
            assert picture.shape[0] > 400
            assert picture.shape[1] > 400
            assert (np.ptp(picture, axis=-1) > 0.2).mean() > 0.002, f"{name} has no coloured lines"


@pytest.mark.slow
@pytest.mark.parametrize("rules", ["luna16", "paper"])
def test_a_detector_is_evaluated_into_a_folder(tmp_path, marks_and_nodules, rules):
    out = tmp_path / "out"
    message = evaluate("detection", *marks_and_nodules, "--rules", rules, "--bootstrap", 50, "--out", out)
    assert sorted(path.name for path in out.iterdir()) == sorted(DETECTION_FILES)
    assert (out / "detection.md").read_text() in message
    rows = rows_of(out / "detection.csv")
    assert len(rows) == 7 + 3 + 10 + 10
    assert all("scans" in row["rests_on"] for row in rows)
    mean = next(row for row in rows if row["figure"] == "mean of the seven (CPM)")
    assert 0 < float(mean["low_95"]) < float(mean["value"]) < float(mean["high_95"]) <= 1
    curve = np.array([[float(cell) for cell in row.values()] for row in rows_of(out / "froc.csv")])
    assert curve[0].tolist() == [np.inf, 0, 0]
    assert (np.diff(curve[:, 1:], axis=0) >= 0).all()
    check_pictures(out, DETECTION_FILES)


def test_the_same_seed_writes_the_same_table(tmp_path, marks_and_nodules, no_pictures):
    tables = []
    for name, seed in (("one", 7), ("two", 7), ("three", 8)):
        evaluate("detection", *marks_and_nodules, "--seed", seed, "--bootstrap", 50, "--out", tmp_path / name)
        tables.append((tmp_path / name / "detection.csv").read_bytes())
    assert tables[0] == tables[1] != tables[2]


def test_a_negative_seed_is_refused(tmp_path, capsys):
    with pytest.raises(SystemExit):
        evaluate("cases", "scores.csv", "labels.csv", "--seed", -1, "--out", tmp_path / "out")
    assert "expected zero or more, got -1" in capsys.readouterr().err


@pytest.mark.slow
def test_case_scores_are_evaluated_into_a_folder(tmp_path, scores_labels_truth):
    out = tmp_path / "out"
    scores, labels, truth = scores_labels_truth
    message = evaluate("cases", scores, labels, "--truth", truth, "--bootstrap", 50, "--out", out)
    assert sorted(path.name for path in out.iterdir()) == sorted(CASE_FILES)
    assert (out / "cases.md").read_text() in message
    assert "It is a cancer probability only where a model trained on clinical outcomes made it" in message
    rows = {row["figure"]: row for row in rows_of(out / "cases.csv")}
    assert all("80 cases" in row["rests_on"] for row in rows.values())
    difference = float(rows["AUC"]["value"]) - float(rows["AUC of the Bayes predictor"]["value"])
    assert float(rows["AUC minus that of the Bayes predictor"]["value"]) == pytest.approx(difference)
    assert rows["expected calibration error, 10 bins"]["low_95"] == ""
    check_pictures(out, CASE_FILES)


@pytest.mark.slow
def test_suspicions_are_evaluated_into_a_folder(tmp_path):
    rng, scores, out = np.random.default_rng(0), tmp_path / "held-out.csv", tmp_path / "out"
    rows = [(n, n // 2, 1 + n % 5, 4 + n % 17, rng.random()) for n in range(60)]
    write_table(scores, COLUMNS, rows)
    message = evaluate("ratings", scores, "--bootstrap", 50, "--out", out)
    assert sorted(path.name for path in out.iterdir()) == sorted(RATING_FILES)
    assert (out / "ratings.md").read_text() in message
    assert "60 nodules of 30 patients, 24 rated over 3" in message
    check_pictures(out, RATING_FILES)


def test_the_reliability_of_suspicions_rests_on_the_nodules_without_the_false_alarms(tmp_path, monkeypatch):
    bases = []

    def remember(bins, name, event, basis, path):
        bases.append(basis)
        path.touch()

    monkeypatch.setattr("LungCancerDxLib.evaluation.figures.save_reliability_figure", remember)
    rows = [(n, n // 2, 1 + n % 5 if n < 60 else 0, 4 + n % 17, n / 70) for n in range(70)]
    write_table(tmp_path / "held-out.csv", COLUMNS, rows)
    evaluate("ratings", tmp_path / "held-out.csv", "--bootstrap", 10, "--out", tmp_path / "out")
    assert bases == ["60 nodules of 30 patients, 24 rated over 3"]


def test_an_evaluation_is_replaced_only_when_that_is_asked_for(tmp_path, scores_labels_truth, no_pictures):
    out = tmp_path / "out"
    asked = ("cases", *scores_labels_truth[:2], "--bootstrap", 10, "--out", out)
    evaluate(*asked)
    with pytest.raises(UsageError, match="exists and is not empty"):
        evaluate(*asked)
    evaluate(*asked, "--overwrite")
    (out / "mine.txt").write_text("keep")
    with pytest.raises(UsageError, match=r"holds something else than an earlier result \(it has mine.txt\)"):
        evaluate(*asked, "--overwrite")


def test_nothing_is_left_behind_when_a_figure_fails(tmp_path, marks_and_nodules, no_pictures, monkeypatch):
    def fail(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("LungCancerDxLib.evaluation.figures.save_top_k_figure", fail)
    before = sorted(tmp_path.iterdir())
    with pytest.raises(OutputError, match="No space left on device"):
        evaluate("detection", *marks_and_nodules, "--bootstrap", 10, "--out", tmp_path / "out")
    assert sorted(tmp_path.iterdir()) == before
