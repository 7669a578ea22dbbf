"""Values over time."""

import math

import pytest

from reactvec.algorithms.piecewise import Piecewise, as_ramp


def test_a_number_is_constant():
    ramp = Piecewise.of(0.3, 100)
    assert [ramp.at(step) for step in (0, 50, 1000)] == [0.3, 0.3, 0.3]


def test_fractions_of_the_whole():
    ramp = Piecewise.of(((0.0, 1.0), (0.5, 0.0)), 1000)
    assert [ramp.at(step) for step in (0, 125, 250, 500, 2000)] == [1.0, 0.75, 0.5, 0.0, 0.0]


def test_steps():
    ramp = Piecewise.of(((10, 0.0), (20, 1.0), (30, 0.0)), 1000)
    assert [ramp.at(step) for step in (0, 10, 15, 20, 25, 30)] == [0.0, 0.0, 0.5, 1.0, 0.5, 0.0]


@pytest.mark.parametrize(
    "value", [[], [(1, 0), (0, 1)], [(-1, 0)], "x", None, True, [(1, 2, 3)], [(0, 1), (math.nan, 2)], [(math.nan, 1)]]
)
def test_nonsense(value):
    with pytest.raises(ValueError, match=r"neither a number|must ascend"):
        as_ramp(value)
