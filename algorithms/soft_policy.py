"""SoftPolicy: the reactor that draws actions from squashed Gaussians, after some that are uniformly random."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
import numpy.typing as npt

from reactvec import InputPort, OutputPort, Reactor, present, reaction
from reactvec.port_types import port_type

from .draws import Draws
from .heads import Gaussian
from .parameters import FlatParameters
from .policy import BlockInference
from .progress import Progress

Array = npt.NDArray[Any]


class SoftPolicy(Reactor):
    """Draws an action for each environment: from the whole space while less than `random_steps` environment steps have
    been taken, then from what the actor says.

    The draws of an environment are functions of (seed, its index, its step count), where `before` is how far the runs
    came that this one resumes. `weights` are taken over at the tags at which they are present.
    """

    obs = InputPort()
    weights = InputPort(dtype=np.float32)
    action = OutputPort()

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
            action=((num_envs, *head.shape), head.kernel.action_dtype),
        )
        self.parameters, self.inference, self.head = parameters, inference, head
        self.num_envs, self.random_steps = num_envs, random_steps
        self.steps, self.tags = before.steps, before.tags
        self._draws = Draws(seed, "explore")
        self._low, self._high = (bound.reshape(-1).astype(np.float64) for bound in head.bounds)

    @reaction(sources=[obs, weights, present(weights)], effects=[action])
    def act(self, obs: Array, weights: Array, fresh: Array, action: Array) -> None:
        """Draw one action per environment, by the weights that have arrived."""
        if fresh.any():
            self.parameters.load(weights)
        if self.steps < self.random_steps:
            action[...] = self._random()
        else:
            action[...] = self.head.act(self._outputs(obs), 0, self.tags, True)[1]
        self.steps += self.num_envs
        self.tags += 1

    def _outputs(self, obs: Array) -> Array:
        outputs = self.inference(obs)
        if not np.isfinite(outputs).all():
            raise FloatingPointError(
                f"the actor's outputs are not finite after {self.steps} environment steps: an observation is not "
                "finite, or lr is too high"
            )
        return outputs

    def _random(self) -> Array:
        """Actions `[num_envs, *shape]`, uniform between the bounds."""
        share = self._draws.uniform(np.arange(self.num_envs)[:, None], self.tags, np.arange(self.head.parts))
        actions = np.minimum(self._low + share * (self._high - self._low), self._high)
        return actions.reshape(self.num_envs, *self.head.shape)
