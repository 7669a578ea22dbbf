"""How observations become the inputs of a network: in torch, and as what a kernel needs to know."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
import torch
from gymnasium import spaces
from torch import Tensor, nn

from reactvec.port_types import port_type

from .checks import ConfigError
from .kernels.actor_critic import reads
from .observations import Space, Tensors

if TYPE_CHECKING:
    from .kernels.actor_critic import Part


def features(space: Space) -> int:
    """How many numbers `encode` makes of one observation; ConfigError where it cannot."""
    if isinstance(space, spaces.Dict):
        return sum(features(part) for part in space.spaces.values())
    if isinstance(space, spaces.Tuple):
        return sum(features(part) for part in space.spaces)
    if isinstance(space, spaces.Discrete):
        return int(space.n)
    if isinstance(space, spaces.MultiDiscrete):
        return int(space.nvec.sum())
    if isinstance(space, spaces.Box | spaces.MultiBinary):
        return math.prod(space.shape)
    raise ConfigError(f"the built-in network cannot read {space}; pass model=, a callable that makes one that can")


def encode(space: Space, observation: Tensors) -> Tensor:
    """Flatten observations into float32 `[n, features]`: categories one-hot, bytes scaled to [0, 1]."""
    if isinstance(space, spaces.Dict):
        assert isinstance(observation, dict)
        return torch.cat([encode(part, observation[key]) for key, part in space.spaces.items()], 1)
    if isinstance(space, spaces.Tuple):
        return torch.cat([encode(part, observation[i]) for i, part in enumerate(space.spaces)], 1)  # type: ignore[index]
    assert isinstance(observation, Tensor)
    if isinstance(space, spaces.Discrete):
        return nn.functional.one_hot(observation.long() - int(space.start), int(space.n)).float()
    flat = observation.reshape(observation.shape[0], -1)  # no len(), which an export would take for a constant
    if isinstance(space, spaces.MultiDiscrete):
        sizes, starts = space.nvec.reshape(-1).tolist(), np.broadcast_to(space.start, space.shape).reshape(-1)
        columns = zip(flat.long().unbind(1), sizes, starts.tolist(), strict=True)
        return torch.cat([nn.functional.one_hot(column - start, n).float() for column, n, start in columns], 1)
    return flat.float() / 255 if flat.dtype == torch.uint8 else flat.float()


def encoded_parts(space: Space) -> list[Part]:
    """What `encode` does with a row of a port of `space`, part by part; ValueError where a kernel cannot do it."""
    return list(_parts(space, np.dtype(port_type(space)[1]), 0))


def _parts(space: Space, dtype: np.dtype[np.generic], at: int) -> Iterator[Part]:
    """The parts of a space whose values begin at byte `at` of a row."""
    if isinstance(space, spaces.Dict | spaces.Tuple):
        inside = space.spaces.values() if isinstance(space, spaces.Dict) else space.spaces
        assert dtype.fields is not None
        for part, (_, (field, offset, *_)) in zip(inside, dtype.fields.items(), strict=True):
            yield from _parts(part, field, at + offset)
        return
    base = dtype.base
    if not reads(base):
        raise ValueError(f"observations of dtype {base} have no kernel")
    if isinstance(space, spaces.Discrete):
        yield base, at, 1, int(space.n), int(space.start), 1.0
    elif isinstance(space, spaces.MultiDiscrete):
        starts = np.broadcast_to(space.start, space.shape).reshape(-1).tolist()
        for k, (n, start) in enumerate(zip(space.nvec.reshape(-1).tolist(), starts, strict=True)):
            yield base, at + k * base.itemsize, 1, n, start, 1.0
    else:
        divisor = 255.0 if isinstance(space, spaces.Box) and base == np.uint8 else 1.0
        yield base, at, math.prod(space.shape or ()), 0, 0, divisor
