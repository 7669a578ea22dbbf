"""DQN (Mnih et al. 2015) as a reactor program: one loss, one learner, one topology.

envs     -- obs, delay 1 ------------> policy    each tag: act
policy   -- action ------------------> envs      each tag: step
envs     -- obs, reward, ends -------> replay    each tag: store
replay   -- minibatches -------------> learner   every train_freq environment steps: sample, learn
                                       learner   every target_network_update_freq: sync_target
learner  -- weights, weights_delay --> policy    each time it has learned
learner  -- td_errors, delay 1 ------> replay    each time it has learned: prioritise
"""

from __future__ import annotations

import copy
import time
from collections.abc import Mapping
from fractions import Fraction
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import torch
from gymnasium import spaces
from torch import Tensor, nn

from reactvec import EnvBank, InputPort, OutputPort, Topology, port_type, reaction

from .algorithm import Algorithm
from .checkpoint import differing, section, under
from .checks import ConfigError
from .dqn_config import DQNConfig
from .draws import Draws
from .env_runner import EpsilonGreedy
from .episodes import StepStatistics
from .export import CategoryActions, GreedyPolicy
from .frame_stack import frame_stack
from .learner import Learner
from .observations import as_tensors
from .parameters import FlatParameters
from .piecewise import Piecewise
from .policy import BlockInference, build_network, check_outputs
from .replay_buffer import ReplayBuffer
from .transition_ring import TransitionRing

Array = npt.NDArray[Any]

BATCH_PORTS = ("observations", "actions", "returns", "discounts", "next_observations", "importance")


def dqn_targets(returns: Tensor, discounts: Tensor, target_values: Tensor, chooser_values: Tensor) -> Tensor:
    """Targets `[B]`: `returns + discounts * target_values[argmax(chooser_values)]`, values `[B, actions]`.

    With the target network's own values as chooser this is DQN (Mnih et al. 2015), with the online network's
    it is double DQN (van Hasselt et al. 2016).
    """
    choice = chooser_values.argmax(1, keepdim=True)
    return torch.addcmul(returns, discounts, target_values.gather(1, choice).squeeze(1))


def dqn_loss(predicted: Tensor, targets: Tensor, importance: Tensor) -> Tensor:
    """Mean of the Huber losses of `predicted` against `targets`, each times its `importance`; all `[B]`.

    Weights of importance scale the TD errors of a minibatch in its gradient (Schaul et al. 2016, section 3.4).
    """
    return (importance * nn.functional.smooth_l1_loss(predicted, targets, reduction="none")).mean()


class DQNLearner(Learner):
    """Fits action values to targets by gradient steps, and updates the target network."""

    env_steps = InputPort((), np.int64)
    rounds = InputPort((), np.int64)
    observations = InputPort()
    actions = InputPort(dtype=np.int64)
    returns = InputPort(dtype=np.float32)
    discounts = InputPort(dtype=np.float32)
    next_observations = InputPort()
    importance = InputPort(dtype=np.float32)
    weights = OutputPort(dtype=np.float32)
    td_errors = OutputPort(dtype=np.float32)
    saved: ClassVar[tuple[str, ...]] = (*Learner.saved, "_syncs")

    def __init__(
        self, module: nn.Module, replay: ReplayBuffer, space: Any, config: DQNConfig, steps_before: int
    ) -> None:
        batch = {name: (replay.ports[name].shape, replay.ports[name].dtype) for name in BATCH_PORTS}
        self.target = copy.deepcopy(module).requires_grad_(False)
        parameters = FlatParameters(module)
        super().__init__(
            module,
            parameters,
            lr=Piecewise.of(config.lr, config.total_timesteps),
            grad_clip=config.grad_clip,
            adam_epsilon=config.adam_epsilon,
            steps_before=steps_before,
            weights=((parameters.values.numel(),), np.float32),
            td_errors=batch["returns"],
            **batch,
        )
        self.target_parameters = FlatParameters(self.target)
        self.space, self.device = space, config.device
        self.batches, self.double_q, self.tau = config.gradient_steps, config.double_q, config.tau
        self.target_freq = config.target_network_update_freq
        self.target_period = Fraction(config.target_network_update_freq, replay.ring.num_envs)
        self._syncs = 0

    @reaction(sources=[env_steps], period="target_period", offset="target_period")
    def sync_target(self, env_steps: Array) -> None:
        """Move the target network towards the online one, by `tau` for each update that is due."""
        due = int(env_steps) // self.target_freq
        share = 1 - (1 - self.tau) ** (due - self._syncs)
        self._syncs = due
        self.target_parameters.values.lerp_(self.parameters.values.detach(), share)

    @reaction(
        triggers=[observations, actions, returns, discounts, next_observations, importance, rounds],
        sources=[env_steps],
        effects=[weights, td_errors],
    )
    def learn(
        self,
        observations: Array,
        actions: Array,
        returns: Array,
        discounts: Array,
        next_observations: Array,
        importance: Array,
        rounds: Array,
        env_steps: Array,
        weights: Array,
        td_errors: Array,
    ) -> None:
        """Take the gradient steps of the rounds that are due; send the weights, and the TD errors back."""
        begin = time.perf_counter()
        count = int(rounds) * self.batches
        self.set_lr(int(env_steps))
        chosen, sums, discount, share = (
            torch.from_numpy(array[:count].copy()).to(self.device)
            for array in (actions, returns, discounts, importance)
        )
        errors = torch.empty_like(sums)
        for batch in range(count):
            errors[batch] = self.learn_batch(
                as_tensors(self.space, observations[batch], self.device),
                chosen[batch, :, None],
                sums[batch],
                discount[batch],
                as_tensors(self.space, next_observations[batch], self.device),
                share[batch],
            )
        if count:
            self.check_finite("qf_loss", int(env_steps))
        weights[...] = self.parameters.numpy()
        td_errors[:count] = errors.cpu().numpy()
        self.seconds += time.perf_counter() - begin

    def learn_batch(
        self,
        observations: Any,
        actions: Tensor,
        returns: Tensor,
        discounts: Tensor,
        next_observations: Any,
        importance: Tensor,
    ) -> Tensor:
        """One gradient step on the loss of a minibatch; returns its TD errors `[B]`."""
        with torch.no_grad():
            values = self.target(next_observations)
            chooser = self.module(next_observations) if self.double_q else values
            targets = dqn_targets(returns, discounts, values, chooser)
        with torch.enable_grad():  # the caller may have it off
            predicted = self.module(observations).gather(1, actions).squeeze(1)
            loss = dqn_loss(predicted, targets, importance)
        self.descend(loss)
        self.log("qf_loss", loss)
        errors: Tensor = predicted.detach() - targets
        return errors


