"""Scores of a study's cells to its table: paired differences, intervals over seeds and cases, the paper's figures."""

from dataclasses import replace

import numpy as np
import pytest

from LungCancerDxLib.errors import UsageError
from LungCancerDxLib.evaluation.studies import (
    DIFFERENCE,
    HELD_OUT,
    LEAK,
    LOSS,
    OTHER_SYSTEMS,
    TABLE_1,
    TABLE_2,
    CellScores,
    read_scores,
    save_study_figure,
    study_figures,
    study_markdown,
    write_figures,
    write_scores,
)
from LungCancerDxLib.io.tables import read_table
from LungCancerDxLib.names import JOINS
from LungCancerDxLib.training.classifier.recipe import parse_scheme

COMBINING, LEAKY = TABLE_2[0], TABLE_2[-1]


def cell(seed, confidence=0.8, leak=0.1, number=40):
    """Cases of which a score of this confidence is right in nine of ten; the last fourth is held out."""
    rng = np.random.default_rng(seed)
    cancer = rng.random(number) < 0.4
    right = np.where(rng.random(number) < 0.9, cancer, ~cancer)
    unknown = np.full(number, np.nan)
    ids, learned = tuple(f"{seed}-{n}" for n in range(number)), np.arange(number) < 3 * number // 4
    score = np.where(right, confidence, 1 - confidence)
    return CellScores(ids, learned, cancer, score, leak, unknown, np.where(cancer, unknown, score))


def figures_of(cells, samples=200):
    return study_figures(cells, LEAKY, np.random.default_rng(0), samples)


def one(figures, method, name, part=HELD_OUT):
    (found,) = [f for f in figures if (f.method, f.name, f.part) == (method, name, part)]
    return found


@pytest.fixture
def cells():
    leakless = [cell(seed, 0.7, np.nan) for seed in range(3)]
    return {("made", COMBINING): leakless, ("made", LEAKY): [cell(seed) for seed in range(3)]}


def test_scores_are_read_as_they_were_written(tmp_path):
    written = replace(cell(0, 1 / 3), leak=np.pi / 30)
    write_scores(tmp_path / "scores.csv", written)
    read = read_scores(tmp_path / "scores.csv")
    assert (read.ids, read.leak) == (written.ids, written.leak)
    for name in ("learned", "cancer", "score", "causes", "others"):
        np.testing.assert_array_equal(getattr(read, name), getattr(written, name))
    (tmp_path / "scores.csv").write_text("id,score\na,0.5\n")
    with pytest.raises(UsageError, match="no column part"):
        read_scores(tmp_path / "scores.csv")


def test_a_loss_is_the_mean_over_seeds_of_the_held_out_cases(cells):
    expected = []
    for of_seed in cells["made", LEAKY]:
        held_out = ~of_seed.learned
        right = np.where(of_seed.cancer, of_seed.score, 1 - of_seed.score)[held_out]
        expected.append(-np.log(right).mean())
    found = one(figures_of(cells), LEAKY, LOSS)
    assert found.value == pytest.approx(np.mean(expected))
    assert found.sd == pytest.approx(np.std(expected, ddof=1))
    assert found.low < found.value < found.high


def test_differences_are_paired(cells):
    """The same cases are right for both, so that the difference hardly depends on which of them are drawn."""
    figures = figures_of(cells)
    own, other = one(figures, LEAKY, DIFFERENCE), one(figures, COMBINING, DIFFERENCE)
    assert (own.value, own.low, own.high) == (0, 0, 0)
    assert other.value == pytest.approx(one(figures, COMBINING, LOSS).value - one(figures, LEAKY, LOSS).value)
    loss = one(figures, LEAKY, LOSS)
    assert other.high - other.low < 0.7 * (loss.high - loss.low)


def test_an_interval_covers_what_differs_between_seeds():
    """Each seed alone knows its loss exactly, as all of its cases have the same."""
    cells = {
        ("made", LEAKY): [replace(cell(n), score=np.abs(cell(n).cancer - miss)) for n, miss in enumerate((0.1, 0.3))]
    }
    found = one(figures_of(cells), LEAKY, LOSS)
    assert found.low == pytest.approx(-np.log(0.9))
    assert found.high == pytest.approx(-np.log(0.7))


def test_the_same_generator_gives_the_same_figures(cells, tmp_path):
    for name in ("one", "two"):
        write_figures(tmp_path / name, figures_of(cells))
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()
    table = read_table(tmp_path / "one")
    assert table.columns["value"][-1] == "0.406"
    assert table.columns["data"][-1] == "Data Science Bowl 2017"
    leak = [figure == LEAK for figure in table.columns["figure"]]
    assert np.array(table.columns["value"])[leak].tolist() == ["", "0.1"]


def test_the_papers_losses_stand_beside_and_none_is_guessed(cells):
    text = study_markdown("Table", figures_of(cells), OTHER_SYSTEMS, ["a remark"])
    lines = {line.split(" | ")[0]: line for line in text.splitlines()}
    assert lines["| Feature combining"].endswith("| not available |")
    assert lines["| Leaky noisy-or"].endswith("| 0.4060 |")
    assert lines["| qfpxfd"].endswith("| 0.4018 |")
    widths = {line.count("|") for line in text.splitlines() if line.startswith("|")}
    assert len(widths) == 1
    assert text.endswith("- a remark\n")


def test_the_rows_are_those_of_the_paper():
    assert [method.published for method in TABLE_1[-3:]] == [0.4060, 0.4024, 0.3989]
    assert all(parse_scheme(method.scheme) for method in (*TABLE_1, *TABLE_2))
    assert sorted(method.join for method in TABLE_2) == sorted(JOINS)


def test_losses_are_drawn(cells, tmp_path):
    pytest.importorskip("matplotlib")
    of_table_1 = {("made", method): cells["made", LEAKY] for method in TABLE_1}
    save_study_figure(
        "Table I", study_figures(of_table_1, TABLE_1[-1], np.random.default_rng(0), 20), tmp_path / "1.png"
    )
    save_study_figure("Table II", figures_of(cells), tmp_path / "2.png")
    assert (tmp_path / "1.png").stat().st_size > (tmp_path / "2.png").stat().st_size > 5000
