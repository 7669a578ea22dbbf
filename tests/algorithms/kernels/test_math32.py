"""exp, log, tanh and the logistic function against float64, over numbers of every size."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from reactvec.algorithms.kernels import dense

# Every 4,001st float32 there is: both signs, denormal numbers, infinities, NaNs.
NUMBERS = np.arange(0, 2**32, 4001, dtype=np.uint64).astype(np.uint32).view(np.float32)
EDGES = [
    0.0,
    -0.0,
    1e-45,
    -1e-45,
    1.1754944e-38,
    88.72283,
    88.72284,
    -87.3,
    -103.9,
    -104.0,
    0.625,
    9.1,
    3.4e38,
    -3.4e38,
]
ODD = np.array([*EDGES, np.inf, -np.inf, np.nan], np.float32)
EXACT = {
    "exp": np.exp,
    "log": np.log,
    "tanh": np.tanh,
    "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
}
# In units of the last place, and absolute where that is more: the logistic function is 0 below -88.7.
BOUNDS = {"exp": (1.5, 0.0), "log": (1.5, 0.0), "tanh": (1.5, 0.0), "sigmoid": (3.0, 1e-38)}

every = pytest.mark.parametrize("function", dense.FUNCTIONS)
variants = pytest.mark.parametrize("variant", dense.variants())


def exact(function: str, numbers: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
    with np.errstate(all="ignore"):
        return np.asarray(EXACT[function](numbers.astype(np.float64)), np.float64)


@every
@variants
@pytest.mark.parametrize("numbers", [NUMBERS, ODD, np.linspace(-20, 20, 100_001, dtype=np.float32)])
def test_is_exact_to_the_last_place(function: str, variant: str, numbers: npt.NDArray[np.float32]) -> None:
    got, expected = dense.evaluate(function, numbers, variant=variant), exact(function, numbers)
    with np.errstate(over="ignore"):
        nearest = expected.astype(np.float32)
    np.testing.assert_array_equal(np.isnan(got), np.isnan(nearest))
    differ = (got != nearest) & ~np.isnan(nearest)
    places, absolute = BOUNDS[function]
    allowed = np.maximum(places * np.spacing(np.abs(nearest[differ])).astype(np.float64), absolute)
    assert (np.abs(got[differ] - expected[differ]) <= allowed).all()


@every
@variants
def test_a_number_has_the_bits_that_it_has_among_others(function: str, variant: str) -> None:
    numbers = np.random.default_rng(1).normal(scale=5, size=67).astype(np.float32)
    alone = [dense.evaluate(function, number, variant=variant)[0] for number in numbers]
    assert dense.evaluate(function, numbers, variant=variant).tobytes() == np.array(alone).tobytes()
