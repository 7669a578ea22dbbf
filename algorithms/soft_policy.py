"""SoftPolicy: the reactor that draws actions from squashed Gaussians, after some that are uniformly random."""

from __future__ import annotations

from typing import Any, ClassVar

import gymnasium as gym
import numpy as np
import numpy.typing as npt

from reactvec import InputPort, OutputPort, reaction
from reactvec.port_types import port_type

from .checks import why_not_finite
from .draws import Draws
from .heads import Gaussian
from .inference import BlockInference
from .observations import is_finite
from .parameters import FlatParameters
from .policy_weights import ARRIVED, TorchWeightedPolicy
from .progress import Progress

Array = npt.NDArray[Any]


class SoftPolicy(TorchWeightedPolicy):
    """Draws an action for each environment: from the whole space while less than `random_steps` environment steps have
    been taken, then from what the actor says. `choice` is the action in units of a range from -1 to 1.

    The draws of an environment are functions of (seed, its index, its step count), where `before` is how far the runs
    came that this one resumes. `weights` are taken over at the tags at which they are present.
    """

    obs = InputPort()
    env_steps = InputPort((), np.int64)  # of this run, before this tag
    choice = OutputPort(dtype=np.float32)
    action = OutputPort()
    saved: ClassVar[tuple[str, ...]] = ("tags",)

    def __init__(
        self,
        parameters: FlatParameters,
        inference: BlockInference,
        space: gym.Space[Any],
        head: Gaussian,
        num_envs: int,
        *,
        random_steps: int,
        seed: int,
        before: Progress,
    ) -> None:
        shape, dtype = port_type(space)
        super().__init__(
            obs=((num_envs, *shape), dtype),
            weights=((parameters.values.numel(),), np.float32),
            choice=((num_envs, head.parts), np.float32),
            action=((num_envs, *head.shape), head.kernel.action_dtype),
        )
        self.parameters, self.inference, self.head = parameters, inference, head
        self.num_envs, self.random_steps = num_envs, random_steps
        self.before, self.tags = before, 0
        self._draws = Draws(seed, "explore")
        self._low, self._high = (bound.reshape(-1).astype(np.float64) for bound in head.bounds)

    @reaction(sources=[obs, env_steps, *ARRIVED], effects=[choice, action])
    def act(self, obs: Array, env_steps: Array, weights: Array, fresh: Array, choice: Array, action: Array) -> None:
        """Draw one action per environment, by the weights that have arrived."""
        if fresh.any():
            self.parameters.load(weights)
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
            bad = np.flatnonzero(~is_finite(self.inference.space, obs)).tolist()
            raise FloatingPointError(
                f"the actor's outputs are not finite after {steps} environment steps: {why_not_finite(bad)}"
            )
        return outputs

    def _random(self, tag: int) -> Array:
        """Actions `[num_envs, *shape]`, uniform between the bounds."""
        share = self._draws.uniform(np.arange(self.num_envs)[:, None], tag, np.arange(self.head.parts))
        actions = np.minimum(self._low + share * (self._high - self._low), self._high)
        return actions.reshape(self.num_envs, *self.head.shape)
