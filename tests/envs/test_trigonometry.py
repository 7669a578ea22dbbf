"""sin and cos in blocks against NumPy's scalars, bit by bit."""

import numpy as np
import pytest

from reactvec.envs._trigonometry import tables

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


@pytest.mark.parametrize("proven", [False, True])
def test_odd_angles(proven):
    angles = np.array(ODD)
    with np.errstate(invalid="ignore"):
        expected = [[function(angle) for angle in angles] for function in (np.sin, np.cos)]
    assert_same_bits(tables(angles, proven), expected)


@pytest.mark.parametrize("proven", [False, True])
@pytest.mark.parametrize("scale", [1e-9, 1e-3, 0.03, 0.1, 0.3, 3.0])
def test_a_block_has_the_bits_of_single_numbers(scale, proven):
    angles = np.random.default_rng(3).normal(scale=scale, size=3001)
    expected = [[function(angle) for angle in angles] for function in (np.sin, np.cos)]
    assert_same_bits(tables(angles, proven), expected)


@pytest.mark.parametrize("bound", [2.0**-20, 0.01, 0.126, 0.22, 0.31])
def test_what_is_proven_is_what_numpy_gives(bound):
    angles = np.random.default_rng(4).uniform(-bound, bound, size=1_000_000)
    assert_same_bits(tables(angles, True), [np.sin(angles), np.cos(angles)])


@pytest.mark.parametrize("power", range(2, 30, 3))
def test_around_powers_of_two(power):
    """Where the spacing of doubles changes, and with it what half a unit in the last place is."""
    near = 2.0**-power * (1 + np.arange(-5000, 5000) * 2.0**-52)
    angles = np.concatenate([near, np.arcsin(near), -near])
    assert_same_bits(tables(angles, True), [np.sin(angles), np.cos(angles)])
