"""Policies that draw actions from a network: a kernel that runs without Python, or one inference in torch per tag."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import gymnasium as gym
import numpy as np
import numpy.typing as npt

from reactvec import InputPort, OutputPort, reaction

from .heads import Gaussian, Head
from .inference import BlockInference
from .kernels.actor_critic import ActorCriticKernel, PolicyKernel
from .parameters import FlatParameters
from .policy_weights import ARRIVED, PackedPolicy, TorchWeightedPolicy, WeightedPolicy, not_finite
from .rollout import BEGIN, ports_of, row_types

Array = npt.NDArray[Any]


class RolloutPolicy(WeightedPolicy):
    """A policy whose steps a rollout keeps."""

    obs = InputPort()
    next_obs = InputPort()
    final_obs = InputPort()
    terminated = InputPort(dtype=np.bool_)
    truncated = InputPort(dtype=np.bool_)
    choice = OutputPort()
    action = OutputPort()
    log_prob = OutputPort(dtype=np.float32)
    value = OutputPort(dtype=np.float32)
    end_value = OutputPort(dtype=np.float32)


ACTS_BY = [RolloutPolicy.obs, *ARRIVED]
ACTS = [RolloutPolicy.choice, RolloutPolicy.action, RolloutPolicy.log_prob, RolloutPolicy.value]
ENDS = [RolloutPolicy.next_obs, RolloutPolicy.final_obs, RolloutPolicy.terminated, RolloutPolicy.truncated]


class KernelPolicy(RolloutPolicy, PackedPolicy):
    """What TorchPolicy does, row by row in a kernel; `weights` are in the packed layout of `net`.

    A bank like the environments, unless it is not `spread`, because these are stepped by other processes.
    """

    net: ActorCriticKernel
    kernel: PolicyKernel

    def __init__(
        self,
        net: ActorCriticKernel,
        space: gym.Space[Any],
        head: Head,
        num_envs: int,
        length: int,
        tags_before: int,
        *,
        spread: bool = True,
    ) -> None:
        ports = ports_of(row_types(space, head), num_envs, spread)
        super().__init__(bank=num_envs if spread else None, weights=((net.size,), np.float32), **ports)
        self.net, self.kernel = net, PolicyKernel(net, num_envs, length, BEGIN, tags_before, whole=not spread)
        self.space = space

    @reaction(sources=ACTS_BY, effects=ACTS, native=True)
    def act(self) -> object:
        """The kernel that draws one action per environment, by the weights that have arrived."""
        return self.kernel.act()

    @reaction(sources=ENDS, effects=[RolloutPolicy.end_value], native=True)
    def value_ends(self) -> object:
        """The kernel that values what comes after truncated episodes and after the rollout."""
        return self.kernel.value_ends()

    def fault(self, entry: Any, code: int, ports: Sequence[Array]) -> Exception:
        """See `not_finite`; the code is what the first row is that cannot be acted by."""
        return not_finite(self.space, ports[0])


class TorchPolicy(RolloutPolicy, TorchWeightedPolicy):
    """Draws an action for each environment, and values what was observed.

    `inference` makes outputs and, in the last column, the value. The draws of an environment are functions of (seed,
    its index, its step count), where `tags_before` steps were taken by the runs that this one resumes. `weights` are
    taken over at the tags at which they are present; rollouts of `length` tags end at multiples of it.
    """

    def __init__(
        self,
        parameters: FlatParameters,
        inference: BlockInference,
        space: gym.Space[Any],
        head: Head,
        num_envs: int,
        length: int,
        tags_before: int,
    ) -> None:
        super().__init__(parameters, inference, **ports_of(row_types(space, head), num_envs, spread=False))
        self.head, self.length, self.tags_before = head, length, tags_before

    @reaction(sources=ACTS_BY, effects=ACTS)
    def act(
        self,
        obs: Array,
        weights: Array,
        fresh: Array,
        choice: Array,
        action: Array,
        log_prob: Array,
        value: Array,
    ) -> None:
        """Draw one action per environment, by the weights that have arrived."""
        self.take_over(weights, fresh)
        made = self.inference(obs)
        value[...] = made[:, -1]
        outputs = np.ascontiguousarray(made[:, :-1])
        if isinstance(self.head, Gaussian) and not np.isfinite(outputs).all():
            raise not_finite(self.inference.space, obs)
        choice[...], action[...], log_prob[...] = self.head.act(outputs, 0, self.tags_before + self.tags, True)
        self.tags += 1

    @reaction(sources=ENDS, effects=[RolloutPolicy.end_value])
    def value_ends(
        self, next_obs: Array, final_obs: Array, terminated: Array, truncated: Array, end_value: Array
    ) -> None:
        """Value what comes after truncated episodes and after the rollout, by the weights that acted."""
        cut = truncated & ~terminated
        if cut.any():
            end_value[cut] = self.inference(final_obs[cut])[:, -1]
        if self.tags % self.length == 0:
            going = ~(truncated | terminated)
            if going.any():
                end_value[going] = self.inference(next_obs[going])[:, -1]
