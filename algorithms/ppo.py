"""PPO (Schulman et al. 2017) as a reactor program: one loss, one learner, one topology.

envs     -- obs, delay 1 -----------------> policy    each tag: act
policy   -- action -----------------------> envs      each tag: step
envs     -- obs, final_obs, ends ---------> policy    each tag: value_ends
policy, envs -- all of a step ------------> rollout   each tag: store
rollout  -- a block of steps -------------> learner   every train_batch_size environment steps: learn
learner  -- weights, delay 1 -------------> policy    each time it has learned
"""

from __future__ import annotations

import copy
import time
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from reactvec import InputPort, OutputPort, Topology, reaction

from .acting import KernelPolicy, TorchPolicy
from .actor_critic import Joined, KernelInference, build_actor_critic, check_actor_critic, network_kernel
from .algorithm import Algorithm
from .checks import ConfigError
from .draws import Draws
from .environments import learner_workers
from .episodes import EpisodeStatistics
from .export import GreedyPolicy
from .heads import make_head
from .kernels.actor_critic import ActorCriticKernel
from .kernels.rollout import shuffled
from .learner import Learner
from .observations import as_tensors
from .parameters import FlatParameters
from .piecewise import Piecewise
from .policy import BlockInference
from .ppo_config import PPOConfig
from .ppo_kernel import METRICS, Batch, KernelFit
from .progress import Progress
from .returns import gae
from .rollout import BEGIN, Rollout

Array = npt.NDArray[Any]


def policy_loss(ratio: Tensor, advantages: Tensor, clip: float) -> Tensor:
    """The clipped surrogate objective of ratios and advantages `[B]`, to be minimised (Schulman et al. 2017, eq. 7)."""
    return -torch.minimum(ratio * advantages, ratio.clamp(1 - clip, 1 + clip) * advantages).mean()


def value_loss(values: Tensor, old_values: Tensor, returns: Tensor, clip: float | None) -> Tensor:
    """Mean squared error of values `[B]`.

    With `clip`, an error counts as the larger of what it is and of what it would be if the value had moved from the old
    one by so much at most (as in the implementation of Schulman et al. 2017; Engstrom et al. 2020, section 3).
    """
    errors = (values - returns).square()
    if clip is not None:
        near = old_values + (values - old_values).clamp(-clip, clip)
        errors = torch.maximum(errors, (near - returns).square())
    return errors.mean()


