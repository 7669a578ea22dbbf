"""The replay buffer: a ring of transitions, and the reactor that fills it and draws minibatches from it."""

from __future__ import annotations

from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from gymnasium import spaces

from reactvec import InputPort, OutputPort, Reactor, reaction

from .dqn_config import DQNConfig
from .draws import Draws
from .returns import n_step_windows

Array = npt.NDArray[Any]
Int64s = npt.NDArray[np.int64]

_TERMINATED, _TRUNCATED = np.uint8(1), np.uint8(2)


class Batch(NamedTuple):
    """Transitions over n-step windows; all arrays have the same leading axes `[...]`."""

    observations: Array
    """`[..., *obs_shape]`: before the window's first action."""
    actions: Int64s
    """`[...]`: the first action, counted from 0."""
    returns: npt.NDArray[np.float32]
    """`[...]`: discounted sum of the window's rewards."""
    discounts: npt.NDArray[np.float32]
    """`[...]`: what the value of `next_observations` counts; 0 after a termination."""
    next_observations: Array
    """`[..., *obs_shape]`: after the window, the final observation where it ended an episode."""


class TransitionRing:
    """Preallocated ring `[slots, num_envs, ...]`: a slot per step of all environments, a column for each.

    An observation is held twice, as what was acted on and as what came after; so an end needs no special
    place.
    """

    def __init__(self, capacity: int, num_envs: int, obs_shape: tuple[int, ...], obs_dtype: npt.DTypeLike) -> None:
        if capacity < num_envs:
            raise ValueError(f"capacity={capacity} is less than one step of {num_envs} environments; raise it")
        self.slots, self.num_envs = capacity // num_envs, num_envs
        shape = (self.slots, num_envs)
        self.observations = np.zeros((*shape, *obs_shape), obs_dtype)
        self.next_observations = np.zeros((*shape, *obs_shape), obs_dtype)
        self.actions = np.zeros(shape, np.int64)
        self.rewards = np.zeros(shape, np.float32)
        self.ends = np.zeros(shape, np.uint8)
        self.head = 0  # the slot that is written next
        self.filled = 0  # slots that hold transitions

    def __len__(self) -> int:
        """Transitions held."""
        return self.filled * self.num_envs

    def store(
        self, obs: Array, actions: Array, rewards: Array, terminated: Array, truncated: Array, next_obs: Array
    ) -> None:
        """Write one step of all environments over the oldest; `next_obs` is the final
        observation at an end.
        """
        slot = self.head
        self.observations[slot] = obs
        self.next_observations[slot] = next_obs
        self.actions[slot] = actions
        self.rewards[slot] = rewards
        np.multiply(truncated, _TRUNCATED, out=self.ends[slot])
        self.ends[slot][terminated] = _TERMINATED
        self.head = (slot + 1) % self.slots
        self.filled = min(self.filled + 1, self.slots)

    def gather(self, indices: Int64s, n_step: int, gamma: float) -> Batch:
        """The transitions at `indices` (any shape, in [0, len)), over windows of up to `n_step` steps.

        A window stops at the first end in its column and at the newest slot, so it never crosses the write
        head; its discount says how long it became.
        """
        flat = indices.reshape(-1)
        slot, column = np.divmod(flat, self.num_envs)
        newest = (self.head - 1) % self.slots
        limits = (newest - slot) % self.slots + 1
        steps = (slot + np.arange(n_step)[:, None]) % self.slots * self.num_envs + column
        rewards, ends = self.rewards.reshape(-1)[steps], self.ends.reshape(-1)[steps]
        windows = n_step_windows(rewards, ends == _TERMINATED, ends == _TRUNCATED, limits, gamma)
        last = steps[windows.lengths - 1, np.arange(len(flat))]
        return Batch(
            self._rows(self.observations, flat, indices.shape),
            self.actions.reshape(-1)[flat].reshape(indices.shape),
            windows.returns.reshape(indices.shape),
            windows.discounts.reshape(indices.shape),
            self._rows(self.next_observations, last, indices.shape),
        )

    def _rows(self, ring: Array, flat: Int64s, shape: tuple[int, ...]) -> Array:
        rows = ring.reshape(len(self.actions) * self.num_envs, *ring.shape[2:])
        return rows[flat].reshape(*shape, *ring.shape[2:])


