"""Cells of a study: trained once, gone on with after a stop, the same scores for the same seed."""

from dataclasses import replace

import numpy as np
import pytest

from LungCancerDxLib.errors import Cancelled, UsageError
from LungCancerDxLib.evaluation.studies import TABLE_2, Method
from LungCancerDxLib.preset import PRESETS
from LungCancerDxLib.runtime.device import Compute
from LungCancerDxLib.training.cases.store import CaseStore, write_outcomes
from LungCancerDxLib.training.classifier.recipe import CPU
from LungCancerDxLib.training.engine.run_folder import CHECKPOINT_FILE
from LungCancerDxLib.training.studies.bank_cases import CaseMix, bank_cases
from LungCancerDxLib.training.studies.study import (
    Cell,
    Trainer,
    feature_cells,
    run_cells,
    store_cells,
    store_features,
)
from Testing.training.classifier_tiny import FEATURES, FEW, SMALLEST, tiny_detector
from Testing.training.studies.test_bank_cases import features_of
from Testing.training.tiny import ball_case, quiet, store_of

JOINS = [replace(method, scheme="F") for method in TABLE_2]
LEAKY = JOINS[-1]
FAST = replace(CPU, steps=150, false_alarm_loss=0.0, optimizer=replace(CPU.optimizer, learning_rate=0.01))


@pytest.fixture(autouse=True)
def tiny_preset(monkeypatch):
    monkeypatch.setitem(PRESETS, "DEFAULT", SMALLEST)


def bank_cells(methods, seeds, recipe=FAST, leak=0.3, **options):
    features, blank = features_of(nodules=60), np.zeros(128, np.float32)
    trainer = Trainer(tiny_detector(), recipe, "readers", **options)

    def cases_of(seed):
        mix = CaseMix(learned=400, held_out=100)
        return bank_cases(features, blank, leak, SMALLEST.scored_nodules, mix, seed)

    return feature_cells(f"leak {leak}", cases_of, methods, seeds, trainer)


@pytest.mark.slow
def test_every_join_learns_what_made_the_labels_and_one_of_them_a_leak(tmp_path):
    results = run_cells(bank_cells(JOINS, [0]), tmp_path, quiet())
    assert [method.join for _, method in results] == [method.join for method in JOINS]
    for (_, method), (cell,) in results.items():
        assert cell.score[cell.cancer].mean() > cell.score[~cell.cancer].mean() + 0.2
        assert np.isnan(cell.leak) == (method != LEAKY)
        assert np.isnan(cell.causes).all() == (method == JOINS[0])
        if method != JOINS[0]:
            assert np.nanmean(cell.causes) > np.nanmean(cell.others) + 0.3
    start = 1 / (1 + np.exp(-SMALLEST.initial_leak_logit))
    assert results["leak 0.3", LEAKY][0].leak > 2 * start  # every case shows something that can take the blame, too


def test_a_killed_study_goes_on_and_ends_with_the_scores_of_an_undisturbed_one(tmp_path):
    def cells():
        return bank_cells(JOINS[3:], [0, 1], replace(FAST, steps=4))

    whole = run_cells(cells(), tmp_path / "whole", quiet())
    for at in (0.05, 0.6):

        def stop(message, fraction, at=at):
            if fraction > at:
                raise Cancelled("asked")

        with pytest.raises(Cancelled):
            run_cells(cells(), tmp_path / "parts", quiet(progress=stop))
    assert 0 < len(list((tmp_path / "parts").rglob("scores.csv"))) < 2
    again = run_cells(cells(), tmp_path / "parts", quiet())
    assert again.keys() == whole.keys()
    for path in (tmp_path / "whole").rglob("scores.csv"):
        assert (tmp_path / "parts" / path.parent.name / path.name).read_bytes() == path.read_bytes()
    assert not list(tmp_path.rglob(CHECKPOINT_FILE))
    assert not np.array_equal(*(cell.score for cell in again["leak 0.3", LEAKY]))


def test_a_cell_that_is_scored_is_not_trained_again(tmp_path):
    (cell,) = bank_cells([LEAKY], [0], replace(FAST, steps=1))
    trained = run_cells([cell], tmp_path, quiet())
    calls = []
    again = run_cells([cell._replace(score=lambda *given: calls.append(given))], tmp_path, quiet())
    assert not calls
    (first,), (second,) = (*trained.values(), *again.values())
    np.testing.assert_array_equal(second.score, first.score)


