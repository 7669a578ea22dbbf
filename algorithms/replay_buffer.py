"""The replay buffer: the reactor that keeps transitions and draws minibatches of them."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from reactvec import InputPort, OutputPort, Reactor, present, reaction

from .checkpoint import section, under
from .draws import Draws
from .off_policy_config import OffPolicyConfig
from .piecewise import Piecewise
from .priorities import Priorities
from .progress import Progress
from .transition_ring import Batch, TransitionRing

Array = npt.NDArray[Any]
Places = npt.NDArray[np.int64]

BATCH_PORTS = ("observations", "actions", "returns", "discounts", "next_observations", "importance")


class ReplayBuffer(Reactor):
    """Stores every transition and, periodically, emits the minibatches of a round of learning.

    Rounds that fall due in one step of all environments are drawn together: `rounds` counts them, and the
    first `rounds * gradient_steps` minibatches of the ports are valid. The TD errors of what was drawn come back
    a tag later, before anything is overwritten. Between rounds there is no Python: steps are stored by a kernel, and
    what they do to priorities is made up for when priorities are needed.
    """

    obs = InputPort()  # what was acted on: the environments' observation of the tag before
    action = InputPort()  # as the ring keeps it
    reward = InputPort()
    terminated = InputPort(dtype=np.bool_)
    truncated = InputPort(dtype=np.bool_)
    valid = InputPort(dtype=np.bool_)
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
    env_steps = OutputPort((), np.int64)  # environment steps of this run so far
    saved: ClassVar[tuple[str, ...]] = ("settled", "due", "drawn")

    def __init__(
        self, ring: TransitionRing, config: OffPolicyConfig, before: Progress, *, every_tag: bool = False
    ) -> None:
        n, freq, settings = ring.num_envs, config.train_freq, config.replay_buffer_config
        obs_shape, obs_dtype = ring.observations.shape, ring.observations.dtype
        leading = (-(-n // freq) * config.gradient_steps, config.train_batch_size)
        ports: dict[str, tuple[tuple[int, ...], npt.DTypeLike]] = {
            **dict.fromkeys(("obs", "final_obs", "next_obs"), ((n, *obs_shape), obs_dtype)),
            **dict.fromkeys(("terminated", "truncated", "valid"), ((n,), np.bool_)),
            **dict.fromkeys(("observations", "next_observations"), ((*leading, *obs_shape), obs_dtype)),
            **dict.fromkeys(("returns", "discounts", "importance", "td_errors"), (leading, np.float32)),
        }
        super().__init__(
            bank=None,
            action=(ring.actions.shape[1:], ring.actions.dtype),
            reward=((n,), np.float64),
            actions=((*leading, *ring.actions.shape[2:]), ring.actions.dtype),
            **ports,
        )
        self.ring, self.config = ring, config
        self.priorities: Priorities | None = None
        if settings.prioritized:
            self.priorities = Priorities(ring.ends.size, settings.alpha, settings.priority_epsilon)
        self.beta = Piecewise.of(settings.beta, config.total_timesteps)
        self.first_round = max(-(-config.num_steps_sampled_before_learning_starts // freq), 1)  # times freq
        # With rows that are no steps it is not known beforehand in which tag a round falls due.
        self.train_period = Fraction(1) if every_tag else Fraction(freq, n)
        self.learning_starts = Fraction(1) if every_tag else Fraction(self.first_round * freq, n)
        self.draws = Draws(config.seed, "minibatch")
        self.steps_before = before.steps
        self.settled = 0  # tags whose transitions have their priorities
        self.due = 0  # rounds that were due since this reactor runs
        self.drawn = before.gradient_steps  # minibatches, those of the runs that this one resumes included
        self.places = np.zeros((0, config.train_batch_size), np.int64)  # of the last round's minibatches

    @reaction(triggers=[td_errors])
    def prioritise(self, td_errors: Array) -> None:
        """Take over the errors of the minibatches that were drawn last."""
        if self.priorities is not None:
            self.priorities.learn(self.places, td_errors[: len(self.places)])

    @reaction(
        sources=[obs, action, reward, terminated, truncated, final_obs, next_obs, valid],
        effects=[env_steps],
        native=True,
    )
    def store(self) -> object:
        """The kernel that keeps one transition per environment."""
        return self.ring.writer.kernel_of_store()

    def fault(self, entry: Any, code: int, ports: Sequence[Array]) -> Exception:
        """What is wrong with the frames that `store` was given."""
        return ValueError(self.ring.observations.complaint(code))

    def settle(self) -> None:
        """Give the largest priority to what was stored since the last time, and none to what left."""
        if self.priorities is not None:
            places, held = self.ring.touched(self.ring.writer.tags - self.settled)
            self.priorities.replace(places[held], places[~held])
            self.settled = self.ring.writer.tags

    @reaction(
        effects=[observations, actions, returns, discounts, next_observations, importance, rounds, present(rounds)],
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
        any_round: Array,
    ) -> None:
        """Draw the minibatches of the rounds that are due, with replacement: uniform over what the ring holds,
        or in proportion to priorities. Where none is due, or nothing is held, `rounds` is absent.
        """
        due = max(self.ring.writer.steps // self.config.train_freq - self.first_round + 1, 0)
        rounds[()] = due - self.due if len(self.ring) else 0
        self.due = due
        if not rounds:
            any_round[...] = False
            return
        self.settle()
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
        if self.priorities is not None:
            return self.priorities.draw(self.draws.uniform(batch, row))
        return self.ring.places(self.draws.integers(len(self.ring), batch, row))

    def _importance(self) -> npt.NDArray[np.float32] | float:
        if self.priorities is None:
            return 1.0
        steps = self.steps_before + self.ring.writer.steps
        return self.priorities.weights(self.places, self.beta.at(steps))

    def arrays(self) -> dict[str, Array]:
        """What is held, for a checkpoint: views, but for counters."""
        priorities = {}
        if self.priorities is not None:
            priorities = under("priorities", {**self.priorities.arrays(), "settled": np.array(self.settled)})
        return {"places": self.places, **under("ring", self.ring.state()), **priorities}

    def load(self, arrays: dict[str, Array], exact: bool) -> None:
        """The inverse of `arrays`; if not `exact`, what is stored next does not go on from what was stored last."""
        self.places = np.array(arrays["places"], np.int64)
        self.ring.load(section(arrays, "ring"))
        if self.priorities is not None:
            self.priorities.load(section(arrays, "priorities"))
        if not exact:
            self._break_off(arrays)

    def _break_off(self, arrays: dict[str, Array]) -> None:
        """Let nothing that is stored next go on from what was stored last."""
        if self.priorities is not None:
            self.settled = int(arrays["priorities/settled"])
        self.settle()
        self.ring.break_off()
        if self.priorities is not None:
            places, held = self.ring.touched(1)
            self.priorities.replace(places[held], places[~held])
        self.settled = 0
