from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
Bytes = npt.NDArray[np.uint8]

class RingWriter:
    """Writes steps of all environments into the arrays of a ring, which it keeps; see TransitionRing.

    `finals` has as many rows as there are places: memory that is never written takes no room.
    """

    @property
    def head(self) -> int:
        """The slot that is written next."""

    @property
    def filled(self) -> int:
        """Slots that hold transitions."""

    @property
    def count(self) -> int:
        """Transitions that are held."""

    @property
    def steps(self) -> int:
        """Transitions that ever were stored."""

    @property
    def tags(self) -> int:
        """How often was stored."""

    @property
    def finals_made(self) -> int:
        """Rows of `finals` that were ever used."""

    @property
    def rows(self) -> dict[str, Array]:
        """What is kept for each place (`free`) and environment, beside the arrays: by name, to be read or written."""

    @property
    def numbers(self) -> npt.NDArray[np.int64]:
        """All counts, for a checkpoint."""

    @numbers.setter
    def numbers(self, numbers: npt.NDArray[np.int64]) -> None: ...
    def begin_counting(self) -> None:
        """Count `steps` and `tags` from 0 on; what is held stays."""

    def __init__(self, held_slots: int, stack: int, **arrays: Array) -> None: ...
    def kernel_of_store(self) -> object:
        """The kernel from obs, action, reward, terminated, truncated, final_obs, next_obs and valid to `steps`."""

    def store(
        self,
        obs: Bytes,
        actions: Bytes,
        rewards: npt.NDArray[np.float64],
        terminated: Bytes,
        truncated: Bytes,
        final_obs: Bytes,
        next_obs: Bytes,
        valid: Bytes | None,
    ) -> int:
        """Write a step, `[n * bytes]`. Returns 0, or, with nothing written, 1 + environment where a stack does not go
        on from the one before, and n + 1 + environment where the first of an episode is padded like no other.
        """
