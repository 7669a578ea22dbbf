"""The memory of transitions: a ring that minibatches are gathered from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ._ring import RingWriter
from ._windows import NO_TRANSITION, close_windows
from .observation_ring import ObservationRing

Array = npt.NDArray[Any]
Bools = npt.NDArray[np.bool_]
Places = npt.NDArray[np.int64]


GROWING = ("finals", "free")  # what `state` holds only as much of as was ever used


class Batch(NamedTuple):
    """Transitions over n-step windows; all arrays have the same leading axes `[...]`."""

    observations: Array
    """`[..., *obs_shape]`: before the window's first action."""
    actions: Array
    """`[..., *action_shape]`: the first action, as it was stored."""
    returns: npt.NDArray[np.float32]
    """`[...]`: discounted sum of the window's rewards."""
    discounts: npt.NDArray[np.float32]
    """`[...]`: what the value of `next_observations` counts; 0 after a termination."""
    next_observations: Array
    """`[..., *obs_shape]`: after the window, the final observation where it ended an episode."""


class TransitionRing:
    """Preallocated ring `[slots, num_envs, ...]`: a slot per step of all environments, a column for each.

    `capacity // num_envs` slots hold transitions. One more takes what came after the newest, and
    `frame_stack - 1` more keep the earlier frames of the oldest. A place is `slot * num_envs + env`.
    """

    def __init__(
        self,
        capacity: int,
        num_envs: int,
        obs_shape: tuple[int, ...],
        obs_dtype: npt.DTypeLike,
        frame_stack: int = 1,
        *,
        action_shape: tuple[int, ...] = (),
        action_dtype: npt.DTypeLike = np.int64,
    ) -> None:
        if capacity < num_envs:
            raise ValueError(f"capacity={capacity} is less than one step of {num_envs} environments; raise it")
        self.held_slots, self.num_envs = capacity // num_envs, num_envs
        self.slots = self.held_slots + frame_stack
        shape = (self.slots, num_envs)
        self.observations = ObservationRing(*shape, obs_shape, obs_dtype, frame_stack)
        self.actions = np.zeros((*shape, *action_shape), action_dtype)
        self.rewards = np.zeros(shape, np.float32)
        self.ends = np.full(shape, NO_TRANSITION, np.uint8)  # bits; at the head it stops windows
        self._arrays = {
            **self.observations.arrays(),
            "actions": self.actions,
            "rewards": self.rewards,
            "ends": self.ends,
        }
        self.writer = RingWriter(self.held_slots, frame_stack, **self._arrays)

    def __len__(self) -> int:
        """Transitions held; rows that are none do not count."""
        return self.writer.count

    @property
    def head(self) -> int:
        """The slot that is written next."""
        return self.writer.head

    @property
    def filled(self) -> int:
        """Slots that hold transitions."""
        return self.writer.filled

    @property
    def nbytes(self) -> int:
        """Bytes of all arrays; of final observations, of as many as there have been at a time."""
        finals: int = self.writer.finals_made * self.observations.finals.shape[1]
        return finals + self.observations.nbytes + self.actions.nbytes + self.rewards.nbytes + self.ends.nbytes

    def store(
        self,
        obs: Array,
        actions: Array,
        rewards: Array,
        terminated: Bools,
        truncated: Bools,
        final_obs: Array,
        next_obs: Array,
        valid: Bools | None = None,
    ) -> None:
        """Write one step of all environments, a row for each, over the oldest.

        `obs` `[num_envs, *obs_shape]` is what was acted on: the `next_obs` of the step before. `next_obs` is
        what will be acted on next, which at an end is of the next episode; `final_obs` counts at ends only.
        Rows that are not `valid` `[num_envs]` (None: all are) are no transition, such as the reset of an environment:
        they are neither drawn nor counted, and no window reaches them.

        ValueError, before anything is written, for a stack that does not go on from the one before it.
        """
        dtype = self.observations.dtype
        code = self.writer.store(
            _bytes(obs, dtype),
            _bytes(actions, self.actions.dtype),
            np.ascontiguousarray(rewards, np.float64),
            _bytes(terminated, np.bool_),
            _bytes(truncated, np.bool_),
            _bytes(final_obs, dtype),
            _bytes(next_obs, dtype),
            None if valid is None else _bytes(valid, np.bool_),
        )
        if code:
            raise ValueError(self.observations.complaint(code))

    def touched(self, slots: int) -> tuple[Places, Bools]:
        """The places in which the last `slots` steps put a transition or made one leave, and which of them hold one."""
        written = np.arange(self.head - min(slots, self.slots), self.head)
        changed = np.unique(np.concatenate([written, written - self.held_slots]) % self.slots)
        held = (self.head - 1 - changed) % self.slots < self.filled
        places = (changed[:, None] * self.num_envs + np.arange(self.num_envs)).reshape(-1)
        return places, np.repeat(held, self.num_envs) & (self.ends.reshape(-1)[places] < NO_TRANSITION)

    def places(self, ordinals: Places) -> Places:
        """The places of the transitions with these numbers (any shape, in [0, len)), the oldest being 0."""
        size, start = self.ends.size, (self.head - self.filled) % self.slots * self.num_envs
        held = self.filled * self.num_envs
        if len(self) < held:
            steps = (start + np.arange(held)) % size
            found: Places = steps[self.ends.reshape(-1)[steps] < NO_TRANSITION][ordinals]
            return found
        places = start + ordinals
        places[places >= size] -= size
        return places

    def empty_batch(self, shape: tuple[int, ...]) -> Batch:
        """Arrays for transitions of leading axes `shape`."""
        rows, dtype = (*shape, *self.observations.shape), self.observations.dtype
        actions = np.empty((*shape, *self.actions.shape[2:]), self.actions.dtype)
        returns, discounts = np.empty(shape, np.float32), np.empty(shape, np.float32)
        return Batch(np.empty(rows, dtype), actions, returns, discounts, np.empty(rows, dtype))

    def gather(self, places: Places, n_step: int, gamma: float, out: Batch | None = None) -> Batch:
        """The transitions at `places` (any shape), over windows of up to `n_step` steps; see `n_step_windows`.

        A window stops at the first end in its column, before a row that is no transition, and at the newest
        slot. `out` (arrays as of `empty_batch(places.shape)`) is written and returned.

        IndexError for places outside the ring.
        """
        batch = self.empty_batch(places.shape) if out is None else out
        flat = np.ascontiguousarray(places.reshape(-1))
        if flat.size and not 0 <= flat.min() <= flat.max() < self.ends.size:
            raise IndexError(f"places must be in [0, {self.ends.size}), and these are {flat.min()} to {flat.max()}")
        last = np.empty_like(flat)
        returns, discounts = batch.returns.reshape(-1), batch.discounts.reshape(-1)
        rewards, ends = self.rewards.reshape(-1), self.ends.reshape(-1)
        close_windows(rewards, ends, self.num_envs, flat, n_step, gamma, returns, discounts, last)
        kind = self.actions.shape[2:]
        np.take(self.actions.reshape(-1, *kind), flat, 0, out=batch.actions.reshape(-1, *kind), mode="clip")
        self.observations.gather(flat, batch.observations)
        self.observations.gather(last, batch.next_observations, after=True)
        return batch

    def break_off(self) -> None:
        """Store a row that is no transition, so that no window reaches from what is held into what is stored next, and
        count from 0 on.
        """
        if self.filled:
            newest = (self.head - 1) % self.slots * self.num_envs + np.arange(self.num_envs)
            obs = np.empty((self.num_envs, *self.observations.shape), self.observations.dtype)
            self.observations.gather(newest, obs, after=True)
            none, actions = np.zeros(self.num_envs, np.bool_), np.zeros_like(self.actions[0])
            self.store(obs, actions, np.zeros(self.num_envs), none, none, obs, obs, none)
        self.writer.begin_counting()

    def state(self) -> dict[str, Array]:
        """What is held, for a checkpoint: views, but for the counters."""
        numbers = self.writer.numbers
        *_, given, made = numbers.tolist()
        used = dict(zip(GROWING, (made, given), strict=True))
        held = {**self._arrays, **self.writer.rows}
        return {"numbers": numbers, **{name: array[: used.get(name)] for name, array in held.items()}}

    def load(self, state: Mapping[str, Array]) -> None:
        """The inverse of `state`, of a ring of the same shape."""
        for name, array in {**self._arrays, **self.writer.rows}.items():
            array[: len(state[name])] = state[name]
        self.writer.numbers = state["numbers"]


def _bytes(array: Array, dtype: npt.DTypeLike) -> npt.NDArray[np.uint8]:
    """All bytes in one row; a view, where the array has the dtype and is contiguous."""
    return np.ascontiguousarray(array, dtype).reshape(-1).view(np.uint8)
