"""Rollout: the reactor that keeps what happened in the last tags, and what is learned from such a block of steps."""

from __future__ import annotations

from typing import Any, NamedTuple

import gymnasium as gym
import numpy as np
import numpy.typing as npt

from reactvec import InputPort, OutputPort, Reactor, reaction
from reactvec.port_types import port_type

from .heads import Head
from .kernels.rollout import RolloutMemory

Array = npt.NDArray[Any]
Bools = npt.NDArray[np.bool_]


BEGIN = 1  # the first tag of the first rollout: tag 0 is the reset


class Steps(NamedTuple):
    """A block of steps of all environments, time first; views of a rollout's memory, valid until it is filled anew."""

    obs: Array
    """`[T, N, *obs_shape]`: before the action, as observed."""
    choice: Array
    """`[T, N, parts]`: what the head drew; see heads.py."""
    log_prob: npt.NDArray[np.float32]
    """`[T, N]`: of that choice, by the weights that drew it."""
    value: npt.NDArray[np.float32]
    """`[T, N]`: of obs, by those weights."""
    end_value: npt.NDArray[np.float32]
    """`[T, N]`: where an episode was truncated, the value of its final observation by those weights; in the last row,
    where no episode ended, that of the observation after it. Anything elsewhere."""
    reward: npt.NDArray[np.float64]
    """`[T, N]`: as the environment gave it."""
    terminated: Bools
    truncated: Bools


class Rollout(Reactor):
    """The last `length` steps of a bank of environments, copied row by row by a kernel; a rollout begins every
    `length` tags from BEGIN on. With `blocks=2` the rollout before stays while the next is filled.
    """

    obs = InputPort()  # what was acted on: the environments' observation of the tag before
    choice = InputPort()
    log_prob = InputPort(dtype=np.float32)
    value = InputPort(dtype=np.float32)
    end_value = InputPort(dtype=np.float32)
    reward = InputPort()
    terminated = InputPort(dtype=np.bool_)
    truncated = InputPort(dtype=np.bool_)
    stored = OutputPort(dtype=np.uint8)  # carries nothing; who reads it runs after all rows are stored

    def __init__(self, space: gym.Space[Any], head: Head, num_envs: int, length: int, blocks: int = 1) -> None:
        super().__init__(bank=num_envs, obs=port_type(space), choice=((head.parts,), head.kernel.choice_dtype))
        self.space, self.length = space, length
        types = {name: (self.ports[name].shape, self.ports[name].dtype) for name in Steps._fields}
        self.memory = RolloutMemory(types, length, num_envs, blocks, BEGIN)

    @reaction(
        sources=[obs, choice, log_prob, value, end_value, reward, terminated, truncated], effects=[stored], native=True
    )
    def store(self) -> object:
        """The kernel that keeps a step."""
        return self.memory.store()

    def steps(self, block: int) -> Steps:
        """The steps of rollout number `block`, counted from 0."""
        return Steps(**self.memory.view(block))
