from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from gymnasium import spaces
from gymnasium.vector.utils import concatenate, create_empty_array
from hypothesis import given
from hypothesis import strategies as st

from reactvec.port_types import copied, port_type, row_writer, unpack, unpack_row
from tests.sample_envs import SPACES
from tests.vector_env.oracle import same

LEAVES = st.one_of(
    st.builds(
        lambda shape, dtype: spaces.Box(0, 100, shape, dtype),
        st.lists(st.integers(1, 3), max_size=3).map(tuple),
        st.sampled_from([np.float32, np.float64, np.uint8, np.int16]),
    ),
    st.builds(spaces.Discrete, st.integers(1, 9), start=st.integers(-5, 5)),
    st.builds(spaces.MultiDiscrete, st.lists(st.integers(1, 5), min_size=1, max_size=3)),
    st.builds(spaces.MultiBinary, st.integers(1, 4)),
)
TREES = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.dictionaries(st.text(max_size=3), inner, min_size=1, max_size=3).map(spaces.Dict),
        st.lists(inner, min_size=1, max_size=3).map(spaces.Tuple),
    ),
    max_leaves=6,
)


def store(space: Any, values: list[Any]) -> Any:
    shape, dtype = port_type(space)
    rows = np.zeros((len(values), *shape), dtype)
    write = row_writer(space)
    for index, value in enumerate(values):
        write(rows, index, value)
    return rows


@given(TREES, st.integers(1, 4))
def test_a_port_batches_as_gymnasium_does(space: Any, number: int) -> None:
    space.seed(0)
    values = [space.sample() for _ in range(number)]
    rows = store(space, values)
    expected = concatenate(space, values, create_empty_array(space, number))
    assert same(copied(unpack(space, rows)), expected)
    for value, row in zip(values, rows, strict=True):
        assert same(store(space, [unpack_row(space, row)])[0], store(space, [value])[0])


def test_copies_are_contiguous_and_views_are_views() -> None:
    space = SPACES["nested"]
    rows = store(space, [space.sample() for _ in range(3)])
    view, copy = unpack(space, rows)["x"][0]["y"], copied(unpack(space, rows))["x"][0]["y"]
    assert np.shares_memory(view, rows)
    assert not np.shares_memory(copy, rows)
    assert copy.flags.c_contiguous


@pytest.mark.parametrize("name", ["text", "sequence", "dict_of_text"])
def test_what_has_no_fixed_size_is_an_object(name: str) -> None:
    space = SPACES[name]
    assert port_type(space) == ((), np.dtype(object))
    value = space.sample()
    assert store(space, [value])[0] is value


@pytest.mark.parametrize(
    ("value", "error"),
    [(np.zeros(2, np.float32), ValueError), (np.zeros((1, 3)), ValueError), (1.0, ValueError), (["a"] * 3, TypeError)],
)
def test_values_that_do_not_fit(value: Any, error: type[Exception]) -> None:
    with pytest.raises(error):
        store(spaces.Box(-1, 1, (3,), np.float32), [value])
    with pytest.raises(TypeError):
        store(spaces.Discrete(3), [1.5])
