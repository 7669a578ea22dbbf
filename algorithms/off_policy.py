"""OffPolicy: what algorithms share that learn from a replay buffer."""

from __future__ import annotations

from typing import Any, TypeVar

from gymnasium import spaces

from reactvec import EnvBank, Topology, port_type

from .algorithm import Algorithm
from .checks import ConfigError
from .episodes import StepStatistics
from .frame_stack import frame_stack
from .kept_actions import KeptActions
from .off_policy_config import OffPolicyConfig
from .replay_buffer import BATCH_PORTS, ReplayBuffer
from .transition_ring import TransitionRing

C = TypeVar("C", bound=OffPolicyConfig)


class OffPolicy(Algorithm[C]):
    """An algorithm whose learner gets minibatches of transitions, and gives weights and TD errors."""

    replay: ReplayBuffer

    def _make_replay(self, action_space: spaces.Discrete | spaces.Box) -> ReplayBuffer:
        """The replay buffer of this environment; ConfigError where it can have none."""
        if self.statistics.has_reset_rows:
            raise ConfigError(
                "this vector env has autoreset_mode=NEXT_STEP; build it with "
                "autoreset_mode=gymnasium.vector.AutoresetMode.SAME_STEP, so that each step is a transition"
            )
        config, space, kept = self.config, self.observation_space, KeptActions(action_space)
        settings = config.replay_buffer_config
        env = self.envs.envs[0] if isinstance(self.envs, EnvBank) else None
        try:
            stack = frame_stack(settings.frame_stack, env, space)
            ring = TransitionRing(settings.capacity, self.num_envs, *port_type(space), stack, kept.shape, kept.dtype)
        except ValueError as error:
            raise ConfigError(f"replay_buffer_config: {error}") from None
        return ReplayBuffer(ring, action_space, config, self._before)

    def _connect(self, topology: Topology, policy: Any, learner: Any) -> None:
        """Connect environments, policy, replay, learner and statistics."""
        envs, replay = self.envs, self.replay
        topology.connect(envs.obs, policy.obs, delay=1)
        topology.connect(policy.action, envs.action)
        topology.connect(envs.obs, replay.obs, delay=1)
        topology.connect(envs.obs, replay.next_obs)
        topology.connect(policy.action, replay.action)
        for name in ("reward", "terminated", "truncated", "final_obs"):
            topology.connect(getattr(envs, name), getattr(replay, name))
        for name in (*BATCH_PORTS, "rounds", "env_steps"):
            topology.connect(getattr(replay, name), getattr(learner, name))
        topology.connect(learner.weights, policy.weights, delay=self.config.weights_delay)
        topology.connect(learner.td_errors, replay.td_errors, delay=1)
        statistics = topology.add("statistics", StepStatistics(self.statistics, self.num_envs))
        for name in ("reward", "terminated", "truncated"):
            topology.connect(getattr(envs, name), getattr(statistics, name))