class DQN(Algorithm[DQNConfig]):
    """Deep Q-learning with n-step targets, double Q and dueling networks as the config says."""

    config_class = DQNConfig
    learner: DQNLearner

    def _assemble(self, topology: Topology) -> None:
        config, before, space = self.config, self._before, self.observation_space
        self.actions = self._discrete_actions()
        if self.statistics.has_reset_rows:
            raise ConfigError(
                "this vector env has autoreset_mode=NEXT_STEP; build it with "
                "autoreset_mode=gymnasium.vector.AutoresetMode.SAME_STEP, so that each step is a transition"
            )
        self._explore_draws = Draws(config.seed, "predict")
        module = build_network(config.model, space, self.action_space, dueling=config.dueling, seed=config.seed).to(
            config.device
        )
        acting = copy.deepcopy(module).requires_grad_(False).eval()
        self.replay = topology.add("replay", self._make_replay())
        self.learner = topology.add(
            "learner", DQNLearner(module, self.replay, space, config, steps_before=before.steps)
        )
        self.policy = topology.add(
            "policy",
            EpsilonGreedy(
                FlatParameters(acting),
                BlockInference(acting, space, config.inference_rows, config.device),
                space,
                self.actions,
                self.num_envs,
                epsilon=Piecewise.of(config.epsilon, config.total_timesteps),
                seed=config.seed,
                steps_before=before.steps,
            ),
        )
        check_outputs(acting, space, int(self.actions.n), config.device)
        self._connect(topology)

    def _discrete_actions(self) -> spaces.Discrete:
        if not isinstance(self.action_space, spaces.Discrete):
            raise ConfigError(f"DQN chooses among Discrete actions, not {self.action_space}; wrap the environment")
        return self.action_space

    def _make_inference(self) -> BlockInference:
        return BlockInference(
            self.learner.module, self.observation_space, self.config.inference_rows, self.config.device
        )

    def _greedy(self) -> GreedyPolicy:
        actions = CategoryActions(self.actions, [int(self.actions.n)], [int(self.actions.start)])
        return GreedyPolicy(self.learner.module, actions)

    def _make_replay(self) -> ReplayBuffer:
        config, space = self.config, self.observation_space
        settings = config.replay_buffer_config
        env = self.envs.envs[0] if isinstance(self.envs, EnvBank) else None
        try:
            stack = frame_stack(settings.frame_stack, env, space)
            ring = TransitionRing(settings.capacity, self.num_envs, *port_type(space), stack)
        except ValueError as error:
            raise ConfigError(f"replay_buffer_config: {error}") from None
        return ReplayBuffer(ring, self.actions, config, self._before)

    def _connect(self, topology: Topology) -> None:
        envs, policy, replay, learner = self.envs, self.policy, self.replay, self.learner
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

    def _runner_metrics(self) -> dict[str, float]:
        return self.policy.metrics()

    def _actions(self, outputs: Array, explore: bool) -> Array:
        actions = outputs.argmax(1)
        if explore:
            rows, n = np.arange(len(outputs)), int(self.actions.n)
            luck = self._explore_draws.uniform(self._predictions, rows, 0)
            random = self._explore_draws.integers(n, self._predictions, rows, 1)
            actions = np.where(luck < self.policy.metrics()["epsilon"], random, actions)
        moved: Array = actions + int(self.actions.start)
        return moved

    def _spread_weights(self) -> None:
        values = self.learner.parameters.numpy()
        self.policy.parameters.load(values)
        self.learner.target_parameters.load(values)
        for under_way in self.execution.slots(self.learner.weights):
            under_way[...] = values

    def _arrays(self) -> dict[str, Array]:
        return {"target": self.learner.target_parameters.numpy().copy()}

    def _load_arrays(self, arrays: Mapping[str, Array]) -> None:
        self.learner.target_parameters.load(arrays["target"])

    def _memory(self) -> dict[str, Array] | None:
        if not self.config.save_replay_buffer:
            return None
        return {"acting": self.policy.parameters.numpy().copy(), **under("replay", self.replay.arrays())}

    def _load_memory(self, arrays: Mapping[str, Array], exact: bool) -> None:
        own = self.replay.arrays()
        kept = section(arrays, "replay")
        if exact or not set(differing(kept, own)) - {"places", "ring/finals"}:  # which grow
            self.replay.load(kept, exact)
        if exact:
            self.policy.parameters.load(arrays["acting"])
