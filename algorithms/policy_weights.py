"""The weights by which a policy acts: copies of the learner's, brought by a port, packed or in torch's order."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from reactvec import InputPort, Reactor, present
from reactvec.port_types import PortType

from .checks import why_not_finite
from .inference import BlockInference, PackedNet
from .kernels.acting import ActingKernel
from .observations import Space, is_finite
from .parameters import FlatParameters

Array = npt.NDArray[Any]


class WeightedPolicy(Reactor):
    """A policy that acts by weights of its own until others arrive at its port `weights`."""

    weights = InputPort(dtype=np.float32)

    def load(self, flat: Array) -> None:
        """Act by these weights, in torch's order, from now on."""
        carried = np.zeros(self.weights.shape, np.float32)
        self.send(flat, carried)
        self.act_by(carried)

    @abstractmethod
    def send(self, flat: Array, weights: Array) -> None:
        """Write weights, in torch's order, as the port carries them."""

    @abstractmethod
    def acting(self) -> Array:
        """A copy of the weights that are acted by, as the port carries them."""

    @abstractmethod
    def act_by(self, weights: Array) -> None:
        """The inverse of `acting`."""


def not_finite(space: Space, obs: Array, steps: int | None = None) -> FloatingPointError:
    """What says that a policy makes nothing of these observations, after so many environment steps, and why."""
    why = why_not_finite(np.flatnonzero(~is_finite(space, obs)).tolist())
    when = "" if steps is None else f" after {steps} environment steps"
    return FloatingPointError(f"the actor's outputs are not finite{when}: {why}")


ARRIVED: tuple[Any, ...] = (WeightedPolicy.weights, present(WeightedPolicy.weights))
"""What a reaction reads that takes over new weights: these, and whether they are there."""


class PackedPolicy(WeightedPolicy):
    """Acts by a kernel; the port carries weights in the packed layout of `net`."""

    net: PackedNet
    kernel: ActingKernel

    def send(self, flat: Array, weights: Array) -> None:
        """See WeightedPolicy."""
        self.net.pack(flat, weights)

    def acting(self) -> Array:
        """See WeightedPolicy."""
        return self.kernel.acting_by()

    def act_by(self, weights: Array) -> None:
        """See WeightedPolicy."""
        self.kernel.begin_with(weights)


class TorchWeightedPolicy(WeightedPolicy):
    """Acts by one inference in torch per tag; the port carries weights in torch's order, those of `parameters`.

    `tags` counts how often it has acted.
    """

    saved: ClassVar[tuple[str, ...]] = ("tags",)

    def __init__(self, parameters: FlatParameters, inference: BlockInference, **port_types: PortType) -> None:
        super().__init__(bank=None, weights=((parameters.values.numel(),), np.float32), **port_types)
        self.parameters, self.inference, self.tags = parameters, inference, 0

    def take_over(self, weights: Array, fresh: Array) -> None:
        """Act by weights that have arrived, if any have."""
        if fresh.any():
            self.parameters.load(weights)

    def send(self, flat: Array, weights: Array) -> None:
        """See WeightedPolicy."""
        weights[...] = flat

    def acting(self) -> Array:
        """See WeightedPolicy."""
        return self.parameters.numpy().copy()

    def act_by(self, weights: Array) -> None:
        """See WeightedPolicy."""
        self.parameters.load(weights)
