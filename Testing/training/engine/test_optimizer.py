"""The learning rate over a run."""

import pytest

from LungCancerDxLib.training.engine.optimizer import OptimizerConfig


def test_the_published_learning_rate_drops_at_half_and_at_four_fifths_of_any_run():
    optimizer = OptimizerConfig("sgd", 0.01, 1e-4, drops=((0.5, 0.1), (0.8, 0.01)))
    assert [optimizer.rate(step, 10) for step in range(10)] == pytest.approx([1e-2] * 5 + [1e-3] * 3 + [1e-4] * 2)


def test_a_cosine_rises_first_and_falls_to_nearly_nothing():
    optimizer = OptimizerConfig("adamw", 2e-3, 0.01, cosine=True, warm_up_steps=50)
    rates = [optimizer.rate(step, 1680) for step in range(1680)]
    assert rates[0] < 5e-5
    assert max(rates) == pytest.approx(2e-3, rel=0.01)
    assert rates.index(max(rates)) == 50
    assert rates[-1] < 1e-7


def test_a_short_run_rises_for_a_tenth_of_it():
    optimizer = OptimizerConfig("adamw", 1.0, 0.01, cosine=True, warm_up_steps=50)
    assert [optimizer.rate(step, 20) for step in range(3)] == pytest.approx([1 / 3, 2 / 3, 1.0], rel=0.03)
