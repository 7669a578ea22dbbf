from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from reactvec.algorithms.kernels.acting import ActingKernel
from reactvec.algorithms.kernels.encoded_mlp import EncodedMlpKernel
from reactvec.algorithms.kernels.encoder import Part
from reactvec.algorithms.kernels.head import HeadKernel

F32 = npt.NDArray[np.float32]

class ActorKernel(EncodedMlpKernel):
    """Means and logarithms of deviations, clamped, of squashed actions: fully connected, over the rows of an
    observation port of `row_dtype`.

    `parts` says what a row becomes. Weights are float32 `[size]`, packed, or `[flat_size]`, in the order of torch's
    `ActorNet`.

    Raises:
        ValueError: more layers or parts than a kernel has, or a head that does not squash.
    """

    head: HeadKernel

    def __init__(
        self,
        parts: Sequence[Part],
        row_dtype: npt.DTypeLike,
        hiddens: Sequence[int],
        activation: str,
        head: HeadKernel,
        *,
        variant: str | None = None,
    ) -> None: ...
    def forward(self, packed: F32, rows: npt.NDArray[Any]) -> F32:
        """Outputs `[n, 2 * parts]` for contiguous rows `[n, ...]` of the port."""

class SoftPolicyKernel(ActingKernel):
    """What `soft_policy.TorchSoftPolicy` does for a bank of `rows` environments, in a kernel without Python.

    In the first `random_steps` environment steps actions are uniform, and `luck` is the key of their draws. The first
    step is that of tag `begin`; so many tags and environment steps were before it.
    """

    def __init__(
        self,
        net: ActorKernel,
        rows: int,
        *,
        luck: int,
        random_steps: int,
        begin: int,
        tags_before: int,
        steps_before: int,
        whole: bool,
    ) -> None: ...
    def act(self) -> object:
        """The kernel from obs, environment steps, weights and their presence to choice and action."""
