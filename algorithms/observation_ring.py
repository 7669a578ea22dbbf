"""The ring of observations: each frame once, those after the end of an episode in a slab of their own."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from ._windows import gather_stacks

Array = npt.NDArray[Any]
Bytes = npt.NDArray[np.uint8]
Places = npt.NDArray[np.int64]

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
        # One for each place, as if all episodes were of one step: pages that nobody has written to are not there.
        self.finals: Bytes = np.zeros((slots * num_envs, frame_bytes), np.uint8)
        self.kept = np.full((slots, num_envs), -1, np.int32)  # rows of `finals`
        self.ages: Bytes = np.zeros((slots, num_envs), np.uint8)  # earlier frames of the episode, at most stack - 1
        self.padded: Bytes = np.zeros((slots, num_envs), np.uint8)  # whether with `padding`, not with the first frame
        self.padding: Bytes = np.zeros((num_envs, frame_bytes), np.uint8)

    @property
    def nbytes(self) -> int:
        """Bytes of all arrays but `finals`."""
        return sum(array.nbytes for array in (self.frames, self.kept, self.ages, self.padded, self.padding))

    def arrays(self) -> dict[str, Array]:
        """What a RingWriter writes, by name."""
        return {name: getattr(self, name) for name in ("frames", "finals", "kept", "ages", "padded", "padding")}

    def gather(self, places: Places, out: Array, *, after: bool = False) -> None:
        """Copy what was acted on at `places` `[n]` to `out`, C-contiguous of `[n, *obs_shape]`; or what came
        `after`, which is the final observation where an episode ended.
        """
        frames = self.frames.reshape(self.kept.size, self.frames.shape[2])
        ages, padded = self.ages.reshape(-1), self.padded.reshape(-1)
        finals, kept = self.finals, self.kept.reshape(-1)
        stacks = out.view(np.uint8).reshape(len(places), self.stack, self.frames.shape[2])
        gather_stacks(frames, self.padding, ages, padded, finals, kept, places, after, stacks)

    def complaint(self, code: int) -> str:
        """What is wrong where a RingWriter returned a code other than 0."""
        kind, env = divmod(code - 1, self.num_envs)
        what = (
            "an observation does not hold the frames of the one before it, moved up by one",
            "the first observation of an episode is padded neither with its first frame nor with one that is always "
            "the same",
        )[kind]
        return f"environment {env}: {what}, so {_NOT_A_STACK}"
