from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from reactvec.algorithms.kernels.acting import ActingKernel
from reactvec.algorithms.kernels.encoded_mlp import EncodedMlpKernel
from reactvec.algorithms.kernels.encoder import Part
from reactvec.algorithms.kernels.head import HeadKernel

F32 = npt.NDArray[np.float32]

class QNetworkKernel(EncodedMlpKernel):
    """Action values, fully connected, over the rows of an observation port of `row_dtype`.

    `parts` says what a row becomes. Weights are float32 `[size]`, packed, or `[flat_size]`, in the order of torch's
    `QNetwork`; with `dueling` the last layer has the value before the advantages.

    Raises:
        ValueError: more layers or parts than a kernel has.
    """

    def __init__(
        self,
        parts: Sequence[Part],
        row_dtype: npt.DTypeLike,
        hiddens: Sequence[int],
        activation: str,
        actions: int,
        dueling: bool,
        *,
        variant: str | None = None,
    ) -> None: ...
    def forward(self, packed: F32, rows: npt.NDArray[Any]) -> F32:
        """Action values `[n, actions]` for contiguous rows `[n, ...]` of the port."""

class EpsilonGreedyKernel(ActingKernel):
    """What `epsilon_greedy.TorchEpsilonGreedy` does for a bank of `rows` environments, in a kernel without Python.

    Epsilon is linear between the points `times` and `values`, in environment steps; `luck` and `random` are the keys of
    its draws. The first step is that of tag `begin`; so many tags and environment steps were before it.
    """

    def __init__(
        self,
        net: QNetworkKernel,
        head: HeadKernel,
        rows: int,
        *,
        times: Sequence[float],
        values: Sequence[float],
        luck: int,
        random: int,
        begin: int,
        tags_before: int,
        steps_before: int,
        whole: bool,
    ) -> None: ...
    def act(self) -> object:
        """The kernel from obs, environment steps, weights and their presence to choice and action."""
