"""DQN (Mnih et al. 2015) as a reactor program: one loss, one learner, one topology.

envs     -- obs, delay 1 ------------> policy    each tag: act
policy   -- action ------------------> envs      each tag: step
envs     -- obs, reward, ends -------> replay    each tag: store
replay   -- env_steps, delay 1 ------> policy    each tag: how far epsilon has come
replay   -- minibatches -------------> learner   every train_freq environment steps: sample, learn
learner  -- weights, weights_delay --> policy    each time it has learned
learner  -- td_errors, delay 1 ------> replay    each time it has learned: prioritise
"""

from __future__ import annotations

import copy
import time
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import torch
from gymnasium import spaces
from torch import Tensor, nn

from reactvec import EnvBank, InputPort, OutputPort, Topology, port_type, reaction

from .algorithm import Algorithm
from .backends import kernel_or_reason, learner_kernel_or_reason
from .checkpoint import differing, section, under
from .checks import ConfigError
from .dqn_config import DQNConfig
from .dqn_kernel import KernelFit
from .draws import Draws
from .environments import learner_workers
from .episodes import StepStatistics
from .epsilon_greedy import KernelEpsilonGreedy, TorchEpsilonGreedy
from .export import CategoryActions, GreedyPolicy
from .frame_stack import frame_stack
from .heads import make_head
from .kernels.q_network import QNetworkKernel
from .learner import Learner
from .observations import as_tensors
from .parameters import FlatParameters
from .piecewise import Piecewise
from .policy import BlockInference, QInference, build_network, check_outputs, q_network_kernel
from .replay_buffer import ReplayBuffer
from .transition_ring import Batch, TransitionRing

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
        self,
        module: nn.Module,
        replay: ReplayBuffer,
        policy: KernelEpsilonGreedy | TorchEpsilonGreedy,
        space: Any,
        config: DQNConfig,
        steps_before: int,
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
            weights=(policy.weights.shape, np.float32),
            td_errors=batch["returns"],
            **batch,
        )
        self.target_parameters = FlatParameters(self.target)
        self.space, self.device = space, config.device
        self.batches, self.double_q, self.tau = config.gradient_steps, config.double_q, config.tau
        self.send = policy.send
        self.by_kernel: KernelFit | None = None
        self.target_freq = config.target_network_update_freq
        self._syncs = 0

    def sync_target(self, env_steps: int) -> None:
        """Move the target network towards the online one, by `tau` for each update that has fallen due in this run.

        While the online network stands still it does not matter when: so it is made up for when somebody looks.
        """
        due = env_steps // self.target_freq
        if due > self._syncs:
            share = 1 - (1 - self.tau) ** (due - self._syncs)
            self._syncs = due
            self.target_parameters.values.lerp_(self.parameters.values.detach(), share)

    @reaction(
        triggers=[rounds],
        sources=[observations, actions, returns, discounts, next_observations, importance, env_steps],
        effects=[weights, td_errors],
    )
    def learn(
        self,
        rounds: Array,
        observations: Array,
        actions: Array,
        returns: Array,
        discounts: Array,
        next_observations: Array,
        importance: Array,
        env_steps: Array,
        weights: Array,
        td_errors: Array,
    ) -> None:
        """Update the target network, take the gradient steps of the rounds that are due; send the weights, and the TD
        errors back.
        """
        begin, count = time.perf_counter(), int(rounds) * self.batches
        self.sync_target(int(env_steps))
        self.set_lr(int(env_steps))
        drawn = (observations, actions, returns, discounts, next_observations)
        batch = Batch(*(array[:count] for array in drawn))
        fit = self._fit if self.by_kernel is None else self._fit_by_kernel
        fit(batch, importance[:count], td_errors[:count])
        self.check_finite("qf_loss", int(env_steps))
        self.send(self.parameters.numpy(), weights)
        self.seconds += time.perf_counter() - begin

    def _fit_by_kernel(self, batch: Batch, importance: Array, td_errors: Array) -> None:
        """What `_fit` does, but for the last bits."""
        assert self.by_kernel is not None
        loss = self.by_kernel.fit(batch, importance, td_errors, self.target_parameters.numpy(), self.current_lr)
        self.log("qf_loss", torch.tensor(loss), len(importance))
        self.gradient_steps += len(importance)

    def _fit(self, batch: Batch, importance: Array, td_errors: Array) -> None:
        """A gradient step on each minibatch `[k, ...]`; writes `td_errors`."""
        numbers = (batch.actions, batch.returns, batch.discounts, importance)
        chosen, sums, discount, share = (torch.from_numpy(array.copy()).to(self.device) for array in numbers)
        errors = torch.empty_like(sums)
        for k in range(len(errors)):
            errors[k] = self.learn_batch(
                as_tensors(self.space, batch.observations[k], self.device),
                chosen[k, :, None],
                sums[k],
                discount[k],
                as_tensors(self.space, batch.next_observations[k], self.device),
                share[k],
            )
        td_errors[...] = errors.cpu().numpy()

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
    net: QNetworkKernel | str
    learner_net: QNetworkKernel | str

    def _assemble(self, topology: Topology) -> None:
        config, before, space = self.config, self._before, self.observation_space
        if not isinstance(self.action_space, spaces.Discrete):
            raise ConfigError(f"DQN chooses among Discrete actions, not {self.action_space}; wrap the environment")
        self.actions = self.action_space
        self._explore_draws = Draws(config.seed, "predict")
        self.epsilon = Piecewise.of(config.epsilon, config.total_timesteps)
        module = build_network(config.model, space, self.actions, dueling=config.dueling, seed=config.seed).to(
            config.device
        )
        check_outputs(module, space, int(self.actions.n), config.device)
        self.net = kernel_or_reason(config.inference_backend, "inference_backend", self._network_kernel)
        self.replay = topology.add("replay", self._make_replay())
        self.policy = topology.add("policy", self._make_policy(module))
        learner = DQNLearner(module, self.replay, self.policy, space, config, steps_before=before.steps)
        self.learner = topology.add("learner", learner)
        self.learner_net = learner_kernel_or_reason(config.learner_backend, config.device, self._network_kernel)
        if not isinstance(self.learner_net, str):
            learner.by_kernel = KernelFit(self.learner_net, learner.parameters, config, learner_workers(config))
        self._connect(topology)

    def _network_kernel(self) -> QNetworkKernel | str:
        config = self.config
        return q_network_kernel(config.model, self.observation_space, int(self.actions.n), config.dueling)

    def _make_policy(self, module: nn.Module) -> KernelEpsilonGreedy | TorchEpsilonGreedy:
        config, space, epsilon = self.config, self.observation_space, self.epsilon
        head = make_head(self.actions, config.seed, "action", False)
        acting = FlatParameters(copy.deepcopy(module).requires_grad_(False).eval())
        if isinstance(self.net, str):
            inference = BlockInference(acting.module, space, config.inference_rows, config.device)
            return TorchEpsilonGreedy(
                acting, inference, self.actions, self.num_envs, epsilon, config.seed, self._before
            )
        policy = KernelEpsilonGreedy(
            self.net, head, self.num_envs, epsilon, config.seed, self._before, spread=self.spread
        )
        policy.load(acting.numpy())
        return policy

    def _make_inference(self) -> BlockInference | QInference:
        config, learner = self.config, self.learner
        if not isinstance(self.net, str):
            return QInference(self.net, learner.parameters)
        return BlockInference(learner.module, self.observation_space, config.inference_rows, config.device)

    def _greedy(self) -> GreedyPolicy:
        actions = CategoryActions(self.actions, [int(self.actions.n)], [int(self.actions.start)])
        return GreedyPolicy(self.learner.module, actions)

    def _make_replay(self) -> ReplayBuffer:
        config, space = self.config, self.observation_space
        settings = config.replay_buffer_config
        env = self.envs.envs[0] if isinstance(self.envs, EnvBank) else None
        try:
            stack = frame_stack(settings.frame_stack, env, space)
            ring = TransitionRing(
                settings.capacity, self.num_envs, *port_type(space), stack, reset_rows=self.statistics.has_reset_rows
            )
        except ValueError as error:
            raise ConfigError(f"replay_buffer_config: {error}") from None
        return ReplayBuffer(ring, config, self._before, every_tag=self.statistics.has_reset_rows)

    def _connect(self, topology: Topology) -> None:
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

    def _after_advancing(self) -> None:
        self.counter.count_until(self.replay.ring.writer.tags)

    def _runner_metrics(self) -> dict[str, float]:
        return {"epsilon": self.epsilon.at(self.progress.steps)}

    def _actions(self, outputs: Array, explore: bool) -> Array:
        actions = outputs.argmax(1)
        if explore:
            rows, n = np.arange(len(outputs)), int(self.actions.n)
            luck = self._explore_draws.uniform(self._predictions, rows, 0)
            random = self._explore_draws.integers(n, self._predictions, rows, 1)
            actions = np.where(luck < self.epsilon.at(self.progress.steps), random, actions)
        moved: Array = actions + int(self.actions.start)
        return moved

    def _spread_weights(self) -> None:
        values = self.learner.parameters.numpy()
        self.policy.load(values)
        self.learner.target_parameters.load(values)
        for under_way in self.execution.slots(self.learner.weights):
            self.policy.send(values, under_way)

    def _arrays(self) -> dict[str, Array]:
        self.learner.sync_target(self.statistics.steps)
        return {"target": self.learner.target_parameters.numpy().copy()}

    def _load_arrays(self, arrays: Mapping[str, Array]) -> None:
        self.learner.target_parameters.load(arrays["target"])

    def _memory(self) -> dict[str, Array] | None:
        if not self.config.save_replay_buffer:
            return None
        return {"acting": self.policy.acting(), **under("replay", self.replay.arrays())}

    def _load_memory(self, arrays: Mapping[str, Array], exact: bool) -> None:
        own = self.replay.arrays()
        kept = section(arrays, "replay")
        if exact or not set(differing(kept, own)) - {"places", "ring/finals", "ring/free"}:  # which grow
            self.replay.load(kept, exact)
        if exact:
            self.policy.act_by(arrays["acting"])
