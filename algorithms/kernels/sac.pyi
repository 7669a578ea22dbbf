from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from reactvec.algorithms.kernels.actor import ActorKernel
from reactvec.algorithms.kernels.descent import DescentKernel

F32 = npt.NDArray[np.float32]
Array = npt.NDArray[Any]

class SACNetworks:
    """The weights of an actor, of `critics` critics with layers of the same widths, and of alpha: float32 `[size]`,
    packed, or `[flat_size]`, in the order of torch's `SoftActorCritic`.

    Raises:
        ValueError: more critics than a kernel has.
    """

    critics: int
    size: int
    trained: int
    flat_size: int

    def __init__(self, actor: ActorKernel, critics: int) -> None: ...
    def pack(self, flat: F32, packed: F32) -> None:
        """From torch's order to the packed one; ValueError for other shapes."""

    def unpack(self, packed: F32, flat: F32) -> None:
        """The inverse of `pack`."""

class SACKernel(DescentKernel):
    """The losses of SAC and their derivatives by hand, and the gradient steps (sac.h), after each of which the target
    critics, which it owns as well, move by `tau`.

    `luck` is the key of the draws of actions.
    """

    def __init__(
        self,
        nets: SACNetworks,
        minibatch: int,
        *,
        target_entropy: float,
        tau: float,
        grad_clip: float | None,
        eps: float,
        luck: int,
    ) -> None: ...
    def load_target(self, flat: F32) -> None:
        """Take over the weights of the target critics, in torch's order."""

    def store_target(self, flat: F32) -> None:
        """Write them."""

    @property
    def actor_size(self) -> int:
        """Weights of the actor, in torch's order."""

    def store_actor(self, flat: F32) -> None:
        """Write the actor's weights, in torch's order."""

    def begin(
        self,
        batch: tuple[Array, F32, F32, F32, Array],
        importance: F32,
        td_errors: F32,
        *,
        lrs: Sequence[float],
        drawn: int,
    ) -> None:
        """Start on minibatches `[k, minibatch]`, a tag each: observations, actions `[k, minibatch, parts]`, returns,
        discounts and next observations. TD errors are written to `td_errors`. All are contiguous, and kept until the
        next call. `lrs` are the rates of actor, critics and alpha; `drawn` minibatches were before.

        ValueError for other types or shapes.
        """

    @property
    def sums(self) -> list[float]:
        """Of the minibatches so far: the losses of critics, of the actor and of alpha, and alpha, added up."""
