"""Draws are functions of their counters."""

import numpy as np

from reactvec.algorithms.draws import Draws, env_seeds


def test_a_draw_depends_on_nothing_but_its_counters():
    draws = Draws(7, "explore")
    whole = draws.uniform(np.arange(5), np.arange(4)[:, None])
    assert whole.shape == (4, 5)
    assert draws.uniform(3, 2)[0] == whole[2, 3]
    assert Draws(7, "explore").uniform(3, 2)[0] == whole[2, 3]


def test_seed_purpose_and_order_matter():
    values = [
        Draws(7, "explore").bits(1, 2)[0],
        Draws(8, "explore").bits(1, 2)[0],
        Draws(7 + 2**64, "explore").bits(1, 2)[0],
        Draws(7, "action").bits(1, 2)[0],
        Draws(7, "explore").bits(2, 1)[0],
    ]
    assert len(set(values)) == len(values)


def test_uniform():
    values = Draws(0, "test").uniform(np.arange(20_000))
    assert values.min() >= 0
    assert values.max() < 1
    assert abs(values.mean() - 0.5) < 0.01
    counts = np.bincount(Draws(0, "test").integers(7, np.arange(21_000)), minlength=7)
    assert len(counts) == 7
    assert ((counts - 3000) ** 2 / 3000).sum() < 22.5  # chi-squared, 6 degrees of freedom, p = 0.001
    assert abs(np.corrcoef(values[:-1], values[1:])[0, 1]) < 0.03


def test_known_value():
    """The stream is part of what makes a run reproducible: it must not change by accident."""
    assert Draws(0, "minibatch").bits(0, 0)[0] == 13608812954154766589


def test_env_seeds_are_distinct_and_evaluation_is_apart():
    training, evaluation = env_seeds(3, 100, evaluation=False), env_seeds(3, 100, evaluation=True)
    assert len({*training, *evaluation}) == 200
    assert all(0 <= seed < 2**31 for seed in training + evaluation)
    assert {seed % 2 for seed in training} == {0}
    assert {seed % 2 for seed in evaluation} == {1}
    assert env_seeds(3, 4, evaluation=False, restarts=1) != env_seeds(3, 4, evaluation=False)
