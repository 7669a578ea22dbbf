"""SAC (Haarnoja et al. 2018) as a reactor program: its losses, one learner, one topology.

envs     -- obs, delay 1 ------------> policy    each tag: act
policy   -- action ------------------> envs      each tag: step
envs     -- obs, reward, ends -------> replay    each tag: store
policy   -- choice ------------------> replay    each tag: the action between -1 and 1
replay   -- env_steps, delay 1 ------> policy    each tag: whether actions are random
replay   -- minibatches -------------> learner   every train_freq environment steps: sample, learn
learner  -- weights, weights_delay --> policy    each time it has learned
learner  -- td_errors, delay 1 ------> replay    each time it has learned: prioritise

The two papers are "Soft actor-critic: off-policy maximum entropy deep reinforcement learning with a stochastic actor"
(2018a) and "Soft actor-critic algorithms and applications" (2018b), which learns the coefficient of entropy.
"""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Iterator
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import torch
from gymnasium import spaces
from torch import Tensor, nn

from reactvec import Topology

from .backends import kernel_or_reason, learner_kernel_or_reason
from .checks import ConfigError
from .draws import Draws
from .environments import learner_workers
from .export import GreedyPolicy
from .heads import Gaussian, has_range, log_density, make_head
from .inference import BlockInference, KernelInference
from .kernels.actor import ActorKernel
from .observations import as_tensors
from .off_policy import OffPolicy
from .off_policy_learner import OffPolicyLearner, bootstrapped
from .parameters import FlatParameters
from .piecewise import Piecewise
from .progress import Progress
from .replay_buffer import ReplayBuffer
from .sac_config import SACConfig
from .sac_kernel import METRICS, KernelFit
from .soft_actor_critic import SoftActorCritic, actor_kernel, build_soft_actor_critic, check_soft_actor_critic
from .soft_policy import KernelSoftPolicy, TorchSoftPolicy
from .transition_ring import Batch

Array = npt.NDArray[Any]


