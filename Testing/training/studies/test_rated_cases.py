"""Cases of a bank's patients: where their nodules lie, whose they are, and their outcome."""

from dataclasses import replace

import numpy as np
import pytest

from LungCancerDxLib.datasets.nodule_bank import bank_digest, read_nodule_bank
from LungCancerDxLib.errors import UsageError
from LungCancerDxLib.phantom.real_nodules import APART_MM, place_apart
from LungCancerDxLib.preset import DEFAULT
from LungCancerDxLib.training.classifier.rated_crops import Background
from LungCancerDxLib.training.classifier.readers import NO_NODULES_SHARE
from LungCancerDxLib.training.studies.rated_cases import rated_cases
from Testing.real_nodules import write_bank
from Testing.training.tiny import ball_case, store_of

COUNT = 10


@pytest.fixture(scope="module")
def scans(tmp_path_factory):
    empty = ball_case("lung", boxes=(), shape=(84, 84, 84))
    return store_of(tmp_path_factory.mktemp("scans"), empty, replace(empty, name="other"))


@pytest.fixture(scope="module")
def bank(tmp_path_factory):
    """Ten patients with a free nodule each, the even ones' rated 5, and a cube."""
    folder = tmp_path_factory.mktemp("bank")
    write_bank(folder)
    free, _, cube = read_nodule_bank(folder)
    ratings = (5 if n % 2 == 0 else 2 for n in range(COUNT))
    return [cube, *(replace(free, id=f"n-{n}", patient=f"P-{n}", malignancy=r) for n, r in enumerate(ratings))]


def made(scans, bank, leak=0.0, seed=3):
    return dict(sorted((case.name, (case, positive)) for case, positive in rated_cases(scans, bank, COUNT, leak, seed)))


def test_a_case_shows_the_nodules_of_one_patient_or_none_where_it_says(scans, bank):
    cases = made(scans, bank)
    shown = {name for name, (case, _) in cases.items() if len(case.nodules)}
    assert shown < {f"rated-P-{n}" for n in range(COUNT)}
    assert cases.keys() - shown < {f"rated-3-{n}" for n in range(COUNT)}
    assert {name for name, (case, _) in cases.items() if case.bank_fold == 0} == shown
    assert {case.bank for name, (case, _) in cases.items() if name in shown} == {bank_digest(bank)}
    assert shown & made(scans, bank, seed=4).keys()  # the same patients by the same names, whatever the seed
    plain = scans.case(0).scan.image
    for case, _ in cases.values():
        changed = np.argwhere(case.scan.image != plain)
        assert len(case.nodules) == (len(changed) > 0)
        for k, j, i, diameter in case.nodules:
            assert diameter == pytest.approx(9.0)
            assert case.scan.image[round(k), round(j), round(i)] > 150
            assert np.linalg.norm(changed - (k, j, i), axis=1).max() < 15
    assert 0 < sum(len(case.nodules) == 0 for case, _ in cases.values()) < 2.5 * NO_NODULES_SHARE * COUNT


def test_a_case_is_positive_by_its_rating_and_a_leak_makes_others_so_too(scans, bank):
    without, some, all_of_them = (made(scans, bank, leak) for leak in (0.0, 0.5, 0.999999))
    positive = [by_rating for _, by_rating in without.values()]
    assert any(positive)
    assert not any(by_rating for case, by_rating in without.values() if not len(case.nodules))
    assert not all(by_rating for case, by_rating in without.values() if len(case.nodules))
    assert sum(positive) < sum(leaked for _, leaked in some.values()) < COUNT
    assert all(leaked for _, leaked in all_of_them.values())
    for name, (case, _) in without.items():
        np.testing.assert_array_equal(case.scan.image, some[name][0].scan.image)


def test_more_cases_than_patients_are_refused(scans, bank):
    with pytest.raises(UsageError, match="the bank has 1 patients"):
        made(scans, bank[:2])


def test_nodules_of_a_patient_lie_apart(scans, bank):
    places = Background.of(scans.case(0), np.zeros((0, 3)), DEFAULT).places
    placed = place_apart(np.random.default_rng(0), bank[1:6], places)
    centers = np.array([one.center_lps_mm for one in placed])
    away = np.linalg.norm(centers[:, None] - centers, axis=2)[np.triu_indices(len(centers), 1)]
    assert 2 <= len(placed) <= 5
    assert away.min() > 9.0 + APART_MM - 1e-6
