"""How values of a Gymnasium space lie in a port: which shape and dtype, how to write one row, how to read many."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import gymnasium as gym
import numpy as np
import numpy.typing as npt
from gymnasium import spaces

from reactvec.topology import PortType as PortType

Array: TypeAlias = "npt.NDArray[Any]"
Writer: TypeAlias = Callable[[Array, int, Any], None]

ARRAYS = (spaces.Box, spaces.Discrete, spaces.MultiDiscrete, spaces.MultiBinary)


def port_type(space: gym.Space[Any]) -> PortType:
    """The shape and dtype of a port that carries values of `space`.

    Box, Discrete, MultiDiscrete and MultiBinary keep their own. Dict and Tuple become a structured dtype with fields
    f0, f1, ... in the order of the space, nested as the space is. Whatever else is inside makes it `object`.
    """
    if isinstance(space, ARRAYS):
        assert space.shape is not None
        return space.shape, space.dtype
    dtype = _field_type(space)
    return (), np.dtype(object) if dtype is None else dtype


def _field_type(space: gym.Space[Any]) -> np.dtype[Any] | None:
    if isinstance(space, ARRAYS):
        return np.dtype((space.dtype, space.shape))
    if not isinstance(space, spaces.Dict | spaces.Tuple):
        return None
    fields = [_field_type(part) for part in _parts(space)]
    if any(field is None for field in fields):  # not `None in fields`: NumPy takes None for float64
        return None
    return np.dtype([(f"f{index}", field) for index, field in enumerate(fields)], align=True)


def _parts(space: spaces.Dict | spaces.Tuple[Any]) -> list[gym.Space[Any]]:
    return list(space.spaces.values() if isinstance(space, spaces.Dict) else space.spaces)


def unpack(space: gym.Space[Any], values: Array) -> Any:
    """The values `[N, ...]` of a port as Gymnasium batches them: an array, or a dict or tuple of views into it."""
    if isinstance(space, spaces.Dict):
        return {key: unpack(part, values[f"f{index}"]) for index, (key, part) in enumerate(space.spaces.items())}
    if isinstance(space, spaces.Tuple):
        return tuple(unpack(part, values[f"f{index}"]) for index, part in enumerate(space.spaces))
    return values


def unpack_row(space: gym.Space[Any], value: Array) -> Any:
    """One row of a port as a value of the space: arrays and NumPy scalars of its own, not views."""
    if isinstance(space, spaces.Dict):
        return {key: unpack_row(part, value[f"f{index}"]) for index, (key, part) in enumerate(space.spaces.items())}
    if isinstance(space, spaces.Tuple):
        return tuple(unpack_row(part, value[f"f{index}"]) for index, part in enumerate(space.spaces))
    return value[()] if value.ndim == 0 else value.copy()


def copied(batch: Any) -> Any:
    """A copy of what `unpack` gave, each array contiguous."""
    if isinstance(batch, dict):
        return {key: copied(part) for key, part in batch.items()}
    if isinstance(batch, tuple):
        return tuple(copied(part) for part in batch)
    return batch.copy()


def assign(batch: Any, values: Any) -> None:
    """Copy what `unpack` gave into another one of the same space."""
    if isinstance(batch, dict):
        for key in batch:
            assign(batch[key], values[key])
    elif isinstance(batch, tuple):
        for part, value in zip(batch, values, strict=True):
            assign(part, value)
    else:
        batch[...] = values


def row_writer(space: gym.Space[Any]) -> Writer:
    """A function `write(rows, index, value)` that stores a value of `space` in a port.

    It raises ValueError for a wrong shape and TypeError for a dtype that does not cast safely within its kind, where
    Gymnasium's `concatenate` would.
    """
    shape, dtype = port_type(space)
    if np.dtype(dtype) == object:
        return _write_object
    if isinstance(space, spaces.Dict):
        return _write_fields([(key, row_writer(part)) for key, part in space.spaces.items()])
    if isinstance(space, spaces.Tuple):
        return _write_fields([(index, row_writer(part)) for index, part in enumerate(space.spaces)])
    return _write_array(tuple(shape), np.dtype(dtype))


def _write_object(rows: Array, index: int, value: Any) -> None:
    rows[index : index + 1].fill(value)  # an assignment would spread a sequence over the row


def _write_fields(writers: list[tuple[Any, Writer]]) -> Writer:
    def write(rows: Array, index: int, value: Any) -> None:
        for field, (key, write_part) in enumerate(writers):
            write_part(rows[f"f{field}"], index, value[key])

    return write


def _write_array(shape: tuple[int, ...], dtype: np.dtype[Any]) -> Writer:
    def write(rows: Array, index: int, value: Any) -> None:
        if type(value) is np.ndarray and value.dtype is dtype and value.shape == shape:
            rows[index] = value
            return
        array = np.asarray(value)
        if array.shape != shape:
            raise ValueError(f"an observation of shape {array.shape} does not fit the space's shape {shape}")
        np.copyto(rows[index, ...], array, casting="same_kind")

    return write
