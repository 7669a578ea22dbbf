"""How observations become the inputs of a network: in torch, and as what a kernel needs to know."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from gymnasium import spaces
from torch import Tensor, nn

from reactvec.port_types import port_type

from .checks import ConfigError
from .kernels.encoder import reads
from .observations import Space, Tensors

if TYPE_CHECKING:
    from .kernels.encoder import Mask, Part


class Leaf(NamedTuple):
    """An array within an observation: where it lies in nested values, its space, and where in a row of the port."""

    path: tuple[Any, ...]
    space: Space
    at: int  # byte
    dtype: np.dtype[Any]

    @property
    def is_image(self) -> bool:
        """Whether it has three axes, as images and stacks of frames do."""
        return isinstance(self.space, spaces.Box) and len(self.space.shape) == 3

    def of(self, observation: Tensors) -> Tensor:
        """This array, of a batch of observations."""
        for key in self.path:
            observation = observation[key]
        assert isinstance(observation, Tensor)
        return observation


def _leaves(space: Space, dtype: np.dtype[Any], at: int, path: tuple[Any, ...] = ()) -> Iterator[Leaf]:
    if isinstance(space, spaces.Dict | spaces.Tuple):
        inside = space.spaces.items() if isinstance(space, spaces.Dict) else enumerate(space.spaces)
        assert dtype.fields is not None
        for (key, part), (field, offset, *_) in zip(inside, dtype.fields.values(), strict=True):
            yield from _leaves(part, field, at + offset, (*path, key))
    else:
        yield Leaf(path, space, at, dtype)


class Inputs:
    """What a network sees of observations of `space`: `images`, all else as `features` in one row, and a `mask`.

    The mask is the entry `mask_key` of a Dict; it says which actions are possible, and is no feature. With
    `flat_images`, images are features like all numbers.

    Raises:
        ConfigError: no entry has that key, or the built-in network cannot read some entry.
    """

    def __init__(self, space: Space, *, mask_key: str | None = None, flat_images: bool = False) -> None:
        self.space = space
        dtype = np.dtype(port_type(space)[1])
        if dtype.hasobject:
            raise _unreadable(space)
        found = list(_leaves(space, dtype, 0))
        masks = [leaf for leaf in found if leaf.path == (mask_key,)]
        if mask_key is not None and not masks:
            raise ConfigError(f"action_mask={mask_key!r}, but {space} is no Dict with such an entry")
        self.mask = masks[0] if masks else None
        self.images = [leaf for leaf in found if leaf.is_image and not flat_images and leaf is not self.mask]
        self.flat = [leaf for leaf in found if leaf is not self.mask and leaf not in self.images]
        self.features = sum(_width(leaf.space) for leaf in self.flat)

    def __call__(self, observation: Tensors) -> Tensor:
        """The features, float32 `[n, features]`: categories one-hot, bytes scaled to [0, 1]."""
        encoded = [_encode(leaf.space, leaf.of(observation)) for leaf in self.flat]
        if len(encoded) == 1:
            return encoded[0]
        return torch.cat(encoded, 1) if encoded else torch.empty(0, 0)

    @property
    def is_number(self) -> npt.NDArray[np.bool_]:
        """Which features are numbers; the others say which category it is. `[features]`"""
        kinds = [np.full(_width(leaf.space), isinstance(leaf.space, spaces.Box)) for leaf in self.flat]
        return np.concatenate([np.empty(0, np.bool_), *kinds])

    def parts(self) -> list[Part]:
        """What `__call__` does with a row of the port, part by part; ValueError where a kernel cannot do it."""
        if self.images:
            raise ValueError("observations are images")
        return [part for leaf in self.flat for part in _parts(leaf)]

    def mask_part(self) -> Mask | None:
        """Where the mask lies in a row of the port; ValueError where a kernel cannot read it."""
        if self.mask is None:
            return None
        base = self.mask.dtype.base
        if not reads(base):
            raise ValueError(f"a mask of dtype {base} has no kernel")
        return base, self.mask.at, math.prod(self.mask.space.shape or ())


def _width(space: Space) -> int:
    """How many features an array of `space` becomes."""
    if isinstance(space, spaces.Discrete):
        return int(space.n)
    if isinstance(space, spaces.MultiDiscrete):
        return int(space.nvec.sum())
    if isinstance(space, spaces.Box | spaces.MultiBinary):
        return math.prod(space.shape)
    raise _unreadable(space)


def _unreadable(space: Space) -> ConfigError:
    return ConfigError(f"the built-in network cannot read {space}; pass model=, a callable that makes one that can")


def _encode(space: Space, values: Tensor) -> Tensor:
    if isinstance(space, spaces.Discrete):
        return nn.functional.one_hot(values.long() - int(space.start), int(space.n)).float()
    flat = values.reshape(values.shape[0], -1)  # no len(), which an export would take for a constant
    if isinstance(space, spaces.MultiDiscrete):
        sizes, starts = space.nvec.reshape(-1).tolist(), np.broadcast_to(space.start, space.shape).reshape(-1)
        columns = zip(flat.long().unbind(1), sizes, starts.tolist(), strict=True)
        return torch.cat([nn.functional.one_hot(column - start, n).float() for column, n, start in columns], 1)
    return flat.float() / 255 if flat.dtype == torch.uint8 else flat.float()


def _parts(leaf: Leaf) -> Iterator[Part]:
    space, base = leaf.space, leaf.dtype.base
    if not reads(base):
        raise ValueError(f"observations of dtype {base} have no kernel")
    if isinstance(space, spaces.Discrete):
        yield base, leaf.at, 1, int(space.n), int(space.start), 1.0
    elif isinstance(space, spaces.MultiDiscrete):
        starts = np.broadcast_to(space.start, space.shape).reshape(-1).tolist()
        for k, (n, start) in enumerate(zip(space.nvec.reshape(-1).tolist(), starts, strict=True)):
            yield base, leaf.at + k * base.itemsize, 1, n, start, 1.0
    else:
        divisor = 255.0 if isinstance(space, spaces.Box) and base == np.uint8 else 1.0
        yield base, leaf.at, math.prod(space.shape or ()), 0, 0, divisor
