from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from reactvec.algorithms.kernels.acting import ActingKernel
from reactvec.algorithms.kernels.encoder import Mask, Part
from reactvec.algorithms.kernels.head import HeadKernel

F32 = npt.NDArray[np.float32]

class ActorCriticKernel:
    """An actor and a critic, fully connected, over the rows of an observation port of `row_dtype`.

    `parts` says what a row becomes; `hiddens` are the widths of both networks; with `normalized`, inputs are (x - mean)
    * scale, at most 10 away from 0. Weights are float32 `[size]`, packed as actor_critic.h says, or `[flat_size]`, in
    the order of torch's `ActorCritic`: logarithms of deviations, actor, critic, means, scales.

    `mask` says where a row has zeros for the categories that are impossible.

    Raises:
        ValueError: more layers or parts than a kernel has, or a mask that does not fit the head.
    """

    size: int
    flat_size: int
    features: int
    row_dtype: np.dtype[Any]

    def __init__(
        self,
        parts: Sequence[Part],
        row_dtype: npt.DTypeLike,
        hiddens: Sequence[int],
        activation: str,
        head: HeadKernel,
        normalized: bool,
        mask: Mask | None = None,
        *,
        variant: str | None = None,
    ) -> None: ...
    @property
    def trained(self) -> int:
        """How many of the packed weights, the first ones, are learned by gradients."""

    def pack(self, flat: F32, packed: F32) -> None:
        """From torch's order to the packed one; ValueError for other shapes."""

    def unpack(self, packed: F32, flat: F32) -> None:
        """The inverse of `pack`."""

    def forward(self, packed: F32, rows: npt.NDArray[Any]) -> F32:
        """Outputs for the head and, in the last column, values: `[n, outputs + 1]`, for contiguous rows of the port."""

class PolicyKernel(ActingKernel):
    """The policy of a bank of `rows` environments: what `acting.TorchPolicy` does, in kernels without Python.

    A rollout is `length` tags and begins at tag `begin`; `tags_before` steps were taken by the runs that this one
    resumes. Where the rows are `whole`, one reactor that is no bank has all of them.
    """

    def __init__(
        self, net: ActorCriticKernel, rows: int, length: int, begin: int, tags_before: int, whole: bool
    ) -> None: ...
    def act(self) -> object:
        """The kernel from obs, weights and their presence to choice, action, log_prob and value."""

    def value_ends(self) -> object:
        """The kernel from next_obs, final_obs, terminated and truncated to end_value."""
