"""The interquartile mean and its bootstrap, against numbers worked out by hand."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from benchmarks.iqm import difference, iqm


@pytest.mark.parametrize(
    ("scores", "mean"),
    [
        ([7.0], 7.0),
        ([1.0, 2.0, 6.0], 3.0),  # a quarter of three is less than one
        ([100.0, 2.0, 4.0, -100.0], 3.0),
        ([9.0, 1.0, 2.0, 3.0, -9.0], 2.0),
        ([0.0, 10.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, -7.0, 70.0], 3.5),  # two of ten at each end
    ],
)
def test_the_interquartile_mean(scores: list[float], mean: float):
    assert iqm(scores) == pytest.approx(mean)


def test_it_is_taken_along_the_last_axis():
    assert iqm([[4.0, 2.0, 0.0, 9.0], [1.0, 1.0, 1.0, 8.0]]).tolist() == [3.0, 1.0]


def test_of_nothing_it_is_refused():
    with pytest.raises(ValueError, match="at least one"):
        iqm([])


def test_runs_that_are_all_equal_have_an_interval_of_no_width():
    found = difference([[2.0, 2.0], [3.0, 3.0]], [[1.0], [1.0]])
    assert (found.value, found.lower, found.upper) == (1.5, 1.5, 1.5)


def test_the_interval_of_two_runs_by_hand():
    # Resamples of {0, 1} have the means 0, 1/2, 1 with the odds 1/4, 1/2, 1/4: the 2.5 % point is 0 and the 97.5 % 1.
    found = difference([[0.0, 1.0]], [[0.0]], resamples=10_000)
    assert (found.value, found.lower, found.upper) == (0.5, 0.0, 1.0)


def test_the_interval_is_that_of_all_resamples():
    ours, theirs = [0.1, 0.4, 0.5, 0.7], [0.2, 0.3, 0.9]
    of_ours = [iqm(drawn) for drawn in itertools.product(ours, repeat=4)]
    of_theirs = [iqm(drawn) for drawn in itertools.product(theirs, repeat=3)]
    exact = np.quantile(np.subtract.outer(of_ours, of_theirs), (0.025, 0.975))
    found = difference([ours], [theirs])
    assert [found.lower, found.upper] == pytest.approx(exact, abs=0.01)


def test_each_task_keeps_its_number_of_runs():
    # Were runs drawn from both tasks together, resamples would differ; drawn within each, none does.
    found = difference([[0.0] * 4, [1.0] * 4], [[0.0]])
    assert found.lower == found.upper == found.value == 0.5


def test_a_seed_gives_the_same_interval():
    scores = [(np.arange(12.0) ** 2).tolist()], [(np.arange(11.0) ** 3).tolist()]
    assert difference(*scores, resamples=500) == difference(*scores, resamples=500)
    assert difference(*scores, resamples=500) != difference(*scores, resamples=500, seed=1)
