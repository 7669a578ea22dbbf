"""PPO (Schulman et al. 2017) as a reactor program.

envs     -- obs, delay 1 -----------------> policy    each tag: act
policy   -- action -----------------------> envs      each tag: step
envs     -- obs, final_obs, ends ---------> policy    each tag: value_ends
policy, envs -- all of a step ------------> rollout   each tag: store
rollout  -- a block of steps -------------> learner   every train_batch_size environment steps: learn
learner  -- weights, delay 1 -------------> policy    each time it has learned
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
from torch import nn

from reactvec import Topology

from .actor_critic import Joined, build_actor_critic, check_actor_critic, network_kernel
from .algorithm import Algorithm
from .backends import kernel_or_reason, learner_kernel_or_reason
from .checks import ConfigError
from .encoding import Inputs
from .environments import learner_workers
from .export import GreedyPolicy
from .heads import make_head
from .inference import BlockInference, KernelInference
from .kernels.actor_critic import ActorCriticKernel
from .mask import NO_CHOICE, leaves_no_choice
from .model_config import ModelConfig
from .parameters import FlatParameters
from .ppo_config import PPOConfig
from .ppo_kernel import KernelFit
from .ppo_learner import PPOLearner
from .rollout import Rollout
from .rollout_policy import KernelPolicy, TorchPolicy

Array = npt.NDArray[Any]


class PPO(Algorithm[PPOConfig]):
    """Proximal policy optimisation with a clipped surrogate objective and generalised advantage estimation."""

    config_class = PPOConfig
    learner: PPOLearner
    policy: KernelPolicy | TorchPolicy
    net: ActorCriticKernel | str
    learner_net: ActorCriticKernel | str

    def _assemble(self, topology: Topology) -> None:
        config, before, space = self.config, self._before, self.observation_space
        self.tags_per_round = length = self._rollout_length()
        self.head = make_head(self.action_space, config.seed, "action", config.squash_actions)
        self._predicting = make_head(self.action_space, config.seed, "predict", config.squash_actions)
        flat = isinstance(config.model, ModelConfig) and config.model.cnn is None
        self.inputs = Inputs(space, mask_key=config.action_mask, flat_images=flat)
        module = build_actor_critic(
            config.model, self.inputs, self.head, normalize=config.normalize_observations, seed=config.seed
        ).to(self.device)
        check_actor_critic(module, space, self.head, self.device)
        self.net = kernel_or_reason(config.inference_backend, "inference_backend", self._network_kernel)
        self.learner_net = learner_kernel_or_reason(config.learner_backend, self.device, self._network_kernel)
        self.policy = topology.add("policy", self._make_policy(module, length))
        self.rollout = topology.add("rollout", self._make_rollout(length))
        learner = PPOLearner(module, self.inputs, self.rollout, self.policy, config, self.statistics, before)
        self.learner = topology.add("learner", learner)
        if not isinstance(self.learner_net, str):
            learner.by_kernel = KernelFit(self.learner_net, learner.parameters, config, learner_workers(config))
        self._connect(topology)

    def _network_kernel(self) -> ActorCriticKernel | str:
        config = self.config
        return network_kernel(config.model, self.inputs, self.head, config.normalize_observations)

    def _make_policy(self, module: nn.Module, length: int) -> KernelPolicy | TorchPolicy:
        space, tags = self.observation_space, self._before.tags
        acting = FlatParameters(copy.deepcopy(module).requires_grad_(False).eval())
        if isinstance(self.net, str):
            inference = self._block_inference(Joined(acting.module))
            return TorchPolicy(acting, inference, space, self.head, self.num_envs, length, tags)
        policy = KernelPolicy(self.net, space, self.head, self.num_envs, length, tags, spread=self.spread)
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

    def _make_rollout(self, length: int) -> Rollout:
        blocks = 2 if self.config.pipeline else 1  # what is learned from stays while the next one is filled
        return Rollout(self.observation_space, self.head, self.num_envs, length, spread=self.spread, blocks=blocks)

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
        self._connect_valid(topology, rollout.valid)
        topology.connect(rollout.stored, learner.stored)
        topology.connect(learner.weights, policy.weights, delay=1)

    def _make_inference(self) -> BlockInference | KernelInference:
        if not isinstance(self.net, str):
            return KernelInference(self.net, self.learner.parameters.numpy)
        return self._block_inference(Joined(self.learner.module))

    def _greedy(self) -> GreedyPolicy:
        return GreedyPolicy(self.learner.module, self.head.greedy())

    def _arrays(self) -> dict[str, Array]:
        return self.learner.arrays()

    def _load_arrays(self, arrays: Mapping[str, Array]) -> None:
        self.learner.load_arrays(arrays)

    def _memory(self) -> dict[str, Array]:
        return {"acting": self.policy.acting(), **self.learner.memory()}

    def _load_memory(self, arrays: Mapping[str, Array], exact: bool) -> bool:
        if exact:
            self.policy.act_by(arrays["acting"])
            self.learner.remember(arrays)
        else:  # whoever begins a rollout acts by the statistics that it is learned by
            self.learner.see_by_latest()
            self._spread_weights()
        return True

    def _check_rows(self, what: str, rows: Array) -> None:
        super()._check_rows(what, rows)
        if bad := np.flatnonzero(leaves_no_choice(self.inputs, self.head, rows)).tolist():
            raise ValueError(f"masks {NO_CHOICE} ({what} {bad})")

    def _actions(self, outputs: Array, explore: bool) -> Array:
        outputs = np.ascontiguousarray(outputs[:, :-1])
        return self._predicting.act(outputs, 0, self._predictions, explore)[1]
