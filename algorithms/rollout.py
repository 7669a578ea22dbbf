"""Rollout: the reactor that keeps what happened in the last tags, and what is learned from such a block of steps."""

from __future__ import annotations

from typing import Any, NamedTuple

import gymnasium as gym
import numpy as np
import numpy.typing as npt

from reactvec import InputPort, OutputPort, Reactor, reaction
from reactvec.port_types import PortType, port_type

from .heads import Head
from .kernels.rollout import RolloutMemory

Array = npt.NDArray[Any]
Bools = npt.NDArray[np.bool_]


BEGIN = 1  # the first tag of the first rollout: tag 0 is the reset


def row_types(space: gym.Space[Any], head: Head) -> dict[str, PortType]:
    """The shape and dtype of a row of each port of the policy, but for its weights."""
    numbers = dict.fromkeys(("log_prob", "value", "end_value"), ((), np.float32))
    flags = dict.fromkeys(("terminated", "truncated"), ((), np.bool_))
    return {
        **dict.fromkeys(("obs", "next_obs", "final_obs"), port_type(space)),
        "choice": ((head.parts,), head.kernel.choice_dtype),
        "action": (head.shape, head.kernel.action_dtype),
        **numbers,
        **flags,
    }


def ports_of(rows: dict[str, PortType], num_envs: int, spread: bool) -> dict[str, Any]:
    """The port types of a reactor with these rows: a bank that is spread over workers, or one that has all of them."""
    return {name: (shape if spread else (num_envs, *shape), dtype) for name, (shape, dtype) in rows.items()}


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
    valid: Bools
    """`[T, N]`: whether a row was a step; else it is the reset or the loss of an environment."""


class Rollout(Reactor):
    """The last `length` steps of a bank of environments, copied row by row by a kernel; a rollout begins every
    `length` tags from BEGIN on. With `blocks=2` the rollout before stays while the next is filled.

    A bank like the environments, unless it is not `spread`, because these are stepped by other processes.
    """

    obs = InputPort()  # what was acted on: the environments' observation of the tag before
    choice = InputPort()
    log_prob = InputPort(dtype=np.float32)
    value = InputPort(dtype=np.float32)
    end_value = InputPort(dtype=np.float32)
    reward = InputPort()
    terminated = InputPort(dtype=np.bool_)
    truncated = InputPort(dtype=np.bool_)
    valid = InputPort(dtype=np.bool_)
    stored = OutputPort(dtype=np.uint8)  # carries nothing; who reads it runs after all rows are stored

    def __init__(
        self, space: gym.Space[Any], head: Head, num_envs: int, length: int, *, spread: bool = True, blocks: int = 1
    ) -> None:
        types = {**row_types(space, head), "reward": ((), np.float64), "valid": ((), np.bool_)}
        kept = {name: types[name] for name in Steps._fields}
        super().__init__(
            bank=num_envs if spread else None, **ports_of({**kept, "stored": ((), np.uint8)}, num_envs, spread)
        )
        self.space, self.head, self.num_envs, self.length = space, head, num_envs, length
        self.memory = RolloutMemory(kept, length, num_envs, blocks, BEGIN, whole=not spread)

    @reaction(
        sources=[obs, choice, log_prob, value, end_value, reward, terminated, truncated, valid],
        effects=[stored],
        native=True,
    )
    def store(self) -> object:
        """The kernel that keeps a step."""
        return self.memory.store()

    def steps(self, block: int) -> Steps:
        """The steps of rollout number `block`, counted from 0."""
        return Steps(**self.memory.view(block))
