"""Before it stands in for environments in a process, a kernel must reproduce the steps of their Python class."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import gymnasium as gym
import numpy as np
from gymnasium.vector import AutoresetMode

from reactvec.port_types import port_type, row_writer

if TYPE_CHECKING:
    from reactvec.envs.kernel_bank import KernelBank

SEED = 7


def first_difference(bank: type[KernelBank]) -> str | None:
    """Step the kernel and the Python class through the bank's `trials`: None, or a sentence if they ever differ."""
    if all(follows(bank, make, actions) for make, actions in bank.trials()):
        return None
    return f"{bank.environment.__name__} computes in another way here than the kernel {bank.__name__}"


def follows(bank: type[KernelBank], make: Callable[[], gym.Env[Any, Any]], actions: Sequence[Any]) -> bool:
    """Whether the kernel gives the same bits for one environment, through its resets, and leaves the same state."""
    env, shadow = make(), make()
    env.reset(seed=SEED)
    shadow.reset(seed=SEED)
    kernel = bank([shadow], AutoresetMode.NEXT_STEP)
    kernel.load(0)
    got, expected = Row(env, bank), Row(env, bank)
    ended = False
    for action in np.array(actions, env.action_space.dtype):
        got.action[0] = action
        if kernel.run(got.ports) != 0:
            return False
        if ended:
            expected.take(*_first(env))
        else:
            expected.take(*env.step(action))
        if not got.equals(expected):
            return False
        ended = bool(expected.terminated[0])
    kernel.store(0)
    same_draws = _generator_state(env) == _generator_state(shadow)
    return same_draws and (ended or _next_step(env, actions[0]) == _next_step(shadow, actions[0]))


class Row:
    """The ports of a bank of one environment."""

    def __init__(self, env: gym.Env[Any, Any], bank: type[KernelBank]) -> None:
        assert env.action_space.shape is not None
        self.action = np.zeros((1, *env.action_space.shape), env.action_space.dtype)
        shape, dtype = port_type(env.observation_space)
        self.obs = np.zeros((1, *shape), dtype)
        self.reward, self.terminated = np.zeros(1), np.zeros(1, np.bool_)
        self.info = np.zeros(1, bank.info_type or np.uint8)
        names = () if bank.info_type is None else bank.info_type.names or ()
        self._names = [name for name in names if name != "begun"]
        self._write = row_writer(env.observation_space)
        spare = np.zeros(1, np.bool_), self.obs.copy(), self.info, self.info.copy()
        self.ports = [self.action, self.obs, self.reward, self.terminated, *spare]

    def take(self, obs: Any, reward: Any, terminated: Any, truncated: Any, info: dict[str, Any]) -> None:
        """Write what a step returned."""
        self._write(self.obs, 0, obs)
        self.reward[0], self.terminated[0] = reward, terminated
        for name in self._names:
            self.info[name][0] = info[name]

    def equals(self, other: Row) -> bool:
        """Whether the results are the same, bit by bit."""
        pairs = [(self.obs, other.obs), (self.reward, other.reward), (self.terminated, other.terminated)]
        pairs += [(self.info[name], other.info[name]) for name in self._names]
        return all(mine.tobytes() == theirs.tobytes() for mine, theirs in pairs)


def _first(env: gym.Env[Any, Any]) -> tuple[Any, float, bool, bool, dict[str, Any]]:
    obs, info = env.reset()
    return obs, 0.0, False, False, info


def _next_step(env: gym.Env[Any, Any], action: Any) -> str:
    return repr(env.step(np.asarray(action, env.action_space.dtype)[()])[:3])


def _generator_state(env: gym.Env[Any, Any]) -> str:
    return repr(env.unwrapped.np_random.bit_generator.state)