def squashed_sample(outputs: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
    """Actions `[B, parts]` between -1 and 1 and the logarithms `[B]` of their densities, differentiable by `outputs`.

    `outputs` `[B, 2 * parts]` are means and logarithms of deviations, `noise` `[B, parts]` is standard normal.
    """
    mean, log_std = outputs.chunk(2, 1)
    choice = torch.addcmul(mean, log_std.exp(), noise)
    return choice.tanh(), log_density(noise, log_std, choice)


def soft_targets(
    returns: Tensor, discounts: Tensor, next_values: Tensor, next_log_probs: Tensor, alpha: Tensor
) -> Tensor:
    """Targets `[B]`: `returns + discounts * (the smallest of next_values - alpha * next_log_probs)`.

    `next_values` `[B, critics]` are those of the target critics for an action that the policy draws, whose
    log-probability is `next_log_probs` (Haarnoja et al. 2018b, equations 2, 3 and 5; Fujimoto et al. 2018).
    """
    return bootstrapped(returns, discounts, next_values.amin(1) - alpha * next_log_probs)


def critic_loss(values: Tensor, targets: Tensor, importance: Tensor) -> Tensor:
    """Half the mean squared error of each critic, summed, of values `[B, critics]` (Haarnoja et al. 2018b, equation 5).

    Each sample counts by its `importance` `[B]` (Schaul et al. 2016).
    """
    return 0.5 * (importance[:, None] * (values - targets[:, None]).square()).mean(0).sum()


def actor_loss(values: Tensor, log_probs: Tensor, alpha: Tensor) -> Tensor:
    """Mean of `alpha * log_probs` less the smallest of `values` `[B, critics]` (Haarnoja et al. 2018b, equation 9)."""
    return (alpha * log_probs - values.amin(1)).mean()


def alpha_loss(log_alpha: Tensor, log_probs: Tensor, target_entropy: float) -> Tensor:
    """What falls with alpha while the entropy is above its target, and rises below it.

    By the logarithm of alpha, as in the authors' code and Stable-Baselines3 (Haarnoja et al. 2018b, equation 18, has
    alpha itself).
    """
    return -(log_alpha * (log_probs.detach() + target_entropy)).mean()


class SACLearner(OffPolicyLearner):
    """Takes gradient steps of actor, critics and alpha, all three at once; the target critics follow."""

    module: SoftActorCritic

    def __init__(
        self,
        module: SoftActorCritic,
        replay: ReplayBuffer,
        policy: KernelSoftPolicy | TorchSoftPolicy,
        space: Any,
        config: SACConfig,
        before: Progress,
    ) -> None:
        rates = (config.actor_lr, config.critic_lr, config.alpha_lr)
        lrs = [Piecewise.of(config.lr if rate is None else rate, config.total_timesteps) for rate in rates]
        target = copy.deepcopy(module.critics)
        super().__init__(module, target, replay, policy, config, before, lrs=lrs, part_sizes=module.part_sizes())
        self.actor, self.critics = self.parameters.within(module.actor), self.parameters.within(module.critics)
        self.by_kernel: KernelFit | None = None
        self.space, entropy = space, config.target_entropy
        parts = self.actions.shape[-1]
        self.target_entropy = -float(parts) if entropy == "auto" else float(entropy)
        self.gradient_steps_before = before.gradient_steps
        self._draws = Draws(config.seed, "noise")

    def fit(self, batch: Batch, importance: Array, td_errors: Array, env_steps: int) -> None:
        """See OffPolicyLearner."""
        (self._fit if self.by_kernel is None else self._fit_by_kernel)(batch, importance, td_errors)

    @property
    def drawn(self) -> int:
        """Minibatches learned from, in the runs that this one resumes, too: the number of the next one's noise."""
        return self.gradient_steps_before + self.gradient_steps

    def _fit_by_kernel(self, batch: Batch, importance: Array, td_errors: Array) -> None:
        """What `_fit` does, but for the last bits."""
        assert self.by_kernel is not None
        sums = self.by_kernel.fit(batch, importance, td_errors, self.current_lrs, self.drawn)
        for name, total in zip(METRICS, sums, strict=True):
            self.log(name, torch.tensor(total), len(importance))

    def _fit(self, batch: Batch, importance: Array, td_errors: Array) -> None:
        """A gradient step on each minibatch `[k, ...]`; writes `td_errors`."""
        numbers = (batch.actions, batch.returns, batch.discounts, importance, self._noise(len(importance)))
        chosen, sums, discount, share, luck = (torch.from_numpy(array.copy()).to(self.device) for array in numbers)
        for k in range(len(importance)):
            errors = self.learn_batch(
                as_tensors(self.space, batch.observations[k], self.device),
                chosen[k],
                sums[k],
                discount[k],
                as_tensors(self.space, batch.next_observations[k], self.device),
                share[k],
                luck[k],
            )
            td_errors[k] = errors.cpu().numpy()

    def _noise(self, count: int) -> npt.NDArray[np.float32]:
        """Standard normal numbers `[count, 2, B, parts]` for the next gradient steps, functions of their numbers."""
        rows, parts = self.actions.shape[1:]
        step = np.arange(self.drawn, self.drawn + count)[:, None, None, None]
        twice, row = np.arange(2)[:, None, None], np.arange(rows)[:, None]
        return self._draws.normal(step, twice, row, np.arange(parts)).astype(np.float32)

    def learn_batch(
        self,
        observations: Any,
        actions: Tensor,
        returns: Tensor,
        discounts: Tensor,
        next_observations: Any,
        importance: Tensor,
        noise: Tensor,
    ) -> Tensor:
        """One gradient step on a minibatch, and one of the target critics towards the critics.

        `noise` `[2, B, parts]` draws the actions after and before. Returns the TD errors `[B]`: how far the critics are
        from the target, on average.
        """
        module = self.module
        with torch.no_grad():
            alpha = module.alpha()
            next_actions, next_log_probs = squashed_sample(module.actor(next_observations), noise[0])
            next_values = self.target(next_observations, next_actions)
            targets = soft_targets(returns, discounts, next_values, next_log_probs, alpha)
        with torch.enable_grad():  # the caller may have it off
            values = module.critics(observations, actions)
            qf_loss = critic_loss(values, targets, importance)
            drawn, log_probs = squashed_sample(module.actor(observations), noise[1])
            with frozen(module.critics):
                policy_loss = actor_loss(module.critics(observations, drawn), log_probs, alpha)
            temperature_loss = alpha_loss(module.alpha.log, log_probs, self.target_entropy)
            loss = qf_loss + policy_loss + temperature_loss
        self.descend(loss)
        self._follow()
        for name, value in zip(METRICS, (qf_loss, policy_loss, temperature_loss, alpha), strict=True):
            self.log(name, value)
        errors: Tensor = (values.detach() - targets[:, None]).abs().mean(1)
        return errors

    def _follow(self) -> None:
        """Move the target critics by `tau`; what they have counted, such as running means, is copied."""
        weights, buffers = self.critics
        target = self.target_parameters.values
        target[: weights.numel()].lerp_(weights, self.tau)
        if buffers.numel():
            target[weights.numel() :] = buffers

    def settle(self) -> None:
        """See Learner."""
        if self.by_kernel is not None:
            self.by_kernel.store()

    def acting_weights(self) -> Array:
        """The actor's weights, and its running means."""
        if self.by_kernel is not None and self.by_kernel.ahead:
            return self.by_kernel.actor_weights()
        weights: Array = torch.cat(self.actor).cpu().numpy()
        return weights

    def align_target(self) -> None:
        """Copy the critics to the target critics."""
        self.target_parameters.load(torch.cat(self.critics).cpu().numpy())


@contextlib.contextmanager
def frozen(module: nn.Module) -> Iterator[None]:
    """What is computed meanwhile has gradients by its inputs, and none by the weights of `module`."""
    learned = [weights for weights in module.parameters() if weights.requires_grad]
    for weights in learned:
        weights.requires_grad_(False)
    try:
        yield
    finally:
        for weights in learned:
            weights.requires_grad_(True)


class SAC(OffPolicy[SACConfig]):
    """Soft actor-critic with clipped double Q and a learned coefficient of entropy."""

    config_class = SACConfig
    learner: SACLearner
    policy: KernelSoftPolicy | TorchSoftPolicy
    net: ActorKernel | str
    learner_net: ActorKernel | str

    def _assemble(self, topology: Topology) -> None:
        config, before, space = self.config, self._before, self.observation_space
        actions = self._real_actions()
        head = self._head("action")
        self._predicting = self._head("predict")
        critics = 2 if config.twin_q else 1
        module = build_soft_actor_critic(
            config.model, space, actions, critics=critics, alpha=config.initial_alpha, seed=config.seed
        ).to(self.device)
        check_soft_actor_critic(module, space, head.parts, self.device)
        self.net = kernel_or_reason(config.inference_backend, "inference_backend", self._actor_kernel)
        self.learner_net = learner_kernel_or_reason(config.learner_backend, self.device, self._actor_kernel)
        self.replay = topology.add("replay", self._make_replay((head.parts,), np.float32))
        self.policy = topology.add("policy", self._make_policy(module, head))
        self.learner = topology.add("learner", SACLearner(module, self.replay, self.policy, space, config, before))
        if not isinstance(self.learner_net, str):
            self.learner.by_kernel = KernelFit(
                self.learner_net,
                self.learner.parameters,
                self.learner.target_parameters,
                config,
                self.learner.target_entropy,
                learner_workers(config),
            )
        self._connect(topology)

    def _actor_kernel(self) -> ActorKernel | str:
        return actor_kernel(self.config.model, self.observation_space, self._head("action").kernel)

    def _make_policy(self, module: SoftActorCritic, head: Gaussian) -> KernelSoftPolicy | TorchSoftPolicy:
        config, before, num_envs = self.config, self._before, self.num_envs
        random_steps = config.num_steps_sampled_before_learning_starts
        acting = FlatParameters(copy.deepcopy(module.actor).requires_grad_(False).eval())
        if isinstance(self.net, str):
            inference = self._block_inference(acting.module)
            return TorchSoftPolicy(
                acting, inference, head, num_envs, random_steps=random_steps, seed=config.seed, before=before
            )
        policy = KernelSoftPolicy(
            self.net,
            self.observation_space,
            head,
            num_envs,
            random_steps=random_steps,
            seed=config.seed,
            before=before,
            spread=self.spread,
        )
        policy.load(acting.numpy())
        return policy

    def _real_actions(self) -> spaces.Box:
        space = self.action_space
        if not isinstance(space, spaces.Box) or not np.issubdtype(space.dtype, np.floating):
            raise ConfigError(f"SAC draws real actions from a Box, not {space}; wrap the environment")
        if not has_range(space):
            raise ConfigError(f"SAC draws actions between bounds, which {space} lacks; wrap the environment")
        return space

    def _head(self, purpose: Literal["action", "predict"]) -> Gaussian:
        head = make_head(self.action_space, self.config.seed, purpose, squash=True)
        assert isinstance(head, Gaussian)
        return head

    def _make_inference(self) -> BlockInference | KernelInference:
        if not isinstance(self.net, str):
            return KernelInference(self.net, self.learner.acting_weights)
        return self._block_inference(self.learner.module.actor)

    def _greedy(self) -> GreedyPolicy:
        return GreedyPolicy(self.learner.module.actor, self._predicting.greedy())

    def _actions(self, outputs: Array, explore: bool) -> Array:
        return self._predicting.act(outputs, 0, self._predictions, explore)[1]
