from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

F32 = npt.NDArray[np.float32]
Bools = npt.NDArray[np.bool_]

class RolloutMemory:
    """`blocks` rollouts of `length` tags of `rows` rows each, filled one after the other, over and over.

    `types` has the shape and dtype of a row of each field, in the order of the ports of the reaction that stores them.
    The tag says where a row goes: a rollout begins every `length` tags from tag `begin` on, and earlier tags are not
    kept. With `whole` the reactor is no bank, and stores all rows at once. ValueError for more than 16 fields.
    """

    fields: dict[str, npt.NDArray[Any]]
    """All blocks of each field, `[blocks * length, rows, *shape]`; this object's own."""

    def __init__(
        self,
        types: Mapping[str, tuple[tuple[int, ...], npt.DTypeLike]],
        length: int,
        rows: int,
        blocks: int = 1,
        begin: int = 0,
        whole: bool = False,
    ) -> None: ...
    def store(self) -> object:
        """The kernel (a capsule, see _kernel.pxd) that copies one row of each port into its field."""

    def view(self, block: int) -> dict[str, npt.NDArray[Any]]:
        """Views of one block, counted on from the first: `[length, rows, *shape]`."""

def gae(
    rewards: npt.NDArray[np.float64],
    values: F32,
    end_values: F32,
    terminations: Bools,
    truncations: Bools,
    validity: Bools,
    gamma: float,
    lambda_: float,
    reward_scale: float,
) -> tuple[F32, F32]:
    """What `returns.gae` documents, over C-contiguous arrays `[T, N]`; ValueError where their shapes differ."""

def discounted(
    rewards: npt.NDArray[np.float64], ends: Bools, validity: Bools, current: npt.NDArray[np.float64], gamma: float
) -> npt.NDArray[np.float64]:
    """The discounted sum of rewards since the episode began, after each step, `[T, N]`.

    `current` `[N]` holds it from one block to the next, and is changed; it is 0 after an end. Rows that are not valid
    are no steps. ValueError where shapes differ.
    """

def shuffled(count: int, key: int, first: int, second: int) -> npt.NDArray[np.int64]:
    """0 to count - 1 in an order that is a function of (key, first, second): Fisher and Yates' shuffle."""

class Episodes:
    """Sums up rewards and lengths of the episodes of `rows` environments, from one block of steps to the next.

    `totals` `[rows]` and `lengths` `[rows]` are those of the episodes that go on; they may be written.
    """

    totals: npt.NDArray[np.float64]
    lengths: npt.NDArray[np.int64]

    def __init__(self, rows: int) -> None: ...
    def add(
        self, rewards: npt.NDArray[np.float64], terminations: Bools, truncations: Bools, validity: Bools
    ) -> tuple[int, list[tuple[int, float, int]]]:
        """Add steps `[T, N]`; returns how many were valid, and (row, return, length) of each episode that ended
        with them, by time, then row. An episode that a row which is not valid ends was lost, and is left out."""
