"""Policies that draw actions from squashed Gaussians, after some that are uniformly random: a kernel that runs without
Python, or one inference in torch per tag.

While less than `random_steps` environment steps have been taken, actions are from the whole space. `choice` is the
action in units of a range from -1 to 1. The draws of an environment are functions of (seed, its index, its step
count), where `before` is how far the runs came that are resumed. `weights` are taken over when they are present.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from reactvec import InputPort, OutputPort, reaction
from reactvec.port_types import PortType, port_type

from .draws import Draws
from .heads import Gaussian
from .inference import BlockInference
from .kernels.actor import ActorKernel, SoftPolicyKernel
from .observations import Space
from .parameters import FlatParameters
from .policy_weights import ARRIVED, PackedPolicy, TorchWeightedPolicy, not_finite
from .progress import Progress
from .rollout import BEGIN, ports_of

Array = npt.NDArray[Any]


class KernelSoftPolicy(PackedPolicy):
    """A kernel, row by row; `weights` are in the packed layout of `net`.

    A bank like the environments, unless it is not `spread`, because these are stepped by other processes.
    """

    net: ActorKernel
    kernel: SoftPolicyKernel
    obs = InputPort()
    env_steps = InputPort((), np.int64)  # of this run, before this tag
    choice = OutputPort(dtype=np.float32)
    action = OutputPort()

    def __init__(
        self,
        net: ActorKernel,
        space: Space,
        head: Gaussian,
        num_envs: int,
        *,
        random_steps: int,
        seed: int,
        before: Progress,
        spread: bool,
    ) -> None:
        rows: dict[str, PortType] = {
            "obs": (net.row_dtype.shape, net.row_dtype.base),
            "choice": ((head.parts,), np.float32),
            "action": (head.shape, head.kernel.action_dtype),
        }
        ports = ports_of(rows, num_envs, spread)
        super().__init__(bank=num_envs if spread else None, weights=((net.size,), np.float32), **ports)
        self.net, self.space, self.before = net, space, before
        self.kernel = SoftPolicyKernel(
            net,
            num_envs,
            luck=Draws(seed, "explore").key,
            random_steps=random_steps,
            begin=BEGIN,
            tags_before=before.tags,
            steps_before=before.steps,
            whole=not spread,
        )

    @reaction(sources=[obs, env_steps, *ARRIVED], effects=[choice, action], native=True)
    def act(self) -> object:
        """The kernel that draws one action per environment, by the weights that have arrived."""
        return self.kernel.act()

    def fault(self, entry: Any, code: int, ports: Sequence[Array]) -> Exception:
        """See `not_finite`; the code is what the first row is whose outputs are not finite."""
        obs, env_steps = ports[:2]
        return not_finite(self.space, obs, self.before.steps + int(env_steps))


class TorchSoftPolicy(TorchWeightedPolicy):
    """One inference in torch for all environments; `weights` are in torch's order."""

    obs = InputPort()
    env_steps = InputPort((), np.int64)  # of this run, before this tag
    choice = OutputPort(dtype=np.float32)
    action = OutputPort()

    def __init__(
        self,
        parameters: FlatParameters,
        inference: BlockInference,
        head: Gaussian,
        num_envs: int,
        *,
        random_steps: int,
        seed: int,
        before: Progress,
    ) -> None:
        shape, dtype = port_type(inference.space)
        super().__init__(
            parameters,
            inference,
            obs=((num_envs, *shape), dtype),
            choice=((num_envs, head.parts), np.float32),
            action=((num_envs, *head.shape), head.kernel.action_dtype),
        )
        self.head, self.num_envs, self.random_steps, self.before = head, num_envs, random_steps, before
        self._draws = Draws(seed, "explore")
        self._low, self._high = (bound.reshape(-1).astype(np.float64) for bound in head.bounds)

    @reaction(sources=[obs, env_steps, *ARRIVED], effects=[choice, action])
    def act(self, obs: Array, env_steps: Array, weights: Array, fresh: Array, choice: Array, action: Array) -> None:
        """Draw one action per environment, by the weights that have arrived."""
        self.take_over(weights, fresh)
        steps, tag = self.before.steps + int(env_steps), self.before.tags + self.tags
        if steps < self.random_steps:
            action[...] = self._random(tag)
        else:
            action[...] = self.head.act(self._outputs(obs, steps), 0, tag, True)[1]
        share = (action.reshape(choice.shape) - self._low) / np.where(self._high > self._low, self._high - self._low, 1)
        choice[...] = 2 * share - 1
        self.tags += 1

    def _outputs(self, obs: Array, steps: int) -> Array:
        outputs = self.inference(obs)
        if not np.isfinite(outputs).all():
            raise not_finite(self.inference.space, obs, steps)
        return outputs

    def _random(self, tag: int) -> Array:
        """Actions `[num_envs, *shape]`, uniform between the bounds."""
        share = self._draws.uniform(np.arange(self.num_envs)[:, None], tag, np.arange(self.head.parts))
        actions = np.minimum(self._low + share * (self._high - self._low), self._high)
        return actions.reshape(self.num_envs, *self.head.shape)
