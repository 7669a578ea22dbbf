"""Observations on their way between the values of a space, the rows of a port, and tensors."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any, TypeAlias

import gymnasium as gym
import numpy as np
import numpy.typing as npt
import torch
from gymnasium import spaces
from torch import Tensor

from reactvec.port_types import port_type, unpack

Array: TypeAlias = "npt.NDArray[Any]"
Space: TypeAlias = "gym.Space[Any]"
Tensors: TypeAlias = "Tensor | dict[str, Tensors] | tuple[Tensors, ...]"


def write_rows(space: Space, rows: Array, values: Any) -> None:
    """Copy batched values, nested like `space`, into rows of a port `[n, ...]`."""
    _copy(unpack(space, rows), values)


def _copy(target: Any, values: Any) -> None:
    if isinstance(target, dict):
        for key, part in target.items():
            _copy(part, values[key])
    elif isinstance(target, tuple):
        for part, value in zip(target, values, strict=True):
            _copy(part, value)
    elif len(target) > 1 and isinstance(values, np.ndarray) and values.shape != target.shape:
        raise ValueError(f"these are of shape {values.shape}, not {target.shape}")
    else:
        target[...] = values


def as_rows(space: Space, values: Any) -> tuple[Array, bool]:
    """One observation or a batch of them as rows `[n, ...]`, and whether it was one; told apart by shape.

    Raises:
        ValueError: the values are neither an observation of `space` nor a batch of them.
    """
    part, leaf = space, values
    try:
        while isinstance(part, spaces.Dict | spaces.Tuple):
            key = next(iter(part.spaces)) if isinstance(part, spaces.Dict) else 0
            part, leaf = part[key], leaf[key]  # type: ignore[index]
        shape, own = np.shape(leaf), part.shape or ()
        if shape not in (own, (shape[0] if shape else 0, *own)):
            raise ValueError(f"its shape is {shape}, not {own} or (n, {', '.join(map(str, own))})")
        port_shape, dtype = port_type(space)
        single = shape == own
        rows = np.zeros((1 if single else shape[0], *port_shape), dtype)
        write_rows(space, rows, values)
    except (ValueError, TypeError, KeyError, IndexError) as error:
        raise ValueError(f"this is neither an observation of {space} nor a batch of them: {error}") from None
    return rows, single


def sample_rows(space: Space) -> Array:
    """Two rows of a port `[2, ...]` of an observation of `space`, always the same; its generator is not moved."""
    source = copy.deepcopy(space)
    source.seed(0)
    return np.repeat(as_rows(space, source.sample())[0], 2, axis=0)


def is_finite(space: Space, rows: Array) -> npt.NDArray[np.bool_]:
    """Which rows of a port, of any leading axes `[...]`, hold finite numbers alone."""
    leading = rows.ndim - len(port_type(space)[0])
    good = np.ones(rows.shape[:leading], np.bool_)
    for array in _arrays(unpack(space, rows)):
        if array.dtype.kind == "f":
            good &= np.isfinite(array).all(tuple(range(leading, array.ndim)))
    return good


def _arrays(values: Any) -> Iterator[Array]:
    if isinstance(values, dict | tuple):
        for part in values.values() if isinstance(values, dict) else values:
            yield from _arrays(part)
    else:
        yield values


def as_tensors(space: Space, rows: Array, device: str = "cpu") -> Tensors:
    """Copy rows of a port `[n, ...]` into tensors nested like `space`, each `[n, *shape]` of
    its own dtype.
    """

    def copy(part: Any) -> Tensors:
        if isinstance(part, dict):
            return {key: copy(value) for key, value in part.items()}
        if isinstance(part, tuple):
            return tuple(copy(value) for value in part)
        return torch.from_numpy(np.array(part)).to(device)

    return copy(unpack(space, rows))
