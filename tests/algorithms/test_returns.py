"""n-step windows with numbers worked out by hand."""

import numpy as np

from reactvec.algorithms import n_step_windows


def windows(rewards, terminated=None, truncated=None, limit=None, gamma=0.5):
    n = len(rewards)
    died, cut = (np.array(f if f is not None else [0] * n, bool)[:, None] for f in (terminated, truncated))
    valid = (np.arange(n) < (n if limit is None else limit))[:, None]
    result = n_step_windows(np.array(rewards, np.float64)[:, None], died, cut, valid, gamma)
    return result.returns[0], result.discounts[0], result.lengths[0]


def test_full_window():
    assert windows([1, 2, 4]) == (1 + 1 + 1, 0.125, 3)


def test_one_step():
    assert windows([3]) == (3, 0.5, 1)


def test_stops_at_termination_and_does_not_bootstrap():
    assert windows([1, 2, 4], terminated=[0, 1, 0]) == (2, 0, 2)
    assert windows([1, 2, 4], terminated=[1, 0, 0]) == (1, 0, 1)


def test_stops_at_truncation_and_bootstraps():
    assert windows([1, 2, 4], truncated=[0, 1, 0]) == (2, 0.25, 2)
    assert windows([1, 2, 4], truncated=[1, 0, 0]) == (1, 0.5, 1)


def test_termination_beats_truncation():
    assert windows([1, 2, 4], terminated=[0, 1, 0], truncated=[0, 1, 0]) == (2, 0, 2)


def test_an_end_behind_the_window_does_not_count():
    assert windows([1, 2, 4], terminated=[0, 0, 1], truncated=[0, 1, 0]) == (2, 0.25, 2)
    assert windows([1, 2, 4], terminated=[0, 0, 1], limit=2) == (2, 0.25, 2)


def test_stops_at_the_limit():
    assert windows([1, 2, 4], limit=1) == (1, 0.5, 1)


def test_columns_are_independent():
    rewards = np.array([[1.0, 1.0], [2.0, 2.0]])
    terminated = np.array([[True, False], [False, False]])
    result = n_step_windows(rewards, terminated, np.zeros((2, 2), bool), np.ones((2, 2), bool), 0.9)
    np.testing.assert_allclose(result.returns, [1, 2.8], rtol=1e-6)
    np.testing.assert_allclose(result.discounts, [0, 0.81], rtol=1e-6)
    assert result.returns.dtype == result.discounts.dtype == np.float32
