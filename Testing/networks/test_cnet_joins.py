"""The four joins against closed forms worked out by hand."""

import pytest
import torch

from LungCancerDxLib.names import JOINS
from LungCancerDxLib.networks.cnet import join_nodules

P = torch.tensor([[0.5, 0.2, 0.1]], dtype=torch.float64)
LEAK = torch.tensor([0.25], dtype=torch.float64)
ALL_JOINS = pytest.mark.parametrize("name", JOINS)


def _first_feature(hidden):
    return hidden[..., :1]


def _joined(name, malignancy, counted=None):
    """The join of nodules whose first hidden feature is the logit of their malignancy."""
    counted = torch.ones(malignancy.shape) if counted is None else torch.tensor(counted)
    hidden = torch.logit(malignancy)[..., None]
    return join_nodules(name, hidden, _first_feature, counted.bool(), LEAK if name == "leaky-noisy-or" else None)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("max-p", 0.5),
        ("noisy-or", 1 - 0.5 * 0.8 * 0.9),
        ("leaky-noisy-or", 1 - 0.75 * 0.5 * 0.8 * 0.9),
    ],
)
def test_a_join_of_nodules_has_its_closed_form(name, expected):
    case, nodules = _joined(name, P)
    torch.testing.assert_close(case, torch.tensor([expected], dtype=torch.float64))
    torch.testing.assert_close(nodules, P)


def test_feature_combining_takes_the_greatest_of_each_feature_then_scores():
    hidden = torch.tensor([[[1.0, 0.0], [0.0, 3.0], [0.5, 2.0]]])
    output = lambda h: h @ torch.tensor([[2.0], [-1.0]]) + 0.5  # noqa: E731
    case, nodules = join_nodules("feature-combining", hidden, output, torch.ones(1, 3, dtype=torch.bool), None)
    torch.testing.assert_close(case, torch.sigmoid(torch.tensor([2 * 1.0 - 3.0 + 0.5])))
    assert nodules is None


@ALL_JOINS
def test_nodules_that_do_not_count_do_not_matter(name):
    counted = [[True, False, True]]
    case, _ = _joined(name, P, counted)
    changed, _ = _joined(name, torch.tensor([[0.5, 0.999, 0.1]], dtype=torch.float64), counted)
    torch.testing.assert_close(case, changed, rtol=0, atol=0)
    without, _ = _joined(name, P[:, [0, 2]])
    torch.testing.assert_close(case, without)


@ALL_JOINS
def test_the_order_of_the_nodules_does_not_matter(name):
    torch.testing.assert_close(_joined(name, P)[0], _joined(name, P.flip(1))[0])


@ALL_JOINS
def test_each_case_of_a_batch_is_joined_on_its_own(name):
    batch = torch.cat([P, P.flip(1) / 2])
    counted = [[True, True, False], [True, True, True]]
    together, _ = _joined(name, batch, counted)
    alone = [_joined(name, batch[n : n + 1], counted[n : n + 1])[0] for n in range(2)]
    torch.testing.assert_close(together, torch.cat(alone))


@pytest.mark.parametrize("nodules", [0, 3], ids=["none given", "none counts"])
@pytest.mark.parametrize(
    ("name", "expected"),
    [("feature-combining", 0.5), ("max-p", 0.0), ("noisy-or", 0.0), ("leaky-noisy-or", 0.25)],
)
def test_without_nodules_the_leak_alone_gives_its_probability_and_other_joins_give_nothing(name, expected, nodules):
    """Feature combining scores hidden features of zero: here the logistic of 0."""
    case, _ = _joined(name, P[:, :nodules], [[False] * nodules])
    torch.testing.assert_close(case, torch.tensor([expected], dtype=torch.float64))


def test_the_leaky_noisy_or_without_a_leak_is_the_noisy_or():
    hidden, counted = torch.logit(P)[..., None], torch.ones(1, 3, dtype=torch.bool)
    case, _ = join_nodules("leaky-noisy-or", hidden, _first_feature, counted, torch.zeros(1, dtype=torch.float64))
    torch.testing.assert_close(case, _joined("noisy-or", P)[0])


def test_a_certain_nodule_makes_the_case_certain_and_leaves_gradients_finite():
    hidden = torch.tensor([[[60.0], [-1.0]]], requires_grad=True)
    case, _ = join_nodules("noisy-or", hidden, _first_feature, torch.ones(1, 2, dtype=torch.bool), None)
    case.sum().backward()
    assert case.item() == 1.0
    assert torch.isfinite(hidden.grad).all()
