"""Untrained models: everything runs, the same everywhere, and they say that they mean nothing."""

import pytest
import torch

from LungCancerDxLib.models.bundle import weights_digest
from LungCancerDxLib.models.find import untrained_model
from LungCancerDxLib.preset import GRT123, PRESETS
from Testing.helpers import tiny_model


def test_the_same_seed_gives_the_same_weights_and_another_seed_others():
    first, again, other = (tiny_model.__wrapped__(seed=seed) for seed in (5, 5, 6))
    assert first.sha256 == again.sha256 != other.sha256
    assert first.sha256 == weights_digest(first)


def test_the_global_generator_neither_matters_nor_is_touched():
    torch.manual_seed(1)
    state = torch.get_rng_state()
    first = tiny_model.__wrapped__().sha256
    torch.manual_seed(2)
    assert tiny_model.__wrapped__().sha256 == first
    torch.set_rng_state(state)


@pytest.mark.parametrize("name", PRESETS)
def test_an_untrained_model_says_what_it_is(name):
    model = untrained_model(PRESETS[name])
    assert (model.name, model.preset.name) == (f"untrained-{name.lower()}", name)
    assert (model.outcome, model.trained_on) == ("none", "nothing")


def test_the_leak_starts_where_the_preset_says():
    assert untrained_model().classifier.leak.item() == pytest.approx(torch.sigmoid(torch.tensor(-4.6)).item())
    assert untrained_model(GRT123).classifier.leak.item() < 1e-12


@pytest.mark.parametrize("join", ["max-p", "noisy-or", "feature-combining"])
def test_other_joins_have_no_leak(join):
    model = tiny_model(join=join)
    assert (model.join, model.classifier.leak) == (join, None)