class ReplayBuffer(Reactor):
    """Stores every transition and, periodically, emits the minibatches of a round of learning.

    Rounds that fall due in one step of all environments are drawn together: `rounds` counts them, and the
    first `rounds * gradient_steps` minibatches of the ports are valid.
    """

    obs = InputPort()  # what was acted on: the environments' observation of the tag before
    action = InputPort()
    reward = InputPort()
    terminated = InputPort(dtype=np.bool_)
    truncated = InputPort(dtype=np.bool_)
    final_obs = InputPort()
    next_obs = InputPort()
    observations = OutputPort()
    actions = OutputPort(dtype=np.int64)
    returns = OutputPort(dtype=np.float32)
    discounts = OutputPort(dtype=np.float32)
    next_observations = OutputPort()
    rounds = OutputPort((), np.int64)
    env_steps = OutputPort((), np.int64)  # environment steps stored so far

    def __init__(
        self, ring: TransitionRing, action_space: spaces.Discrete, config: DQNConfig, batches_before: int = 0
    ) -> None:
        n, freq = ring.num_envs, config.train_freq
        rows = (ring.observations.shape[1:], ring.observations.dtype)
        leading = (-(-n // freq) * config.gradient_steps, config.train_batch_size)
        drawn = (leading + ring.observations.shape[2:], ring.observations.dtype)
        ports: dict[str, tuple[tuple[int, ...], npt.DTypeLike]] = {
            **dict.fromkeys(("obs", "final_obs", "next_obs"), rows),
            **dict.fromkeys(("terminated", "truncated"), ((n,), np.bool_)),
            **dict.fromkeys(("observations", "next_observations"), drawn),
            **dict.fromkeys(("returns", "discounts"), (leading, np.float32)),
        }
        super().__init__(
            bank=None,
            action=((n,), action_space.dtype),
            reward=((n,), np.float64),
            actions=(leading, np.int64),
            **ports,
        )
        self.ring, self.config, self.first_action = ring, config, int(action_space.start)
        self.train_period = Fraction(freq, n)
        starts = -(-config.num_steps_sampled_before_learning_starts // freq)  # rounds are at multiples of freq
        self.learning_starts = Fraction(max(starts, 1) * freq, n)
        self.draws = Draws(config.seed, "minibatch")
        self.steps = 0  # of all environments, since this reactor runs
        self.due = 0  # rounds that were due since this reactor runs
        self.drawn = batches_before  # minibatches, those of the runs that this one resumes included

    @reaction(sources=[obs, action, reward, terminated, truncated, final_obs, next_obs], effects=[env_steps])
    def store(
        self,
        obs: Array,
        action: Array,
        reward: Array,
        terminated: Array,
        truncated: Array,
        final_obs: Array,
        next_obs: Array,
        env_steps: Array,
    ) -> None:
        """Keep one transition per environment."""
        ended = terminated | truncated
        if ended.any():
            next_obs = next_obs.copy()
            next_obs[ended] = final_obs[ended]
        self.ring.store(obs, action - self.first_action, reward, terminated, truncated, next_obs)
        self.steps += 1
        env_steps[()] = self.steps * self.ring.num_envs

    @reaction(
        effects=[observations, actions, returns, discounts, next_observations, rounds],
        period="train_period",
        offset="learning_starts",
    )
    def sample(
        self,
        observations: Array,
        actions: Array,
        returns: Array,
        discounts: Array,
        next_observations: Array,
        rounds: Array,
    ) -> None:
        """Draw the minibatches of the rounds that are due: uniform over what the ring holds, with
        replacement.
        """
        due = int((self.steps - self.learning_starts) // self.train_period) + 1
        rounds[()] = due - self.due
        count = (due - self.due) * self.config.gradient_steps
        batch = np.arange(self.drawn, self.drawn + count)[:, None]
        self.due, self.drawn = due, self.drawn + count
        indices = self.draws.integers(len(self.ring), batch, np.arange(self.config.train_batch_size))
        outputs = (observations, actions, returns, discounts, next_observations)
        for output, values in zip(
            outputs, self.ring.gather(indices, self.config.n_step, self.config.gamma), strict=True
        ):
            output[:count] = values
        if not np.isfinite(returns[:count]).all():
            bad = np.flatnonzero(~np.isfinite(self.ring.rewards).all(0)).tolist()
            raise ValueError(f"rewards are not finite (environments {bad})")
