"""Policies that act at random with probability epsilon, else for the highest action value: a kernel that runs without
Python, or one inference in torch per tag.

The draws of an environment are functions of (seed, its index, its step count), the same for both. `choice` is an action
counted from 0, `action` what the environment gets.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from gymnasium import spaces

from reactvec import InputPort, OutputPort, reaction
from reactvec.port_types import PortType, port_type

from .draws import Draws
from .heads import Head
from .inference import BlockInference
from .kernels.q_network import EpsilonGreedyKernel, QNetworkKernel
from .parameters import FlatParameters
from .piecewise import Piecewise
from .policy_weights import ARRIVED, PackedPolicy, TorchWeightedPolicy
from .progress import Progress
from .rollout import BEGIN, ports_of

Array = npt.NDArray[Any]

_CHUNK = 256  # steps whose random numbers are drawn together


class KernelEpsilonGreedy(PackedPolicy):
    """A kernel, row by row; `weights` are in the packed layout of `net`.

    A bank like the environments, unless it is not `spread`, because these are stepped by other processes.
    """

    net: QNetworkKernel
    kernel: EpsilonGreedyKernel
    obs = InputPort()
    env_steps = InputPort((), np.int64)  # of this run, before this tag
    choice = OutputPort((), np.int64)
    action = OutputPort()

    def __init__(
        self,
        net: QNetworkKernel,
        head: Head,
        num_envs: int,
        epsilon: Piecewise,
        seed: int,
        before: Progress,
        *,
        spread: bool = True,
    ) -> None:
        rows: dict[str, PortType] = {
            "obs": (net.row_dtype.shape, net.row_dtype.base),
            "choice": ((), np.int64),
            "action": ((), head.kernel.action_dtype),
        }
        ports = ports_of(rows, num_envs, spread)
        super().__init__(bank=num_envs if spread else None, weights=((net.size,), np.float32), **ports)
        self.net = net
        self.kernel = EpsilonGreedyKernel(
            net,
            head.kernel,
            num_envs,
            times=epsilon.times,
            values=epsilon.values,
            luck=Draws(seed, "explore").key,
            random=Draws(seed, "action").key,
            begin=BEGIN,
            tags_before=before.tags,
            steps_before=before.steps,
            whole=not spread,
        )

    @reaction(sources=[obs, env_steps, *ARRIVED], effects=[choice, action], native=True)
    def act(self) -> object:
        """The kernel that chooses one action per environment, by the weights that have arrived."""
        return self.kernel.act()


class TorchEpsilonGreedy(TorchWeightedPolicy):
    """One inference in torch for all environments; `weights` are in torch's order."""

    obs = InputPort()
    env_steps = InputPort((), np.int64)  # of this run, before this tag
    choice = OutputPort(dtype=np.int64)
    action = OutputPort()

    def __init__(
        self,
        parameters: FlatParameters,
        inference: BlockInference,
        action_space: spaces.Discrete,
        num_envs: int,
        epsilon: Piecewise,
        seed: int,
        before: Progress,
    ) -> None:
        shape, dtype = port_type(inference.space)
        super().__init__(
            parameters,
            inference,
            obs=((num_envs, *shape), dtype),
            choice=((num_envs,), np.int64),
            action=((num_envs,), action_space.dtype),
        )
        self.actions, self.first_action, self.num_envs = int(action_space.n), int(action_space.start), num_envs
        self.epsilon, self.before = epsilon, before
        self._draws = Draws(seed, "explore"), Draws(seed, "action")
        self._luck = np.empty((0, num_envs))
        self._random = np.empty((0, num_envs), np.int64)

    def _draw(self) -> None:
        """Draw for all steps of this chunk."""
        count = self.before.tags + self.tags // _CHUNK * _CHUNK
        step, env = np.arange(count, count + _CHUNK)[:, None], np.arange(self.num_envs)
        self._luck = self._draws[0].uniform(env, step)
        self._random = self._draws[1].integers(self.actions, env, step)

    @reaction(sources=[obs, env_steps, *ARRIVED], effects=[choice, action])
    def act(self, obs: Array, env_steps: Array, weights: Array, fresh: Array, choice: Array, action: Array) -> None:
        """Choose one action per environment, by the weights that have arrived."""
        self.take_over(weights, fresh)
        row = self.tags % _CHUNK
        if row == 0 or not len(self._luck):  # a restored policy begins in the middle
            self._draw()
        explore = self._luck[row] < self.epsilon.at(self.before.steps + int(env_steps))
        choice[...] = self._random[row]
        if not explore.all():
            np.copyto(choice, self.inference(obs).argmax(1), where=~explore)
        np.add(choice, self.first_action, out=action, casting="unsafe")
        self.tags += 1
