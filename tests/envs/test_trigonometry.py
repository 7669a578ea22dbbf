"""sin and cos in blocks against NumPy's scalars, bit by bit."""

import math

import numpy as np
import pytest

from reactvec.envs._trigonometry import squared, tables

ODD = [
    0.0,
    -0.0,
    5e-324,
    -5e-324,
    2.3e-308,
    1e-200,
    -1e-154,
    1e-17,
    1.1e-8,
    -(2.0**-26),
    2.0**-27,
    0.126,
    -0.126,
]
ODD += [
    0.126,
    -0.126,
    0.25,
    0.3,
    -0.3,
    np.nextafter(0.3, 1),
    0.855469,
    np.pi / 2,
    -np.pi,
    100.0,
    1e5,
    1e22,
    -1.7e308,
]
ODD += [np.inf, -np.inf, np.nan]


def assert_same_bits(got, expected):
    assert got.tobytes() == np.ascontiguousarray(expected).tobytes()


either = pytest.mark.parametrize("small", [True, False])


@either
@pytest.mark.parametrize("proven", [False, True])
def test_odd_angles(proven, small):
    angles = np.array(ODD)
    with np.errstate(invalid="ignore"):
        expected = [[function(angle) for angle in angles] for function in (np.sin, np.cos)]
    assert_same_bits(tables(angles, proven, small), expected)


@either
@pytest.mark.parametrize("proven", [False, True])
@pytest.mark.parametrize("scale", [1e-9, 1e-3, 0.03, 0.1, 0.3, 3.0, 1e3, 1e6])
def test_a_block_has_the_bits_of_single_numbers(scale, proven, small):
    angles = np.random.default_rng(3).normal(scale=scale, size=3001)
    expected = [[function(angle) for angle in angles] for function in (np.sin, np.cos)]
    assert_same_bits(tables(angles, proven, small), expected)


@either
@pytest.mark.parametrize("bound", [2.0**-20, 0.01, 0.126, 0.22, 0.31, 0.86, 3.2, 40.0, 33000.0])
def test_what_is_proven_is_what_numpy_gives(bound, small):
    angles = np.random.default_rng(4).uniform(-bound, bound, size=1_000_000)
    assert_same_bits(tables(angles, True, small), [np.sin(angles), np.cos(angles)])


@either
@pytest.mark.parametrize("power", range(-3, 30, 3))
def test_around_powers_of_two(power, small):
    """Where the spacing of doubles changes, and with it what half a unit in the last place is."""
    near = 2.0**-power * (1 + np.arange(-5000, 5000) * 2.0**-52)
    angles = np.concatenate([near, np.arcsin(np.minimum(near, 1.0)), -near])
    assert_same_bits(tables(angles, True, small), [np.sin(angles), np.cos(angles)])


@pytest.mark.parametrize("multiple", [*range(-9, 10), 100, 1001, 20000])
def test_around_multiples_of_a_quarter_turn(multiple):
    """Where an angle less the nearest multiple is all that is left, and where the nearest one changes."""
    for turn in (np.pi / 2, np.pi / 4):
        near = multiple * turn + np.concatenate([np.arange(-2000, 2000) * 2.0**-52, np.linspace(-1e-5, 1e-5, 2000)])
        assert_same_bits(tables(near, True, False), [np.sin(near), np.cos(near)])


@pytest.mark.parametrize("scale", [1e-200, 1e-4, 0.01, 1.0, 13.0, 300.0, 1e10, 1e160])
def test_squares_are_those_of_pow(scale):
    """`**` of Python's floats and of NumPy's scalars, which is not the product in a thousandth of all cases."""
    numbers = np.random.default_rng(5).normal(scale=scale, size=30_000)
    expected = np.array([math.pow(number, 2.0) for number in numbers.tolist()]) if scale < 1e150 else None
    if expected is None:
        with np.errstate(over="ignore"):
            expected = np.array([number**2 for number in numbers])
    for proven in (False, True):
        assert_same_bits(squared(numbers, proven), expected)


def test_odd_squares():
    numbers = np.array(ODD)
    with np.errstate(all="ignore"):
        expected = np.array([number**2 for number in numbers])
    assert_same_bits(squared(numbers, True), expected)
