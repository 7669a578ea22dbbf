"""The reactor that learns from rollouts by PPO's losses: in torch, or by kernels."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, TypeAlias

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from reactvec import InputPort, OutputPort, reaction

from .actor_critic import ActorCritic
from .background import Background
from .checkpoint import section, under
from .checks import why_not_finite
from .draws import Draws
from .encoding import Inputs
from .episodes import EpisodeStatistics
from .kernels.rollout import shuffled
from .learner import Learner
from .mask import NO_CHOICE, leaves_no_choice
from .observations import as_tensors, is_finite
from .parameters import FlatParameters
from .piecewise import Piecewise
from .ppo_config import PPOConfig
from .ppo_kernel import METRICS, Batch, KernelFit
from .ppo_losses import importance, policy_loss, value_loss
from .progress import Progress
from .returns import gae
from .rollout import BEGIN, Rollout, Steps
from .rollout_policy import KernelPolicy, TorchPolicy
from .running import RunningMoments, RunningReturns

Array = npt.NDArray[Any]
Seen: TypeAlias = "tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]"


class PPOLearner(Learner):
    """Learns from each rollout for `num_epochs`, and sends the weights."""

    stored = InputPort(dtype=np.uint8)
    weights = OutputPort(dtype=np.float32)
    saved: ClassVar[tuple[str, ...]] = (*Learner.saved, "rollouts", "settled_steps")

    def __init__(
        self,
        module: nn.Module,
        inputs: Inputs,
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
            lrs=[Piecewise.of(config.lr, config.total_timesteps)],
            grad_clip=config.grad_clip,
            adam_epsilon=config.adam_epsilon,
            seed=config.seed,
            steps_before=before.steps,
            stored=((rollout.num_envs,), np.uint8),
            weights=(policy.weights.shape, np.float32),
        )
        self.rollout, self.head, self.send = rollout, rollout.head, policy.send
        self.config, self.statistics = config, statistics
        self.by_kernel: KernelFit | None = None
        self.background = Background(config.learner_threads) if config.pipeline else None
        self.settled_steps, self._settled = 0, dict[str, float]()
        self.clip = Piecewise.of(config.clip_param, config.total_timesteps)
        self.entropy_coeff = Piecewise.of(config.entropy_coeff, config.total_timesteps)
        self.inputs = inputs
        self.moments = RunningMoments(inputs.features) if config.normalize_observations else None
        self.returns = RunningReturns(rollout.num_envs, config.gamma) if config.normalize_rewards else None
        self.shuffle = Draws(config.seed, "minibatch").key
        self.rollouts_before, self.rollouts = before.tags // rollout.length, 0
        self.length, self.last_tag = rollout.length, BEGIN + rollout.length - 1

    @reaction(sources=[stored], effects=[weights], period="length", offset="last_tag")
    def learn(self, stored: Array, weights: Array) -> None:
        """Count the episodes of a rollout, learn from it, and send the weights.

        In a pipeline, the weights that are sent are those of the rollout before, which was learned from meanwhile.
        """
        self.settle()
        begin = time.perf_counter()
        batch = self._batch()
        fit = self._prepared(batch)
        if self.background is None:
            fit()
            self._add_to_moments(batch.obs)
            self.see_by_latest()
            self.send(self.acting_weights(), weights)
        else:
            seen = self._seen()  # values and probabilities of this rollout are by the statistics that collected it
            self._add_to_moments(batch.obs)
            self.send(self.acting_weights(), weights)
            self._see_by(seen)
            self.background.start(fit)
            if self.has_luck:  # layers draw from torch's generator, as environments may
                self.background.settle()
        self.rollouts += 1
        self.seconds += time.perf_counter() - begin

    def _prepared(self, batch: Batch) -> Callable[[], None]:
        """What takes the gradient steps on a rollout; settings and the order of steps are those of now."""
        steps = self.statistics.steps
        now, rollout = self.steps_before + steps, self.rollout.steps(self.rollouts)
        self.set_lr(steps)
        number, epochs = self.rollouts_before + self.rollouts, range(self.config.num_epochs)
        order = np.stack([shuffled(len(batch.obs), self.shuffle, number, epoch) for epoch in epochs])
        clip, entropy_coeff = self.clip.at(now), self.entropy_coeff.at(now)

        def fit() -> None:
            if not len(batch.obs):  # all rows were resets
                return
            learned = batch if self.background is None else self._decoupled(batch)
            with self.luck(), self.counted():
                (self._fit if self.by_kernel is None else self._fit_by_kernel)(learned, order, clip, entropy_coeff)
            self.check_finite("total_loss", steps, lambda: self._blamed(rollout))

        return fit

    def settle(self) -> None:
        """See Learner."""
        if self.background is not None:
            begin = time.perf_counter()
            self.background.settle()
            seconds = time.perf_counter() - begin
            self.seconds, self.waited = self.seconds + seconds, self.waited + seconds
            self.settled_steps = self.gradient_steps
            self._settled.update(super().metrics())

    def metrics(self) -> dict[str, float]:
        """Of the rollout that was learned from last; in a pipeline, of the one before."""
        return super().metrics() if self.background is None else dict(self._settled)

    @property
    def steps_done(self) -> int:
        """See Learner."""
        return self.gradient_steps if self.background is None else self.settled_steps

    def _batch(self) -> Batch:
        """The valid steps of the rollout, with advantages and returns, in the order of time, then environment."""
        steps, config = self.rollout.steps(self.rollouts), self.config
        self.statistics.add(steps.reward, steps.terminated, steps.truncated, steps.valid)
        self._check(steps)
        advantages, returns = gae(
            steps.reward,
            steps.value,
            steps.end_value,
            steps.terminated,
            steps.truncated,
            steps.valid,
            gamma=config.gamma,
            lambda_=config.lambda_,
            reward_scale=self._reward_scale(steps),
        )
        if steps.valid.any():
            self.log("vf_explained_var", _explained(steps.value[steps.valid], returns[steps.valid]))
        kept = (steps.obs, steps.choice, steps.log_prob, steps.value, advantages, returns)
        if steps.valid.all():
            return Batch(*(array.reshape(-1, *array.shape[2:]) for array in kept))
        return Batch(*(array[steps.valid] for array in kept))

    def _decoupled(self, batch: Batch) -> Batch:
        """A rollout that older weights have acted, as the present ones see it: ratios count from them, and advantages
        are weighted by how much likelier they make the choice. Their mean, weighted, would count for it by itself.
        """
        with torch.no_grad():
            log_probs = self.head.log_prob(self._outputs(batch.obs), torch.from_numpy(batch.choices)).numpy()
        weights = importance(log_probs, batch.log_probs)
        centred = batch.advantages - batch.advantages.mean() if self.config.normalize_advantages else batch.advantages
        return batch._replace(log_probs=log_probs, advantages=centred * weights)

    def _outputs(self, obs: Array) -> Tensor:
        """What the head reads, `[B, outputs]`, by the present weights."""
        if self.by_kernel is not None:
            return torch.from_numpy(self.by_kernel.outputs(obs))
        size, device = self.config.minibatch_size, str(self.parameters.values.device)
        blocks = (as_tensors(self.rollout.space, obs[at : at + size], device) for at in range(0, len(obs), size))
        self.module.eval()  # as whoever acted
        try:
            return torch.cat([self.module(block)[0].cpu() for block in blocks])
        finally:
            self.module.train()

    def _blamed(self, steps: Steps) -> list[int]:
        """The environments whose observations are not finite: those that were acted on, or the last ones of episodes,
        which have a value.
        """
        ends = np.isfinite(steps.value) & ~np.isfinite(steps.end_value)
        return _environments(steps.valid & (ends | ~is_finite(self.rollout.space, steps.obs)))

    def _check(self, steps: Steps) -> None:
        """ValueError or FloatingPointError for rewards, masks and observations that nothing can be learned from."""
        if bad := _environments(~np.isfinite(steps.reward)):
            raise ValueError(f"rewards are not finite (environments {bad})")
        if bad := _environments(leaves_no_choice(self.inputs, self.head, steps.obs) & steps.valid):
            raise ValueError(f"masks {NO_CHOICE} (environments {bad})")
        if self.moments is not None and (bad := self._blamed(steps)):  # which would be in the statistics for good
            raise FloatingPointError(why_not_finite(bad))

    def _reward_scale(self, steps: Steps) -> float:
        """What rewards are multiplied with, by the returns of all rollouts and this one."""
        if self.returns is None:
            return 1.0
        self.returns.update(steps.reward, steps.terminated | steps.truncated, steps.valid)
        return self.returns.scale()

    def _add_to_moments(self, obs: Array) -> None:
        if self.moments is not None and len(obs):
            self.moments.update(self.inputs(as_tensors(self.inputs.space, obs)).numpy())

    def _seen(self) -> Seen | None:
        """The means and scales by which the next rollout sees observations: of all before it."""
        if self.moments is None:
            return None
        number = self.inputs.is_number
        return np.where(number, self.moments.mean, 0), np.where(number, self.moments.scale(), 1)

    def _see_by(self, seen: Seen | None) -> None:
        """Normalise by these means and scales."""
        if seen is not None:
            assert isinstance(self.module, ActorCritic)
            assert self.module.normalizer is not None
            self.module.normalizer.set(*seen)

    def see_by_latest(self) -> None:
        """Let the module normalise by all that was observed, as rollouts that begin now are learned from."""
        self._see_by(self._seen())

    def acting_weights(self) -> Array:
        """See Learner; in a pipeline with the latest statistics, by which the next rollout is learned from, while the
        module may have those of the rollout that it learns from.
        """
        own = super().acting_weights()
        if self.background is None:
            return own
        own = own.copy()
        self.see_by_latest()
        latest = super().acting_weights().copy()
        self.parameters.load(own)
        return latest

    def arrays(self) -> dict[str, Array]:
        """Copies of the statistics by which is normalised."""
        found: dict[str, Array] = {}
        if self.moments is not None:
            found.update(self.moments.arrays("observation"))
        if self.returns is not None:
            found.update(self.returns.moments.arrays("return"))
        return found

    def memory(self) -> dict[str, Array]:
        """Copies of the discounted returns of episodes that go on, and of what a pipeline reports next."""
        found = {} if self.returns is None else {"returns": self.returns.current.copy()}
        return {**found, **under("settled", {name: np.array(value) for name, value in self._settled.items()})}

    def remember(self, arrays: Mapping[str, Array]) -> None:
        """The inverse of `memory`."""
        if self.returns is not None:
            self.returns.current[...] = arrays["returns"]
        self._settled = {name: float(value) for name, value in section(arrays, "settled").items()}

    def load_arrays(self, arrays: Mapping[str, Array]) -> None:
        """The inverse of `arrays`."""
        if self.moments is not None:
            self.moments.load("observation", arrays)
        if self.returns is not None:
            self.returns.moments.load("return", arrays)

    def _fit_by_kernel(self, batch: Batch, order: Array, clip: float, entropy_coeff: float) -> None:
        """What `_fit` does, but for the last bits."""
        assert self.by_kernel is not None
        means, minibatches = self.by_kernel.fit(batch, order, self.current_lr, clip, entropy_coeff)
        for name, mean in zip(METRICS, means.tolist(), strict=True):
            self.log(name, torch.tensor(mean * minibatches), minibatches)

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
                # Without weight in the loss it is only reported, and has no derivative to be computed.
                entropy = self.head.entropy(outputs if entropy_coeff else outputs.detach()).mean()
                loss = surrogate + config.vf_loss_coeff * errors - entropy_coeff * entropy
            with torch.no_grad():
                kl = ((ratio - 1) - log_ratio).mean()  # Schulman's estimate: joschu.net/blog/kl-approx.html
                clipped = ((ratio - 1).abs() > clip).float().mean()
                for name, value in zip(METRICS, (loss, surrogate, errors, entropy, kl, clipped), strict=True):
                    self.log(name, value)
            if config.target_kl is not None and kl > 1.5 * config.target_kl:
                return
            self.descend(loss)

    @reaction(on="shutdown")
    def close(self) -> None:
        """End what goes on in the background, and the workers of kernels."""
        try:
            if self.background is not None:
                self.background.close()
        finally:
            super().close()


def _environments(bad: Array) -> list[int]:
    """Those that some of the steps `[T, N]` say of."""
    environments: list[int] = np.flatnonzero(bad.any(0)).tolist()
    return environments


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