class PPOLearner(Learner):
    """Learns from each rollout for `num_epochs`, and sends the weights."""

    stored = InputPort(dtype=np.uint8)
    weights = OutputPort(dtype=np.float32)
    saved: ClassVar[tuple[str, ...]] = (*Learner.saved, "rollouts")

    def __init__(
        self,
        module: nn.Module,
        rollout: Rollout,
        policy: KernelPolicy | TorchPolicy,
        config: PPOConfig,
        statistics: EpisodeStatistics,
        before: Progress,
    ) -> None:
        parameters = FlatParameters(module)
        super().__init__(
            module,
            parameters,
            lr=Piecewise.of(config.lr, config.total_timesteps),
            grad_clip=config.grad_clip,
            adam_epsilon=config.adam_epsilon,
            steps_before=before.steps,
            stored=((rollout.rows,), np.uint8),
            weights=(policy.weights.shape, np.float32),
        )
        self.rollout, self.head, self.send = rollout, rollout.head, policy.send
        self.config, self.statistics = config, statistics
        self.kernel_fit: KernelFit | None = None  # gradients are torch's without
        self.clip = Piecewise.of(config.clip_param, config.total_timesteps)
        self.entropy_coeff = Piecewise.of(config.entropy_coeff, config.total_timesteps)
        self.shuffle = Draws(config.seed, "minibatch").key
        self.rollouts_before, self.rollouts = before.tags // rollout.length, 0
        self.length, self.last_tag = rollout.length, BEGIN + rollout.length - 1

    @reaction(sources=[stored], effects=[weights], period="length", offset="last_tag")
    def learn(self, stored: Array, weights: Array) -> None:
        """Count the episodes of a rollout, learn from it, and send the weights."""
        begin = time.perf_counter()
        batch = self._batch()
        now = self.steps_before + self.statistics.steps
        self.set_lr(self.statistics.steps)
        number, epochs = self.rollouts_before + self.rollouts, range(self.config.num_epochs)
        order = np.stack([shuffled(len(batch.obs), self.shuffle, number, epoch) for epoch in epochs])
        fit = self._fit if self.kernel_fit is None else self._fit_by_kernel
        fit(batch, order, self.clip.at(now), self.entropy_coeff.at(now))
        self.check_finite("total_loss", self.statistics.steps)
        self.rollouts += 1
        self.send(self.parameters.numpy(), weights)
        self.seconds += time.perf_counter() - begin

    def _batch(self) -> Batch:
        """The valid steps of the rollout, with advantages and returns, in the order of time, then environment."""
        steps, config = self.rollout.steps(self.rollouts), self.config
        valid = self.statistics.add(steps.reward, steps.terminated, steps.truncated)
        if not np.isfinite(steps.reward).all():
            bad = np.flatnonzero(~np.isfinite(steps.reward).all(0)).tolist()
            raise ValueError(f"rewards are not finite (environments {bad})")
        advantages, returns = gae(
            steps.reward,
            steps.value,
            steps.end_value,
            steps.terminated,
            steps.truncated,
            valid,
            gamma=config.gamma,
            lambda_=config.lambda_,
        )
        self.log("vf_explained_var", _explained(steps.value[valid], returns[valid]))
        kept = (steps.obs, steps.choice, steps.log_prob, steps.value, advantages, returns)
        if valid.all():
            return Batch(*(array.reshape(-1, *array.shape[2:]) for array in kept))
        return Batch(*(array[valid] for array in kept))

    def _fit_by_kernel(self, batch: Batch, order: Array, clip: float, entropy_coeff: float) -> None:
        """What `_fit` does, but for the last bits."""
        assert self.kernel_fit is not None
        means, minibatches, steps = self.kernel_fit.fit(batch, order, self.current_lr, clip, entropy_coeff)
        for name, mean in zip(METRICS, means.tolist(), strict=True):
            self.log(name, torch.tensor(mean * minibatches), minibatches)
        self.gradient_steps += steps

    def _fit(self, batch: Batch, order: Array, clip: float, entropy_coeff: float) -> None:
        """Gradient steps on the minibatches of all epochs, `order` `[epochs, B]`, until the policy has moved too
        far.
        """
        config, device = self.config, self.parameters.values.device
        obs = as_tensors(self.rollout.space, batch.obs, str(device))
        rest = [torch.from_numpy(np.ascontiguousarray(array)).to(device) for array in batch[1:]]
        size = config.minibatch_size
        for indices in (epoch[at : at + size] for epoch in order for at in range(0, len(epoch), size)):
            index = torch.from_numpy(indices).to(device)
            choices, old_log_probs, old_values, advantages, returns = (part[index] for part in rest)
            if config.normalize_advantages and len(indices) > 1:
                advantages = (advantages - advantages.mean()) / (advantages.std() + 1e-8)
            with torch.enable_grad():  # the caller may have it off
                outputs, values = self.module(_select(obs, index))
                log_ratio = self.head.log_prob(outputs, choices) - old_log_probs
                ratio = log_ratio.exp()
                surrogate = policy_loss(ratio, advantages, clip)
                errors = value_loss(values.reshape(-1), old_values, returns, config.vf_clip_param)
                entropy = self.head.entropy(outputs).mean()
                loss = surrogate + config.vf_loss_coeff * errors - entropy_coeff * entropy
            with torch.no_grad():
                kl = ((ratio - 1) - log_ratio).mean()  # Schulman's estimate: joschu.net/blog/kl-approx.html
                clipped = ((ratio - 1).abs() > clip).float().mean()
                for name, value in zip(METRICS, (loss, surrogate, errors, entropy, kl, clipped), strict=True):
                    self.log(name, value)
            if config.target_kl is not None and kl > 1.5 * config.target_kl:
                return
            self.descend(loss)

    def optimizer_state(self) -> dict[str, Array]:
        """See Learner."""
        return super().optimizer_state() if self.kernel_fit is None else self.kernel_fit.optimizer_state()

    def load_optimizer_state(self, arrays: dict[str, Array]) -> None:
        """See Learner."""
        if self.kernel_fit is None:
            super().load_optimizer_state(arrays)
        else:
            self.kernel_fit.load_optimizer_state(arrays)

    @reaction(on="shutdown")
    def close(self) -> None:
        """End the workers of the kernels."""
        if self.kernel_fit is not None:
            self.kernel_fit.close()


def _select(obs: Any, index: Tensor) -> Any:
    """Rows of nested tensors."""
    if isinstance(obs, dict):
        return {key: _select(part, index) for key, part in obs.items()}
    if isinstance(obs, tuple):
        return tuple(_select(part, index) for part in obs)
    return obs[index]


def _explained(values: Array, returns: Array) -> Tensor:
    """The share of the returns' variance that the values explain; NaN where they have none."""
    variance = returns.var()
    return torch.tensor(1 - (returns - values).var() / variance if variance > 0 else np.nan)


