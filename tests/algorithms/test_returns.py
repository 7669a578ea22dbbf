"""n-step windows with numbers worked out by hand."""

import numpy as np
import pytest

from reactvec.algorithms import gae, n_step_windows


def windows(rewards, terminated=None, truncated=None, valid=None, gamma=0.5):
    n = len(rewards)
    died, cut = (np.array(f if f is not None else [0] * n, bool)[:, None] for f in (terminated, truncated))
    steps = np.array([1] * n if valid is None else valid, bool)[:, None]
    result = n_step_windows(np.array(rewards, np.float64)[:, None], died, cut, steps, gamma)
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
    assert windows([1, 2, 4], terminated=[0, 0, 1], valid=[1, 1, 0]) == (2, 0.25, 2)


def test_stops_before_a_row_that_is_no_transition_whatever_it_says():
    assert windows([1, 2, 4], valid=[1, 0, 0]) == (1, 0.5, 1)
    assert windows([1, 2, 4], valid=[1, 0, 1]) == (1, 0.5, 1)
    assert windows([1, np.nan, 4], terminated=[0, 1, 0], truncated=[0, 1, 1], valid=[1, 0, 1]) == (1, 0.5, 1)


def test_columns_are_independent():
    rewards = np.array([[1.0, 1.0], [2.0, 2.0]])
    terminated = np.array([[True, False], [False, False]])
    result = n_step_windows(rewards, terminated, np.zeros((2, 2), bool), np.ones((2, 2), bool), 0.9)
    np.testing.assert_allclose(result.returns, [1, 2.8], rtol=1e-6)
    np.testing.assert_allclose(result.discounts, [0, 0.81], rtol=1e-6)
    assert result.returns.dtype == result.discounts.dtype == np.float32


@pytest.mark.parametrize("name", ["terminated", "truncated", "valid"])
def test_flags_of_other_shapes_are_refused(name):
    rewards, flags = np.ones((2, 3)), {"terminated": np.zeros((2, 3), bool), "truncated": np.zeros((2, 3), bool)}
    arrays = {**flags, "valid": np.ones((2, 3), bool)}
    for shape in ((3, 2), (2, 2), (3,), (2, 1)):
        with pytest.raises(ValueError, match=rf"{name} are \[.*\], rewards \[2, 3\]"):
            n_step_windows(rewards, **{**arrays, name: np.zeros(shape, bool)}, gamma=0.9)


def advantages(rewards, values, ends, terminated=(), truncated=(), invalid=(), gamma=0.5, lambda_=0.5):
    """Of one environment; `terminated`, `truncated`, `invalid` are times."""
    flags = np.zeros((3, len(rewards), 1), bool)
    for flag, times in zip(flags, (terminated, truncated, invalid), strict=True):
        flag[list(times)] = True
    columns = (np.array(rewards, np.float64)[:, None], np.array(values, np.float32)[:, None])
    ends = np.array(ends, np.float32)[:, None]
    result, returns = gae(*columns, ends, flags[0], flags[1], ~flags[2], gamma=gamma, lambda_=lambda_)
    np.testing.assert_allclose(returns, result + columns[1])
    return result[:, 0].tolist()


def test_gae_without_an_end_bootstraps_from_what_comes_after():
    # d2 = 1 + 8/2 - 2 = 3; d1 = 1 + 2/2 - 4 = -2; d0 = 1 + 4/2 - 2 = 1; A1 = -2 + 3/4; A0 = 1 + A1/4
    assert advantages([1, 1, 1], [2, 4, 2], [0, 0, 8]) == [1 - 1.25 / 4, -1.25, 3]


def test_gae_stops_at_a_termination():
    # d1 = 1 - 4 = -3, and nothing of A2 comes back; A2 = 3; A0 = 1 - 3/4
    assert advantages([1, 1, 1], [2, 4, 2], [0, 9, 8], terminated=[1]) == [0.25, -3, 3]


def test_gae_bootstraps_through_a_truncation_and_carries_nothing():
    # d1 = 1 + 9/2 - 4 = 1.5
    assert advantages([1, 1, 1], [2, 4, 2], [0, 9, 8], truncated=[1]) == [1 + 1.5 / 4, 1.5, 3]


def test_gae_terminated_wins():
    assert advantages([1, 1, 1], [2, 4, 2], [0, 9, 8], terminated=[1], truncated=[1]) == [0.25, -3, 3]
    assert advantages([1, 1], [2, 4], [7, 9], terminated=[1], truncated=[1]) == [0.25, -3]


def test_gae_ends_in_the_last_row():
    assert advantages([1, 1], [2, 4], [0, 9], truncated=[1]) == [1 + 1.5 / 4, 1.5]


def test_gae_carries_nothing_through_rows_that_are_no_steps():
    # row 1 is none: row 0 bootstraps from its value, 4, and nothing of row 2 arrives
    assert advantages([1, 100, 1], [2, 4, 2], [0, 50, 8], invalid=[1]) == [1, 0, 3]


def test_gae_scales_rewards():
    one, flags = np.ones((1, 1)), np.ones((1, 1), bool)
    zero = np.zeros((1, 1), np.float32)
    found = gae(one, zero, zero, flags, flags, flags, gamma=0.9, lambda_=0.9, reward_scale=0.25)
    assert found[0] == found[1] == 0.25


def test_gae_refuses_other_shapes():
    one, flags = np.ones((2, 1)), np.ones((2, 1), bool)
    values = np.zeros((1, 1), np.float32)
    with pytest.raises(ValueError, match=r"values are \[1, 1\], rewards \[2, 1\]"):
        gae(one, values, values, flags, flags, flags, gamma=0.9, lambda_=0.9)
