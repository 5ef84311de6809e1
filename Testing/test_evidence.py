"""The joins of section V in closed form, and the shares of the evidence."""

import itertools
import math

import pytest

from LungCancerDxLib.errors import UsageError
from LungCancerDxLib.evidence import combine

NOISY = pytest.mark.parametrize("join", ["noisy-or", "leaky-noisy-or"])


def _shares(evidence):
    return [*evidence.shares, evidence.leak_share or 0.0, evidence.blank_share or 0.0]


@pytest.mark.parametrize(
    ("join", "malignancy", "leak", "blank", "blanks", "expected"),
    [
        ("max-p", [], None, None, 0, 0.0),
        ("max-p", [0.2, 0.7, 0.1], None, None, 0, 0.7),
        ("max-p", [0.2], None, 0.3, 4, 0.3),
        ("max-p", [], None, 0.3, 5, 0.3),
        ("max-p", [0.2], None, 0.3, 0, 0.2),
        ("noisy-or", [], None, None, 0, 0.0),
        ("noisy-or", [0.4], None, None, 0, 0.4),
        ("noisy-or", [0.5, 0.5], None, None, 0, 0.75),
        ("noisy-or", [0.5], None, 0.1, 2, 1 - 0.5 * 0.9 * 0.9),
        ("leaky-noisy-or", [], 0.01, None, 0, 0.01),
        ("leaky-noisy-or", [0.5, 0.2], 0.1, None, 0, 1 - 0.9 * 0.5 * 0.8),
        ("leaky-noisy-or", [0.5, 0.2], 0.1, 0.3, 3, 1 - 0.9 * 0.5 * 0.8 * 0.7**3),
        ("leaky-noisy-or", [], 0.1, 0.3, 5, 1 - 0.9 * 0.7**5),
        ("leaky-noisy-or", [0.0, 0.0], 0.0, None, 0, 0.0),
    ],
)
def test_a_case_has_the_closed_form_of_its_join(join, malignancy, leak, blank, blanks, expected):
    assert combine(join, malignancy, leak, blank, blanks).score == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("malignancy", [[], [0.3], [0.5, 0.2, 0.0], [1.0, 0.5], [0.999999, 1e-9]], ids=str)
@pytest.mark.parametrize(("blank", "blanks"), [(None, 0), (0.3, 2), (0.0, 4)])
def test_the_shares_of_nodules_leak_and_blanks_add_up_to_one(malignancy, blank, blanks):
    evidence = combine("leaky-noisy-or", malignancy, 0.01, blank, blanks)
    assert sum(_shares(evidence)) == pytest.approx(1)
    assert all(0 <= share <= 1 for share in _shares(evidence))


def test_a_share_is_a_nodules_evidence_over_the_cases():
    evidence = combine("leaky-noisy-or", [0.5, 0.75], 0.5, 0.5, 4)  # 1, 2, 1 and 4 halvings of survival
    assert evidence.shares == pytest.approx((1 / 8, 2 / 8))
    assert evidence.leak_share == pytest.approx(1 / 8)
    assert evidence.blank_share == pytest.approx(4 / 8)


def test_the_order_of_the_nodules_does_not_move_the_score():
    found = {
        combine("leaky-noisy-or", order, 0.01, None, 0).score
        for order in itertools.permutations((0.19, 0.14, 0.02, 0.08, 0.06))
    }
    assert len(found) == 1


def test_there_is_no_share_of_what_is_not_there():
    evidence = combine("noisy-or", [0.5], None, None, 0)
    assert (evidence.shares, evidence.leak_share, evidence.blank_share) == ((1.0,), None, None)
    assert combine("leaky-noisy-or", [0.5], 0.1, 0.2, 0).blank_share is None


@NOISY
def test_a_case_without_evidence_has_no_shares(join):
    evidence = combine(join, [0.0, 0.0], 0.0 if join == "leaky-noisy-or" else None, 0.0, 3)
    assert (evidence.score, evidence.shares) == (0, (None, None))
    assert (evidence.leak_share, evidence.blank_share) == (None, None)


@NOISY
def test_certain_nodules_share_the_evidence_as_if_almost_certain(join):
    evidence = combine(join, [1.0, 1.0, 0.5], None, None, 0)
    assert 1 - 1e-13 < evidence.score <= 1
    most = -math.log(1e-7)
    assert evidence.shares[0] == evidence.shares[1] == pytest.approx(most / (2 * most + math.log(2)))
    assert sum(evidence.shares) == pytest.approx(1)
    assert combine(join, [1.0], None, None, 0).score == pytest.approx(1 - 1e-7, abs=1e-12)


def test_small_probabilities_are_not_lost():
    evidence = combine("leaky-noisy-or", [1e-20], 9.4e-14, None, 0)
    assert evidence.score == pytest.approx(9.4e-14 + 1e-20, rel=1e-9)
    assert evidence.shares[0] == pytest.approx(1e-20 / 9.4e-14)


def test_the_greatest_probability_has_no_shares():
    evidence = combine("max-p", [0.2, 0.7], None, 0.3, 1)
    assert (evidence.shares, evidence.leak_share, evidence.blank_share) == ((None, None), None, None)


@pytest.mark.parametrize("malignancy", [[], [0.5]], ids=str)
def test_feature_combining_cannot_be_overruled_and_says_so(malignancy):
    with pytest.raises(UsageError, match="feature-combining cannot be overruled"):
        combine("feature-combining", malignancy, None, None, 0)
