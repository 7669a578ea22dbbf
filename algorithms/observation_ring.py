"""The ring of observations: each frame once, those after the end of an episode in a slab of their own."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from ._windows import gather_stacks

Array = npt.NDArray[Any]
Bools = npt.NDArray[np.bool_]
Bytes = npt.NDArray[np.uint8]
Places = npt.NDArray[np.int64]

_HELD = ("frames", "kept", "ages", "padded", "padding", "_padding_known", "_begins")
_DEEPEST = 256  # frames of a stack, whose age must fit a byte
_NOT_A_STACK = "its frames cannot be kept once each; set frame_stack=1 (replay_buffer_config)"


class ObservationRing:
    """Observations `[slots, num_envs]`, each a stack of `stack` frames (1: the observation is the frame).

    A slot holds the newest frame of what was acted on; the frames before it lie in the slots before, and what
    came after an action is what was acted on in the next slot. Only the last frame of an episode has no next
    slot and lies in `finals`. In an episode's first steps a stack is padded, as Gymnasium's
    FrameStackObservation does: by repeating the first frame, or by one frame that is always the same (zeros,
    or the user's). Which of them is seen in the stacks; what is not rebuilt byte by byte is refused.
    """

    def __init__(
        self, slots: int, num_envs: int, obs_shape: tuple[int, ...], obs_dtype: npt.DTypeLike, stack: int
    ) -> None:
        self.dtype, self.shape = np.dtype(obs_dtype), obs_shape
        if not 1 <= stack <= _DEEPEST or (stack > 1 and obs_shape[:1] != (stack,)):
            raise ValueError(f"frame_stack={stack} is not the first axis of an observation of shape {obs_shape}")
        self.slots, self.num_envs, self.stack = slots, num_envs, stack
        frame_bytes = self.dtype.itemsize * math.prod(obs_shape) // stack
        self.frames: Bytes = np.zeros((slots, num_envs, frame_bytes), np.uint8)
        self.finals: Bytes = np.zeros((0, frame_bytes), np.uint8)
        self.kept = np.full((slots, num_envs), -1, np.int32)  # rows of `finals`
        self._used: dict[int, list[int]] = {}  # the same, by slot
        self._free: list[int] = []  # rows of `finals`, too
        self.ages: Bytes = np.zeros((slots, num_envs), np.uint8)  # earlier frames of the episode, at most stack - 1
        self.padded: Bytes = np.zeros((slots, num_envs), np.uint8)  # whether with `padding`, not with the first frame
        self.padding: Bytes = np.zeros((num_envs, frame_bytes), np.uint8)
        self._padding_known = np.zeros(num_envs, np.bool_)
        self._begins = np.ones(num_envs, np.bool_)  # whether the next step is the first of an episode

    @property
    def nbytes(self) -> int:
        """Bytes of all arrays."""
        arrays = (self.frames, self.finals, self.kept, self.ages, self.padded, self.padding)
        return sum(array.nbytes for array in arrays)

    def store(
        self, slot: int, obs: Array, final_obs: Array, next_obs: Array, ended: Bools, valid: Bools | None
    ) -> None:
        """Write what was acted on in `slot` and what came after; see `TransitionRing.store`.

        ValueError, before any frame is written, for a stack that does not go on from the one before it.
        """
        before, after = self._stacks(obs), self._stacks(next_obs)
        any_ended = bool(ended.any())
        finals = self._stacks(final_obs) if any_ended else after
        if self.stack > 1:
            self._check_rolls(before, after, finals, ended, valid)
            self._age(slot, before, valid)
        self.frames[slot] = before[:, -1]
        self.frames[(slot + 1) % self.slots] = after[:, -1]
        self._release(slot)
        if any_ended:
            self._keep(slot, ended, finals[:, -1])
        self._begins = ended if valid is None else ended | ~valid

    def gather(self, places: Places, out: Array, *, after: bool = False) -> None:
        """Copy what was acted on at `places` `[n]` to `out`, C-contiguous of `[n, *obs_shape]`; or what came
        `after`, which is the final observation where an episode ended.
        """
        frames = self.frames.reshape(self.kept.size, self.frames.shape[2])
        ages, padded = self.ages.reshape(-1), self.padded.reshape(-1)
        finals, kept = self.finals, self.kept.reshape(-1)
        stacks = self._stacks(out, len(places))
        gather_stacks(frames, self.padding, ages, padded, finals, kept, places, after, stacks)

    def _stacks(self, observations: Array, rows: int | None = None) -> Bytes:
        """Observations as bytes `[rows, stack, frame_bytes]`; a view, where they have the dtype and are contiguous."""
        own = np.ascontiguousarray(observations, self.dtype)
        shape = (self.num_envs if rows is None else rows, self.stack, self.frames.shape[2])
        return own.view(np.uint8).reshape(shape)

    def _release(self, slot: int) -> None:
        """Give back the rows of `finals` of what is overwritten."""
        if rows := self._used.pop(slot, None):
            self._free.extend(rows)
            self.kept[slot] = -1

    def _keep(self, slot: int, ended: Bools, frames: Bytes) -> None:
        """Copy the last frames of the episodes that ended."""
        envs, held = np.flatnonzero(ended), len(self.finals)
        if len(envs) > len(self._free):
            more = max(held, len(envs), 16)
            self.finals = np.concatenate([self.finals, np.zeros((more, frames.shape[1]), np.uint8)])
            self._free.extend(range(held, held + more))
        self._used[slot] = rows = [self._free.pop() for _ in envs]
        self.kept[slot, envs] = rows
        self.finals[rows] = frames[envs]

    def _check_rolls(self, before: Bytes, after: Bytes, finals: Bytes, ended: Bools, valid: Bools | None) -> None:
        """ValueError unless what comes after has all frames of before but the oldest."""
        after = np.where(ended[:, None, None], finals, after) if finals is not after else after
        rolls = (before[:, 1:] == after[:, :-1]).all((1, 2))
        if valid is not None:
            rolls |= ~valid
        if not rolls.all():
            raise ValueError(
                f"environment {int(rolls.argmin())}: an observation does not hold the frames of the one before it, "
                f"moved up by one, so {_NOT_A_STACK}"
            )

    def _age(self, slot: int, before: Bytes, valid: Bools | None) -> None:
        """Note how many frames of a stack are those of its episode, and what the others are."""
        self.ages[slot] = np.minimum(self.ages[slot - 1], self.stack - 2) + 1
        self.padded[slot] = self.padded[slot - 1]
        begins = self._begins if valid is None else self._begins & valid
        for env in np.flatnonzero(begins).tolist():
            self.ages[slot, env] = 0
            self.padded[slot, env] = self._is_padded(env, before[env])

    def _is_padded(self, env: int, stack: Bytes) -> bool:
        """Whether the first stack of an episode is padded with `padding`, and not with its first frame."""
        if (stack[:-1] == stack[-1]).all():
            return False
        if not self._padding_known[env]:
            self.padding[env], self._padding_known[env] = stack[0], True
        if not (stack[:-1] == self.padding[env]).all():
            raise ValueError(
                f"environment {env}: the first observation of an episode is padded neither with its first frame nor "
                f"with one that is always the same, so {_NOT_A_STACK}"
            )
        return True

    def arrays(self) -> dict[str, Array]:
        """Copies of what is held."""
        return {name: getattr(self, name).copy() for name in (*_HELD, "finals")}

    def load(self, arrays: dict[str, Array]) -> None:
        """The inverse of `arrays`, of a ring of the same shape."""
        for name in _HELD:
            getattr(self, name)[...] = arrays[name]
        self.finals = np.array(arrays["finals"], np.uint8)
        kept = {slot: rows[rows >= 0].tolist() for slot, rows in enumerate(self.kept)}
        self._used = {slot: rows for slot, rows in kept.items() if rows}
        self._free = sorted(set(range(len(self.finals))) - {row for rows in kept.values() for row in rows})
