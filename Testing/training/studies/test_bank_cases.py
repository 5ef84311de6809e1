"""Cases of real nodules: labels by ratings and a leak of known size, folds and scans held out together."""

from dataclasses import replace

import numpy as np
import pytest

from LungCancerDxLib.datasets.nodule_bank import read_nodule_bank
from LungCancerDxLib.detection.proposals import Proposals
from LungCancerDxLib.errors import UsageError
from LungCancerDxLib.models.find import untrained_model
from LungCancerDxLib.networks.nnet import FEATURE_CHANNELS
from LungCancerDxLib.runtime.device import Compute
from LungCancerDxLib.training.cases.store import CaseStore, write_case
from LungCancerDxLib.training.studies import bank_cases as module
from LungCancerDxLib.training.studies.bank_cases import BankFeatures, CaseMix, bank_cases, bank_features
from Testing.real_nodules import write_bank
from Testing.training.tiny import TINY, ball_case

SLOTS = 5
MIX = CaseMix(learned=300, held_out=200)


def features_of(scans=3, nodules=20, seed=0):
    """Rows whose first entry is their scan's number, whose second is the rating, 0 without a nodule."""
    rng, found = np.random.default_rng(seed), []
    for scan in range(scans):
        rating = rng.integers(1, 6, nodules)
        rows = np.zeros((2, nodules, FEATURE_CHANNELS), dtype=np.float32)
        rows[:, :, 0], rows[0, :, 1] = scan, rating
        found.append(BankFeatures(rows[0], rating, rows[1]))
    return found


def cases_of(leak=0.0, seed=0, features=None):
    blank = np.zeros(FEATURE_CHANNELS, np.float32)
    return bank_cases(features_of() if features is None else features, blank, leak, SLOTS, MIX, seed)


def test_without_a_leak_a_case_is_positive_where_a_nodule_is_rated_over_three():
    known = cases_of()
    assert len(known.ids) == len(set(known.ids)) == 500
    for case, label, is_cause in zip(known.cases, known.labels, known.causes, strict=True):
        assert 1 <= len(case.features) <= SLOTS
        np.testing.assert_array_equal(is_cause, case.features[:, 0, 1] > 3)
        np.testing.assert_array_equal(case.nodule, case.features[:, 0, 1] > 0)
        assert label == is_cause.any()
        assert not case.nodule.all()


def test_a_leak_makes_that_share_of_the_other_cases_positive_and_changes_nothing_else():
    without, small, large = (cases_of(leak) for leak in (0.0, 0.1, 0.4))
    unexplained = ~without.labels
    assert (large.labels >= small.labels).all()
    assert (small.labels >= without.labels).all()
    assert small.labels[unexplained].mean() == pytest.approx(0.1, abs=0.04)
    assert large.labels[unexplained].mean() == pytest.approx(0.4, abs=0.06)
    for one, other in zip(without.cases, large.cases, strict=True):
        np.testing.assert_array_equal(one.features, other.features)


def test_the_scan_of_the_seeds_number_is_held_out_with_its_nodules():
    for seed in (1, 4):
        known = cases_of(seed=seed)
        assert known.learned.sum() == MIX.learned
        for case, learned in zip(known.cases, known.learned, strict=True):
            assert (case.features[:, 0, 0] == 1).all() != learned
    assert not np.array_equal(cases_of(seed=1).labels, cases_of(seed=4).labels)
    np.testing.assert_array_equal(cases_of(seed=4).labels, cases_of(seed=4).labels)


def test_a_fold_without_nodules_is_named():
    features = features_of()
    features[1] = BankFeatures(features[1].nodules[:0], features[1].rating[:0], features[1].others)
    with pytest.raises(UsageError, match="Fold 1"):
        cases_of(seed=1, features=features)


@pytest.mark.slow
def test_features_are_those_of_each_folds_nodules_in_a_scan_of_its_own_and_kept(tmp_path, monkeypatch):
    write_bank(tmp_path)
    (free, _, cube), case = read_nodule_bank(tmp_path), ball_case("lung", boxes=(), shape=(84, 84, 84))
    bank = [free, replace(free, id="b", fold=1, malignancy=5), cube]
    for name in ("one", "two"):
        write_case(tmp_path / "scans", replace(case, name=name), "DEFAULT")
    nothing = Proposals.from_rows(np.zeros((0, 5)))
    monkeypatch.setattr(module, "find_proposals", lambda *_: [nothing, nothing])
    monkeypatch.setattr(module, "PLAIN_LUNG", 2)
    store, model = CaseStore(tmp_path / "scans"), untrained_model(replace(TINY, crop_size=32))
    found, blank = bank_features(store, bank, model, Compute())
    assert [(rows.rating.tolist(), rows.others.shape) for rows in found] == [([2], (2, 128)), ([5], (2, 128))]
    assert blank.shape == (128,)
    assert not np.allclose(found[0].nodules, found[0].others)
    monkeypatch.setattr(module, "central_feature", None)
    again, _ = bank_features(store, bank, model, Compute())
    np.testing.assert_array_equal(again[1].nodules, found[1].nodules)
    one_scan = CaseStore(tmp_path / "scans").without(["two"])
    with pytest.raises(UsageError, match="has one scan"):
        bank_features(one_scan, bank, model, Compute())
