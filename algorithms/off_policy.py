"""OffPolicy: what algorithms share that learn from a replay buffer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from reactvec import EnvBank, Topology, port_type

from .algorithm import Algorithm
from .checkpoint import differing, section, under
from .checks import ConfigError
from .env_runner import VectorEnvReactor
from .episodes import StepStatistics
from .frame_stack import frame_stack
from .off_policy_config import OffPolicyConfig
from .off_policy_learner import OffPolicyLearner
from .replay_buffer import BATCH_PORTS, ReplayBuffer
from .transition_ring import GROWING, TransitionRing

Array = npt.NDArray[Any]
C = TypeVar("C", bound=OffPolicyConfig)


class OffPolicy(Algorithm[C]):
    """An algorithm whose policy gives choices to a replay buffer, whose learner gets minibatches of them."""

    policy: Any
    replay: ReplayBuffer
    learner: OffPolicyLearner

    def _make_replay(self, choice_shape: tuple[int, ...] = (), choice_dtype: npt.DTypeLike = np.int64) -> ReplayBuffer:
        """The replay buffer of this environment, for choices of this kind; ConfigError where it can have none."""
        config, space, settings = self.config, self.observation_space, self.config.replay_buffer_config
        env = self.envs.envs[0] if isinstance(self.envs, EnvBank) else None
        try:
            stack = frame_stack(settings.frame_stack, env, space)
            ring = TransitionRing(
                settings.capacity,
                self.num_envs,
                *port_type(space),
                stack,
                action_shape=choice_shape,
                action_dtype=choice_dtype,
            )
        except ValueError as error:
            raise ConfigError(f"replay_buffer_config: {error}") from None
        return ReplayBuffer(ring, config, self._before, every_tag=isinstance(self.envs, VectorEnvReactor))

    def _connect(self, topology: Topology) -> None:
        """Connect environments, policy, replay, learner and statistics."""
        envs, policy, replay, learner = self.envs, self.policy, self.replay, self.learner
        topology.connect(envs.obs, policy.obs, delay=1)
        topology.connect(policy.action, envs.action)
        topology.connect(envs.obs, replay.obs, delay=1)
        topology.connect(envs.obs, replay.next_obs)
        topology.connect(policy.choice, replay.action)
        topology.connect(replay.env_steps, policy.env_steps, delay=1, initial=0)
        for name in ("reward", "terminated", "truncated", "final_obs"):
            topology.connect(getattr(envs, name), getattr(replay, name))
        for name in (*BATCH_PORTS, "rounds", "env_steps"):
            topology.connect(getattr(replay, name), getattr(learner, name))
        topology.connect(learner.weights, policy.weights, delay=self.config.weights_delay)
        topology.connect(learner.td_errors, replay.td_errors, delay=1)
        self.counter = topology.add("statistics", StepStatistics(self.statistics, self.num_envs))
        for name in ("reward", "terminated", "truncated"):
            topology.connect(getattr(envs, name), getattr(self.counter, name))
        for reader in (replay, self.counter):
            self._connect_valid(topology, reader.valid)

    def _after_advancing(self) -> None:
        self.counter.count_until(self.replay.ring.writer.tags)

    def _spread_weights(self) -> None:
        super()._spread_weights()
        self.learner.align_target()

    def _arrays(self) -> dict[str, Array]:
        return {"target": self.learner.target_parameters.numpy().copy()}

    def _load_arrays(self, arrays: Mapping[str, Array]) -> None:
        self.learner.target_parameters.load(arrays["target"])

    @property
    def saves_memory(self) -> bool:
        """See Restorable."""
        return self.config.save_replay_buffer

    def _memory(self) -> dict[str, Array]:
        return {"acting": self.policy.acting(), **under("replay", self.replay.arrays())}

    def _load_memory(self, arrays: Mapping[str, Array], exact: bool) -> bool:
        own = self.replay.arrays()
        kept = section(arrays, "replay")
        fits = exact or not set(differing(kept, own)) - {"places", *(f"ring/{name}" for name in GROWING)}
        if fits:
            self.replay.load(kept, exact)
        if exact:
            self.policy.act_by(arrays["acting"])
        return fits