class PPO(Algorithm[PPOConfig]):
    """Proximal policy optimisation with a clipped surrogate objective and generalised advantage estimation."""

    config_class = PPOConfig
    learner: PPOLearner

    def _assemble(self, topology: Topology) -> None:
        config, before, space = self.config, self._before, self.observation_space
        self.tags_per_round = length = self._rollout_length()
        self.head = make_head(self.action_space, config.seed, "action", config.squash_actions)
        self._predicting = make_head(self.action_space, config.seed, "predict", config.squash_actions)
        module = build_actor_critic(
            config.model, space, self.head, normalize=config.normalize_observations, seed=config.seed
        ).to(config.device)
        check_actor_critic(module, space, self.head, config.device)
        self.net = self._kernel(config.inference_backend, "inference_backend")
        self.policy = topology.add("policy", self._make_policy(module, length))
        self.rollout = topology.add("rollout", Rollout(space, self.head, self.num_envs, length))
        learner = PPOLearner(module, self.rollout, self.policy, config, self.statistics, before)
        self.learner = topology.add("learner", learner)
        net = self._learner_kernel()
        if not isinstance(net, str):
            learner.kernel_fit = KernelFit(net, learner.parameters, config, learner_workers(config))
        self._connect(topology)

    def _kernel(self, backend: str, name: str) -> ActorCriticKernel | str:
        """The network's kernel for `backend`, or why torch is used; a matter of configuration and spaces alone."""
        config = self.config
        if backend == "torch":
            return f"{name}='torch'"
        net = network_kernel(config.model, self.observation_space, self.head, config.normalize_observations)
        if isinstance(net, str) and backend == "kernel":
            raise ConfigError(f"{name}='kernel', but {net}; use 'auto'")
        return net

    def _learner_kernel(self) -> ActorCriticKernel | str:
        config = self.config
        if config.device != "cpu" and config.learner_backend != "kernel":
            return f"device={config.device!r}"
        return self._kernel(config.learner_backend, "learner_backend")

    def _make_policy(self, module: nn.Module, length: int) -> KernelPolicy | TorchPolicy:
        config, space, tags = self.config, self.observation_space, self._before.tags
        acting = FlatParameters(copy.deepcopy(module).requires_grad_(False).eval())
        if isinstance(self.net, str):
            inference = BlockInference(Joined(acting.module), space, config.inference_rows, config.device)
            return TorchPolicy(acting, inference, space, self.head, self.num_envs, length, tags)
        policy = KernelPolicy(self.net, space, self.head, self.num_envs, length, tags)
        policy.load(acting.numpy())
        return policy

    def _rollout_length(self) -> int:
        length, rest = divmod(self.config.train_batch_size, self.num_envs)
        if rest or not length:
            near = max(round(self.config.train_batch_size / self.num_envs), 1) * self.num_envs
            raise ConfigError(
                f"train_batch_size={self.config.train_batch_size} is no multiple of num_envs={self.num_envs}; "
                f"make it {near}"
            )
        return length

    def _connect(self, topology: Topology) -> None:
        envs, policy, rollout, learner = self.envs, self.policy, self.rollout, self.learner
        topology.connect(envs.obs, policy.obs, delay=1)
        topology.connect(policy.action, envs.action)
        topology.connect(envs.obs, policy.next_obs)
        for name in ("final_obs", "terminated", "truncated"):
            topology.connect(getattr(envs, name), getattr(policy, name))
        topology.connect(envs.obs, rollout.obs, delay=1)
        for name in ("choice", "log_prob", "value", "end_value"):
            topology.connect(getattr(policy, name), getattr(rollout, name))
        for name in ("reward", "terminated", "truncated"):
            topology.connect(getattr(envs, name), getattr(rollout, name))
        topology.connect(rollout.stored, learner.stored)
        topology.connect(learner.weights, policy.weights, delay=1 + self.config.pipeline * rollout.length)

    def _make_inference(self) -> BlockInference | KernelInference:
        config, learner = self.config, self.learner
        if not isinstance(self.net, str):
            return KernelInference(self.net, learner.parameters)
        return BlockInference(Joined(learner.module), self.observation_space, config.inference_rows, config.device)

    def _greedy(self) -> GreedyPolicy:
        return GreedyPolicy(self.learner.module, self.head.greedy())

    def _runner_metrics(self) -> dict[str, float]:
        return {}

    def _spread_weights(self) -> None:
        values = self.learner.parameters.numpy()
        self.policy.load(values)
        for under_way in self.execution.slots(self.learner.weights):
            self.policy.send(values, under_way)

    def _arrays(self) -> dict[str, Array]:
        return {}

    def _load_arrays(self, arrays: Mapping[str, Array]) -> None:
        assert not arrays

    def _memory(self) -> dict[str, Array]:
        return {"acting": self.policy.acting()}

    def _load_memory(self, arrays: Mapping[str, Array], exact: bool) -> None:
        if exact:
            self.policy.load(arrays["acting"])

    def _actions(self, outputs: Array, explore: bool) -> Array:
        outputs = np.ascontiguousarray(outputs[:, :-1])
        return self._predicting.act(outputs, 0, self._predictions, explore)[1]