def test_cells_have_folders_of_their_own():
    cells = [Cell(data, Method("x", scheme), 0, None) for data in ("leak 0.1", "leak 0.3") for scheme in ("A", "A->B")]
    assert [cell.folder_name for cell in cells][:2] == ["leak-0.1-A-leaky-noisy-or-0", "leak-0.1-A-B-leaky-noisy-or-0"]
    assert len({cell.folder_name for cell in cells}) == 4


def test_where_blanks_count_a_case_without_proposals_has_their_malignancy(tmp_path):
    """Without them the noisy-or of nothing is zero."""
    (method,), recipe, scores = JOINS[2:3], replace(FAST, steps=1), {}
    for score_blanks in (False, True):
        trainer = Trainer(tiny_detector(), recipe, "readers", score_blanks)
        known = bank_cases(features_of(), np.zeros(128, np.float32), 0.3, 2, CaseMix(learned=40, held_out=10), 0)
        nothing = known.cases[-1]._replace(
            features=known.cases[-1].features[:0], logits=np.zeros(0), nodule=np.zeros(0, bool)
        )
        known = known._replace(cases=[*known.cases[:-1], nothing], causes=None)
        cells = feature_cells("x", {0: known}.__getitem__, [method], [0], trainer)
        ((cell,),) = run_cells(cells, tmp_path / str(score_blanks), quiet()).values()
        scores[score_blanks] = cell.score[-1]
    assert scores[False] == 0
    assert 0.05 < scores[True] < 0.5


def store_with(folder, labels, prefix="case"):
    boxes = [(30.0, 28.0, 32.0, 10.0)]
    store = store_of(folder, *(ball_case(f"{prefix}-{n}", boxes) for n in range(len(labels))))
    write_outcomes(folder, {f"{prefix}-{n}": label for n, label in enumerate(labels)})
    return store


@pytest.mark.slow
def test_a_quarter_of_each_label_is_held_out_anew_for_each_seed_or_cases_that_are_given(tmp_path):
    store = store_with(tmp_path / "store", [True] * 4 + [False] * 8)
    trainer = Trainer(tiny_detector(), FEATURES, "synthetic")
    _, cases_of = store_features(store, None, trainer, Compute())
    splits = [cases_of(seed) for seed in (0, 1, 1)]
    for known in splits:
        assert known.labels[~known.learned].tolist() == [True, False, False]
    assert splits[0].learned.tolist() != splits[1].learned.tolist()
    assert splits[1].learned.tolist() == splits[2].learned.tolist()
    others = store_with(tmp_path / "others", [True, False], "other")
    data, cases_of = store_features(store, others, trainer, Compute())
    assert data == "12 scans, held out 2 scans"
    assert cases_of(5).learned.tolist() == [True] * 12 + [False] * 2
    few = CaseStore(tmp_path / "store").without(["case-0", "case-1", "case-2"])
    _, cases_of = store_features(few, None, trainer, Compute())
    with pytest.raises(UsageError, match="1 cases have the label 1"):
        cases_of(0)
    with pytest.raises(UsageError, match="both list case-0"):
        store_features(store, store, trainer, Compute())


@pytest.mark.slow
def test_a_backbone_can_learn_and_its_cases_are_scored_as_in_inference(tmp_path):
    store = store_with(tmp_path / "store", [True, True, True, False, False, False])
    trainer = Trainer(tiny_detector(replace(SMALLEST, crop_size=32)), FEW, "synthetic")
    methods = [Method("A", "A"), Method("A then C", "A->C", "max-p")]
    cells = store_cells(store, None, methods, [0], trainer)
    results = run_cells(cells, tmp_path / "study", quiet())
    for (data, method), (cell,) in results.items():
        assert (data, cell.ids) == ("6 scans", store.names)
        assert (~cell.learned).sum() == 2
        assert np.isnan(cell.leak) == (method.join == "max-p")
        assert ((cell.score >= 0) & (cell.score <= 1)).all()
    names = {path.name for path in (tmp_path / "study" / cells[1].folder_name).iterdir()}
    assert names == {"config.json", "1-A", "2-C", "scores.csv"}
    assert not list(tmp_path.rglob(CHECKPOINT_FILE))
