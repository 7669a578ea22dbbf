"""The memory of transitions: a ring that minibatches are gathered from."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ._windows import NO_TRANSITION, close_windows
from .observation_ring import ObservationRing
from .returns import end_bits

Array = npt.NDArray[Any]
Bools = npt.NDArray[np.bool_]
Places = npt.NDArray[np.int64]


class Batch(NamedTuple):
    """Transitions over n-step windows; all arrays have the same leading axes `[...]`."""

    observations: Array
    """`[..., *obs_shape]`: before the window's first action."""
    actions: npt.NDArray[np.int64]
    """`[...]`: the first action, counted from 0."""
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
    ) -> None:
        if capacity < num_envs:
            raise ValueError(f"capacity={capacity} is less than one step of {num_envs} environments; raise it")
        self.held_slots, self.num_envs = capacity // num_envs, num_envs
        self.slots = self.held_slots + frame_stack
        shape = (self.slots, num_envs)
        self.observations = ObservationRing(*shape, obs_shape, obs_dtype, frame_stack)
        self.actions = np.zeros(shape, np.int64)
        self.rewards = np.zeros(shape, np.float32)
        self.ends = np.full(shape, NO_TRANSITION, np.uint8)  # bits; at the head it stops windows
        self.head = 0  # the slot that is written next
        self.filled = 0  # slots that hold transitions
        self._count = 0

    def __len__(self) -> int:
        """Transitions held; rows that are none do not count."""
        return self._count

    @property
    def nbytes(self) -> int:
        """Bytes of all arrays."""
        return self.observations.nbytes + self.actions.nbytes + self.rewards.nbytes + self.ends.nbytes

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
        Rows that are not `valid` (None: all are) are no transition, such as the reset of an environment:
        they are neither drawn nor counted, and no window reaches them.
        """
        slot, ended = self.head, terminated | truncated
        if valid is not None:
            ended &= valid
        self.observations.store(slot, obs, final_obs, next_obs, ended, valid)
        self.actions[slot], self.rewards[slot] = actions, rewards
        self._count += self.num_envs if valid is None else int(valid.sum())
        self.head = (slot + 1) % self.slots
        if self.filled == self.held_slots:
            self._count -= int((self.ends[slot - self.held_slots] < NO_TRANSITION).sum())
        self.ends[slot] = end_bits(terminated, truncated, valid)
        self.ends[self.head] = NO_TRANSITION
        self.filled = min(self.filled + 1, self.held_slots)

    def added(self) -> Places:
        """The places of the transitions that were stored last."""
        newest = (self.head - 1) % self.slots
        return newest * self.num_envs + np.flatnonzero(self.ends[newest] < NO_TRANSITION)

    def dropped(self) -> Places:
        """The places that those left which made room for them last, whether or not there were any."""
        return (self.head - 1 - self.held_slots) % self.slots * self.num_envs + np.arange(self.num_envs)

    def places(self, ordinals: Places) -> Places:
        """The places of the transitions with these numbers (any shape, in [0, len)), the oldest being 0."""
        size, start = self.ends.size, (self.head - self.filled) % self.slots * self.num_envs
        held = self.filled * self.num_envs
        if self._count < held:
            steps = (start + np.arange(held)) % size
            found: Places = steps[self.ends.reshape(-1)[steps] < NO_TRANSITION][ordinals]
            return found
        places = start + ordinals
        places[places >= size] -= size
        return places

    def empty_batch(self, shape: tuple[int, ...]) -> Batch:
        """Arrays for transitions of leading axes `shape`."""
        rows, dtype = (*shape, *self.observations.shape), self.observations.dtype
        returns, discounts = np.empty(shape, np.float32), np.empty(shape, np.float32)
        return Batch(np.empty(rows, dtype), np.empty(shape, np.int64), returns, discounts, np.empty(rows, dtype))

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
        np.take(self.actions.reshape(-1), flat, out=batch.actions.reshape(-1), mode="clip")
        self.observations.gather(flat, batch.observations)
        self.observations.gather(last, batch.next_observations, after=True)
        return batch

    def break_off(self) -> None:
        """Store a row that is no transition, so that no window reaches from what is held into what is stored next."""
        if not self.filled:
            return
        newest = (self.head - 1) % self.slots * self.num_envs + np.arange(self.num_envs)
        obs = np.empty((self.num_envs, *self.observations.shape), self.observations.dtype)
        self.observations.gather(newest, obs, after=True)
        none = np.zeros(self.num_envs, np.bool_)
        self.store(obs, np.zeros(self.num_envs), np.zeros(self.num_envs), none, none, obs, obs, none)

    def arrays(self) -> dict[str, Array]:
        """Copies of what is held."""
        own: dict[str, Array] = {name: getattr(self, name).copy() for name in ("actions", "rewards", "ends")}
        return {"places": np.array([self.head, self.filled, self._count]), **own, **self.observations.arrays()}

    def load(self, arrays: dict[str, Array]) -> None:
        """The inverse of `arrays`, of a ring of the same shape."""
        self.head, self.filled, self._count = arrays["places"].tolist()
        for name in ("actions", "rewards", "ends"):
            getattr(self, name)[...] = arrays[name]
        self.observations.load(arrays)
