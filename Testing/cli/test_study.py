"""`lungcancerdx study`: cases and a detector to the paper's tables; the same command goes on, the same seeds agree."""

import argparse
import shutil
from dataclasses import replace

import pytest

from LungCancerDxLib.cli.study import add_study
from LungCancerDxLib.errors import UsageError
from LungCancerDxLib.evaluation.studies import TABLE_1
from LungCancerDxLib.io.tables import read_table
from LungCancerDxLib.models.bundle import save_model
from LungCancerDxLib.runtime.interruption import Stop
from LungCancerDxLib.training.cases.store import write_case, write_outcomes
from LungCancerDxLib.training.classifier import recipe
from LungCancerDxLib.training.detector import insertion
from Testing.training.classifier_tiny import FEW, tiny_detector
from Testing.training.tiny import ball_case, store_of

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("tiny_preset")]

QUICK = ("--steps", 2, "--batch", 2, "--precision", "fp32", "--progress", "none", "--bootstrap", 20)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A store of six cases, two others, and the run of a detector with its model."""
    folder = tmp_path_factory.mktemp("files")
    for name, labels in (("store", [True, False] * 3), ("others", [True, False])):
        store_of(folder / name, *(ball_case(f"{name}-{n}") for n in range(len(labels))))
        write_outcomes(folder / name, {f"{name}-{n}": label for n, label in enumerate(labels)})
    save_model(tiny_detector(), folder / "run" / "model")
    return folder


def study(folder, out, *more, table="table2", data="store"):
    parser = argparse.ArgumentParser()
    add_study(parser.add_subparsers(dest="command"))
    files = ("--data", folder / data, "--detector", folder / "run", "--out", out)
    arguments = parser.parse_args([str(word) for word in ("study", table, *files, *QUICK, *more)])
    return arguments.run(arguments, Stop())


def test_table_two_is_written_once_and_the_same_seeds_give_the_same(folder, tmp_path):
    message = study(folder, tmp_path / "one", "--outcome", "synthetic", "--seeds", 1)
    assert "## 6 scans" in message
    assert "outcome of the labels: synthetic" in message
    names = {path.name for path in (tmp_path / "one").iterdir()}
    assert names == {"config.json", "cells", "table2.md", "table2.csv", "table2.png"}
    assert len(list((tmp_path / "one" / "cells").glob("6-scans-F-*/scores.csv"))) == 4
    table = (tmp_path / "one" / "table2.csv").read_bytes()
    study(folder, tmp_path / "two", "--outcome", "synthetic", "--seeds", 1)
    assert (tmp_path / "two" / "table2.csv").read_bytes() == table
    scored = {path: path.stat().st_mtime_ns for path in (tmp_path / "one").rglob("scores.csv")}
    study(folder, tmp_path / "one", "--outcome", "synthetic", "--seeds", 2)
    assert all(path.stat().st_mtime_ns == before for path, before in scored.items())
    assert len(list((tmp_path / "one" / "cells").glob("6-scans-F-*/scores.csv"))) == 8
    with pytest.raises(UsageError, match="other settings"):
        study(folder, tmp_path / "one", "--outcome", "synthetic", "--score-blanks")


def test_a_study_does_not_go_on_with_cases_that_have_changed_nor_with_those_of_another_preset(folder, tmp_path):
    store = tmp_path / "store"
    shutil.copytree(folder / "store", store)
    study(tmp_path, tmp_path / "study", "--outcome", "synthetic", "--seeds", 1, "--detector", folder / "run")
    write_case(store, ball_case("store-1", boxes=[]), "DEFAULT")
    with pytest.raises(UsageError, match="other settings"):
        study(tmp_path, tmp_path / "study", "--outcome", "synthetic", "--seeds", 1, "--detector", folder / "run")
    cases = store / "cases.csv"
    of_paper = "of preset PAPER, the model 'untrained-default' of DEFAULT"
    for preset, message in (("PAPER", of_paper), ("X", "of the presets X")):
        cases.write_text((folder / "store" / "cases.csv").read_text().replace("DEFAULT", preset))
        with pytest.raises(UsageError, match=message):
            study(tmp_path, tmp_path / "other", "--outcome", "synthetic", "--detector", folder / "run")


def test_a_detector_that_knows_nodules_of_a_bank_is_told(folder, tmp_path):
    save_model(replace(tiny_detector(), bank_folds=(1, 2)), folder / "knows" / "model")
    knows = ("--detector", folder / "knows", "--seeds", 1)
    assert "learned from parts 1, 2 of a bank" in study(folder, tmp_path / "one", "--outcome", "readers", *knows)
    assert "of a bank" not in study(folder, tmp_path / "two", "--outcome", "readers", "--seeds", 1)


def test_options_of_banks_need_a_bank(folder, tmp_path):
    with pytest.raises(UsageError, match="name one with --bank"):
        study(folder, tmp_path / "study", "--outcome", "synthetic", "--leak", 0.1)


def test_cases_can_be_given_to_be_held_out(folder, tmp_path):
    others = ("--validation", folder / "others", "--seeds", 1)
    assert "## 6 scans, held out 2 scans" in study(folder, tmp_path / "study", "--outcome", "none", *others)


def test_table_one_trains_every_regime_at_smaller_crops(folder, tmp_path, monkeypatch):
    monkeypatch.setitem(recipe.CLASSIFIER_RECIPES, "PAPER", replace(FEW, scheme="A->B->E"))
    monkeypatch.setattr(insertion, "LungInserter", lambda preset: None)
    options = ("--outcome", "synthetic", "--seeds", 1, "--crop", 32, "--steps", 1)
    message = study(folder, tmp_path / "study", *options, table="table1")
    assert "crops of 32 voxels" in message
    assert "| Julian de Wit & Daniel Hammack |" in message
    cells = {path.name for path in (tmp_path / "study" / "cells").iterdir()}
    assert len(cells) == len(TABLE_1)
    assert "6-scans-A-B-E-leaky-noisy-or-0" in cells
    assert {"A→B→D", "C-Net"} < set(read_table(tmp_path / "study" / "table1.csv").columns["method"])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ((), "Say what the labels"),
        (("--outcome", "synthetic", "--score-blanks", "--scheme", "A"), "for scheme F"),
        (("--bank", "b", "--scheme", "C"), "With --bank"),
        (("--bank", "b", "--outcome", "clinical"), "With --bank"),
    ],
)
def test_what_does_not_go_together_is_said_before_anything_is_written(folder, tmp_path, options, message):
    with pytest.raises(UsageError, match=message):
        study(folder, tmp_path / "study", *options)
    assert not (tmp_path / "study").exists()


@pytest.mark.parametrize("options", [("--leak", "1"), ("--crop", "40"), ("--crop", "16"), ("--seeds", "0")])
def test_numbers_out_of_range_are_refused(folder, tmp_path, options, capsys):
    with pytest.raises(SystemExit, match="2"):
        study(folder, tmp_path / "study", *options)
    assert options[0] in capsys.readouterr().err
