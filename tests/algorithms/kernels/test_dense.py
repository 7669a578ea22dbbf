"""The matrix product: right to rounding, and bit by bit the same however it is cut."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reactvec.algorithms.kernels import dense

Floats = npt.NDArray[np.float32]
variants = pytest.mark.parametrize("variant", dense.variants())
sizes = st.tuples(st.integers(1, 70), st.integers(1, 70), st.integers(1, 13).map(lambda blocks: 16 * blocks))
seeds = st.integers(0, 2**32 - 1)


def matrices(seed: int, m: int, k: int, n: int) -> tuple[Floats, Floats, Floats]:
    """`a`, `b` and a start."""
    random = np.random.default_rng(seed)
    return tuple(random.normal(size=shape).astype(np.float32) for shape in ((m, k), (k, n), (m, n)))  # type: ignore[return-value]


def product(a: Floats, b: Floats, start: Floats | None, variant: str) -> Floats:
    made = np.full((len(a), b.shape[1]), np.nan, np.float32)
    dense.multiply(a, np.ascontiguousarray(b), start, made, variant=variant)
    return made


@variants
@given(sizes, seeds)
def test_is_the_product(variant: str, size: tuple[int, int, int], seed: int) -> None:
    a, b, start = matrices(seed, *size)
    exact = start.astype(np.float64) + a.astype(np.float64) @ b
    bound = 2.0**-24 * (size[1] + 1) * (np.abs(start) + np.abs(a) @ np.abs(b)).astype(np.float64)
    assert (np.abs(product(a, b, start, variant) - exact) <= bound).all()


@variants
@given(sizes, seeds, st.data())
def test_an_element_has_the_same_bits_however_the_product_is_cut(
    variant: str, size: tuple[int, int, int], seed: int, data: st.DataObject
) -> None:
    a, b, start = matrices(seed, *size)
    m, k, n = size
    whole = product(a, b, start, variant)
    first = data.draw(st.integers(0, m - 1))
    last = data.draw(st.integers(first + 1, m))
    rows = product(a[first:last], b, start[first:last], variant)
    assert rows.tobytes() == whole[first:last].tobytes()
    column = 16 * data.draw(st.integers(0, n // 16 - 1))
    some = np.s_[:, column : column + 16]
    assert product(a, b[some], start[some].copy(), variant).tobytes() == whole[some].tobytes()
    cut = data.draw(st.integers(0, k))
    for part in (np.s_[:cut], np.s_[cut:]):
        if len(b[part]):
            dense.multiply(a[:, part], b[part], start, start, variant=variant)
    assert start.tobytes() == whole.tobytes()


@variants
@given(sizes, seeds)
def test_the_left_side_may_be_transposed_and_the_start_one_row(
    variant: str, size: tuple[int, int, int], seed: int
) -> None:
    a, b, start = matrices(seed, *size)
    rows = np.repeat(start[:1], len(a), axis=0)
    expected = product(a, b, rows, variant)
    assert product(np.asfortranarray(a), b, start[:1], variant).tobytes() == expected.tobytes()
    zeros = product(a, b, np.zeros_like(start), variant)
    assert product(a, b, None, variant).tobytes() == zeros.tobytes()


def test_is_fused_where_the_processor_can() -> None:
    """(1 + 2**-12)**2 - 1 - 2**-11 is 2**-24, which a product that is rounded before it is added loses."""
    factor = 1 + 2.0**-12
    a, b = np.full((1, 1), factor, np.float32), np.full((1, 16), factor, np.float32)
    start = np.full((1, 16), -1 - 2.0**-11, np.float32)
    for variant in dense.variants():
        expected = 2.0**-24 if variant != "plain" else product(a, b, start, variant)[0, 0]
        assert (product(a, b, start, variant) == expected).all()


def test_a_refusal_says_why() -> None:
    a, b, c = (np.ones(shape, np.float32) for shape in ((3, 4), (4, 16), (3, 16)))
    with pytest.raises(ValueError, match="does not fit"):
        dense.multiply(a, b, None, c[:2])
    with pytest.raises(ValueError, match="padded to 16"):
        dense.multiply(a, b[:, :8].copy(), None, c[:, :8].copy())
    with pytest.raises(ValueError, match="start has the shape"):
        dense.multiply(a, b, c[:2], c)
    with pytest.raises(ValueError, match="cannot run the variant 'abacus'; it can run"):
        dense.multiply(a, b, None, c, variant="abacus")


@given(st.integers(0, 100))
def test_aligned_memory(size: int) -> None:
    made = dense.aligned(size)
    assert made.shape == (size,)
    assert made.ctypes.data % 64 == 0
    assert not made.any()
