"""The replay buffer: the reactor that keeps transitions and draws minibatches of them."""

from __future__ import annotations

from fractions import Fraction
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
from gymnasium import spaces

from reactvec import InputPort, OutputPort, Reactor, reaction

from .checkpoint import section, under
from .dqn_config import DQNConfig
from .draws import Draws
from .piecewise import Piecewise
from .priorities import Priorities
from .progress import Progress
from .transition_ring import Batch, TransitionRing

Array = npt.NDArray[Any]
Places = npt.NDArray[np.int64]


class ReplayBuffer(Reactor):
    """Stores every transition and, periodically, emits the minibatches of a round of learning.

    Rounds that fall due in one step of all environments are drawn together: `rounds` counts them, and the
    first `rounds * gradient_steps` minibatches of the ports are valid. The TD errors of what was drawn come back
    a tag later, before anything is overwritten.
    """

    obs = InputPort()  # what was acted on: the environments' observation of the tag before
    action = InputPort()
    reward = InputPort()
    terminated = InputPort(dtype=np.bool_)
    truncated = InputPort(dtype=np.bool_)
    final_obs = InputPort()
    next_obs = InputPort()
    td_errors = InputPort(dtype=np.float32)
    observations = OutputPort()
    actions = OutputPort(dtype=np.int64)
    returns = OutputPort(dtype=np.float32)
    discounts = OutputPort(dtype=np.float32)
    next_observations = OutputPort()
    importance = OutputPort(dtype=np.float32)  # what a sample's loss is multiplied by
    rounds = OutputPort((), np.int64)
    env_steps = OutputPort((), np.int64)  # environment steps so far, whatever came of them
    saved: ClassVar[tuple[str, ...]] = ("steps", "due", "drawn")

    def __init__(
        self, ring: TransitionRing, action_space: spaces.Discrete, config: DQNConfig, before: Progress
    ) -> None:
        n, freq, settings = ring.num_envs, config.train_freq, config.replay_buffer_config
        obs_shape, obs_dtype = ring.observations.shape, ring.observations.dtype
        leading = (-(-n // freq) * config.gradient_steps, config.train_batch_size)
        ports: dict[str, tuple[tuple[int, ...], npt.DTypeLike]] = {
            **dict.fromkeys(("obs", "final_obs", "next_obs"), ((n, *obs_shape), obs_dtype)),
            **dict.fromkeys(("terminated", "truncated"), ((n,), np.bool_)),
            **dict.fromkeys(("observations", "next_observations"), ((*leading, *obs_shape), obs_dtype)),
            **dict.fromkeys(("returns", "discounts", "importance", "td_errors"), (leading, np.float32)),
        }
        super().__init__(
            bank=None,
            action=((n,), action_space.dtype),
            reward=((n,), np.float64),
            actions=(leading, np.int64),
            **ports,
        )
        self.ring, self.config, self.first_action = ring, config, int(action_space.start)
        self.priorities: Priorities | None = None
        if settings.prioritized:
            self.priorities = Priorities(ring.ends.size, settings.alpha, settings.priority_epsilon)
        self.beta = Piecewise.of(settings.beta, config.total_timesteps)
        self.train_period = Fraction(freq, n)
        starts = -(-config.num_steps_sampled_before_learning_starts // freq)  # rounds are at multiples of freq
        self.learning_starts = Fraction(max(starts, 1) * freq, n)
        self.draws = Draws(config.seed, "minibatch")
        self.steps_before, self.steps = before.steps, 0  # before: of the environments; then of all of them at once
        self.due = 0  # rounds that were due since this reactor runs
        self.drawn = before.gradient_steps  # minibatches, those of the runs that this one resumes included
        self.places = np.zeros((0, config.train_batch_size), np.int64)  # of the last round's minibatches

    @reaction(triggers=[td_errors])
    def prioritise(self, td_errors: Array) -> None:
        """Take over the errors of the minibatches that were drawn last."""
        if self.priorities is not None:
            self.priorities.learn(self.places, td_errors[: len(self.places)])

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
        self.ring.store(obs, action - self.first_action, reward, terminated, truncated, final_obs, next_obs)
        if self.priorities is not None:
            self.priorities.replace(self.ring.added(), self.ring.dropped())
        self.steps += 1
        env_steps[()] = self.steps * self.ring.num_envs

    @reaction(
        effects=[observations, actions, returns, discounts, next_observations, importance, rounds],
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
        importance: Array,
        rounds: Array,
    ) -> None:
        """Draw the minibatches of the rounds that are due, with replacement: uniform over what the ring holds,
        or in proportion to priorities. While it holds nothing, rounds are left out.
        """
        due = int((self.steps - self.learning_starts) // self.train_period) + 1
        rounds[()] = due - self.due if len(self.ring) else 0
        self.due = due
        count = int(rounds) * self.config.gradient_steps
        self.places = self._draw(count)
        outputs = (observations, actions, returns, discounts, next_observations)
        batch = Batch(*(output[:count] for output in outputs))
        self.ring.gather(self.places, self.config.n_step, self.config.gamma, batch)
        importance[:count] = self._importance()
        if not np.isfinite(batch.returns).all():
            bad = np.flatnonzero(~np.isfinite(self.ring.rewards).all(0)).tolist()
            raise ValueError(f"rewards are not finite (environments {bad})")

    def _draw(self, count: int) -> Places:
        """The places of the next `count` minibatches, `[count, train_batch_size]`."""
        batch = np.arange(self.drawn, self.drawn + count)[:, None]
        row = np.arange(self.config.train_batch_size)
        self.drawn += count
        if not count:
            return np.zeros((0, len(row)), np.int64)
        if self.priorities is not None:
            return self.priorities.draw(self.draws.uniform(batch, row))
        return self.ring.places(self.draws.integers(len(self.ring), batch, row))

    def _importance(self) -> npt.NDArray[np.float32] | float:
        if self.priorities is None:
            return 1.0
        steps = self.steps_before + self.steps * self.ring.num_envs
        return self.priorities.weights(self.places, self.beta.at(steps))

    def arrays(self) -> dict[str, Array]:
        """Copies of what is held, for a checkpoint."""
        priorities = {} if self.priorities is None else under("priorities", self.priorities.arrays())
        return {"places": self.places.copy(), **under("ring", self.ring.arrays()), **priorities}

    def load(self, arrays: dict[str, Array], exact: bool) -> None:
        """The inverse of `arrays`; if not `exact`, what is stored next does not go on from what was stored last."""
        self.places = np.array(arrays["places"], np.int64)
        self.ring.load(section(arrays, "ring"))
        if self.priorities is not None:
            self.priorities.load(section(arrays, "priorities"))
        if not exact:
            self.ring.break_off()
            if self.priorities is not None:
                self.priorities.replace(self.ring.added(), self.ring.dropped())
