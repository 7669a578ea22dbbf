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
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from gymnasium import spaces
from torch import Tensor, nn

from reactvec import Topology

from .backends import kernel_or_reason, learner_kernel_or_reason
from .checks import ConfigError
from .dqn_config import DQNConfig
from .dqn_kernel import KernelFit
from .draws import Draws
from .environments import learner_workers
from .epsilon_greedy import KernelEpsilonGreedy, TorchEpsilonGreedy
from .export import CategoryActions, GreedyPolicy
from .heads import make_head
from .inference import BlockInference, KernelInference
from .kernels.q_network import QNetworkKernel
from .observations import as_tensors
from .off_policy import OffPolicy
from .off_policy_learner import OffPolicyLearner, bootstrapped
from .parameters import FlatParameters
from .piecewise import Piecewise
from .progress import Progress
from .q_network import build_network, check_outputs, q_network_kernel
from .replay_buffer import ReplayBuffer
from .transition_ring import Batch

Array = npt.NDArray[Any]


def dqn_targets(returns: Tensor, discounts: Tensor, target_values: Tensor, chooser_values: Tensor) -> Tensor:
    """Targets `[B]`: `returns + discounts * target_values[argmax(chooser_values)]`, values `[B, actions]`.

    With the target network's own values as chooser this is DQN (Mnih et al. 2015), with the online network's
    it is double DQN (van Hasselt et al. 2016).
    """
    choice = chooser_values.argmax(1, keepdim=True)
    return bootstrapped(returns, discounts, target_values.gather(1, choice).squeeze(1))


def dqn_loss(predicted: Tensor, targets: Tensor, importance: Tensor) -> Tensor:
    """Mean of the Huber losses of `predicted` against `targets`, each times its `importance`; all `[B]`.

    Weights of importance scale the TD errors of a minibatch in its gradient (Schaul et al. 2016, section 3.4).
    """
    return (importance * nn.functional.smooth_l1_loss(predicted, targets, reduction="none")).mean()


class DQNLearner(OffPolicyLearner):
    """Fits action values to targets by gradient steps, and updates the target network."""

    def __init__(
        self,
        module: nn.Module,
        replay: ReplayBuffer,
        policy: KernelEpsilonGreedy | TorchEpsilonGreedy,
        space: Any,
        config: DQNConfig,
        before: Progress,
    ) -> None:
        lr = Piecewise.of(config.lr, config.total_timesteps)
        super().__init__(module, copy.deepcopy(module), replay, policy, config, before, lrs=[lr])
        self.space, self.double_q = space, config.double_q
        self.by_kernel: KernelFit | None = None
        self.target_freq = config.target_network_update_freq
        self.synced = before.steps  # environment steps, over all runs, whose updates of the target network are made

    def sync_target(self, steps: int) -> None:
        """Move the target network towards the online one, by `tau` for each update that has fallen due in `steps`
        environment steps.

        Between rounds the online network stands still, so that it does not matter when: each round begins with it.
        """
        due = steps // self.target_freq - self.synced // self.target_freq
        share = 1 - (1 - self.tau) ** due
        self.synced = steps
        self.target_parameters.values.lerp_(self.parameters.values.detach(), share)

    def fit(self, batch: Batch, importance: Array, td_errors: Array, env_steps: int) -> None:
        """See OffPolicyLearner; the target network comes first."""
        self.sync_target(self.steps_before + env_steps)
        fit = self._fit if self.by_kernel is None else self._fit_by_kernel
        fit(batch, importance, td_errors)

    def align_target(self) -> None:
        """Copy the weights to the target network."""
        self.target_parameters.load(self.parameters.numpy())

    def _fit_by_kernel(self, batch: Batch, importance: Array, td_errors: Array) -> None:
        """What `_fit` does, but for the last bits."""
        assert self.by_kernel is not None
        loss = self.by_kernel.fit(batch, importance, td_errors, self.target_parameters.numpy(), self.current_lr)
        self.log("qf_loss", torch.tensor(loss), len(importance))

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


class DQN(OffPolicy[DQNConfig]):
    """Deep Q-learning with n-step targets, double Q and dueling networks as the config says."""

    config_class = DQNConfig
    learner: DQNLearner
    policy: KernelEpsilonGreedy | TorchEpsilonGreedy
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
            self.device
        )
        check_outputs(module, space, int(self.actions.n), self.device)
        self.net = kernel_or_reason(config.inference_backend, "inference_backend", self._network_kernel)
        self.learner_net = learner_kernel_or_reason(config.learner_backend, self.device, self._network_kernel)
        self.replay = topology.add("replay", self._make_replay())
        self.policy = topology.add("policy", self._make_policy(module))
        learner = DQNLearner(module, self.replay, self.policy, space, config, before)
        self.learner = topology.add("learner", learner)
        if not isinstance(self.learner_net, str):
            learner.by_kernel = KernelFit(self.learner_net, learner.parameters, config, learner_workers(config))
        self._connect(topology)

    def _network_kernel(self) -> QNetworkKernel | str:
        config = self.config
        return q_network_kernel(config.model, self.observation_space, int(self.actions.n), config.dueling)

    def _make_policy(self, module: nn.Module) -> KernelEpsilonGreedy | TorchEpsilonGreedy:
        config, epsilon = self.config, self.epsilon
        head = make_head(self.actions, config.seed, "action", False)
        acting = FlatParameters(copy.deepcopy(module).requires_grad_(False).eval())
        if isinstance(self.net, str):
            inference = self._block_inference(acting.module)
            return TorchEpsilonGreedy(
                acting, inference, self.actions, self.num_envs, epsilon, config.seed, self._before
            )
        policy = KernelEpsilonGreedy(
            self.net, head, self.num_envs, epsilon, config.seed, self._before, spread=self.spread
        )
        policy.load(acting.numpy())
        return policy

    def _make_inference(self) -> BlockInference | KernelInference:
        if not isinstance(self.net, str):
            return KernelInference(self.net, self.learner.parameters.numpy)
        return self._block_inference(self.learner.module)

    def _greedy(self) -> GreedyPolicy:
        actions = CategoryActions(self.actions, [int(self.actions.n)], [int(self.actions.start)])
        return GreedyPolicy(self.learner.module, actions)

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

    def _arrays(self) -> dict[str, Array]:
        return {**super()._arrays(), "synced": np.array(self.learner.synced)}

    def _load_arrays(self, arrays: Mapping[str, Array]) -> None:
        super()._load_arrays(arrays)
        self.learner.synced = int(arrays["synced"])
