"""Inference whose bits do not depend on how many rows are asked for: in torch, or by a network's kernel."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from reactvec.port_types import port_type

from .observations import Array, Space, as_tensors

F32 = npt.NDArray[np.float32]


class Inference(Protocol):
    """Makes outputs `[n, ...]` of observations, rows of a port `[n, ...]`."""

    def refresh(self) -> None:
        """Take over the learner's weights."""

    def __call__(self, observations: Array) -> F32:
        """Outputs for all rows."""


def block_rows(space: Space, num_envs: int) -> int:
    """Rows of a block in which that many environments fit well."""
    shape, dtype = port_type(space)
    most = 32 if np.dtype(dtype).itemsize * math.prod(shape) <= 1 << 14 else 16
    return next((rows for rows in (1, 8, 16) if num_envs <= rows), most)


class PackedNet(Protocol):
    """The kernel of a network, whose weights are float32 `[size]`, packed, or `[flat_size]`, in torch's order."""

    @property
    def size(self) -> int:
        """Floats of packed weights."""

    def pack(self, flat: npt.NDArray[np.float32], packed: npt.NDArray[np.float32]) -> None:
        """From torch's order to the packed one."""

    def forward(self, packed: npt.NDArray[np.float32], rows: Array) -> npt.NDArray[np.float32]:
        """Outputs `[n, outputs]` for contiguous rows of the port `[n, ...]`."""


class BlockInference:
    """Runs a module over blocks of exactly `rows` rows, the last one padded by its first; zeros may be no observation.

    A matrix product of another number of rows would have other low bits.
    """

    def __init__(self, module: nn.Module, space: Space, rows: int, device: str) -> None:
        self.module, self.space, self.device, self.rows = module, space, device, rows
        shape, dtype = port_type(space)
        self._block = np.zeros((self.rows, *shape), dtype)
        plain = self._block.dtype.names is None and device == "cpu"
        self._tensor = torch.from_numpy(self._block) if plain else None

    def refresh(self) -> None:
        """Nothing: the module's weights are looked at anew each time."""

    def __call__(self, observations: Array) -> npt.NDArray[np.float32]:
        """Outputs `[n, ...]` float32 for observations `[n, *shape]`, n at least 1."""
        if len(observations) <= self.rows:
            return self._run(observations)
        starts = range(0, len(observations), self.rows)
        return np.concatenate([self._run(observations[start : start + self.rows]) for start in starts])

    def _run(self, observations: Array) -> npt.NDArray[np.float32]:
        count = len(observations)
        self._block[:count] = observations
        if count < self.rows:
            self._block[count:] = self._block[0]
        with torch.inference_mode():
            block = as_tensors(self.space, self._block, self.device) if self._tensor is None else self._tensor
            outputs: npt.NDArray[np.float32] = self.module(block)[:count].cpu().numpy()
        return outputs


class KernelInference:
    """Outputs of a network's kernel, by what `weights` returns, in torch's order."""

    def __init__(self, net: PackedNet, weights: Callable[[], F32]) -> None:
        self.net, self.weights = net, weights
        self.packed = np.zeros(net.size, np.float32)

    def refresh(self) -> None:
        """Take over the weights."""
        self.net.pack(self.weights(), self.packed)

    def __call__(self, observations: Array) -> F32:
        """Outputs `[n, outputs]` for rows of the port `[n, ...]`, n at least 1."""
        return self.net.forward(self.packed, np.ascontiguousarray(observations))
