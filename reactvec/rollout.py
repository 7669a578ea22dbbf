"""Random rollouts against the clock: how many steps of environments are done in how many seconds."""

from __future__ import annotations

import time
from itertools import cycle, islice
from typing import Any, Protocol

import gymnasium as gym
import numpy as np

SEED = 0
BATCHES = 128  # of actions, drawn before the clock runs, and played again and again
CHUNK_NS = 5_000_000  # steps are counted, and the clock is looked at, so often
WARM_UP = 0.2  # of the time that is measured


class Rollout(Protocol):
    """Something that can be played on and on."""

    def play(self, rounds: int) -> tuple[int, int]:
        """Step all environments so many times; `(steps, nanoseconds)`, resets included in the time alone."""


class SerialRollout:
    """A plain loop over one environment, which is reset as soon as an episode ends."""

    def __init__(self, env: gym.Env[Any, Any]) -> None:
        self._env = env
        self._actions = drawn(env.action_space)
        env.reset(seed=SEED)

    def play(self, rounds: int) -> tuple[int, int]:
        """See `Rollout`."""
        env, actions = self._env, list(islice(self._actions, rounds))
        began = time.perf_counter_ns()
        for action in actions:
            _, _, terminated, truncated, _ = env.step(action)
            if terminated or truncated:
                env.reset()
        return rounds, time.perf_counter_ns() - began

    def durations_ns(self, seconds: float) -> list[int]:
        """How long each step took, of as many as there are in so many seconds, at least one; resets do not count."""
        durations, until = list[int](), time.perf_counter() + seconds
        while not durations or time.perf_counter() < until:
            action = next(self._actions)
            began = time.perf_counter_ns()
            _, _, terminated, truncated, _ = self._env.step(action)
            durations.append(time.perf_counter_ns() - began)
            if terminated or truncated:
                self._env.reset()
        return durations


class VectorRollout:
    """Steps of a vector environment in Gymnasium's NEXT_STEP mode: the row after an end is a reset row, and no step."""

    def __init__(self, envs: gym.vector.VectorEnv[Any, Any, Any]) -> None:
        self._envs = envs
        self._actions = drawn(envs.action_space)
        self._ended = np.zeros((1, envs.num_envs), np.bool_)
        envs.reset(seed=SEED)

    def play(self, rounds: int) -> tuple[int, int]:
        """See `Rollout`."""
        step, actions, flags = self._envs.step, list(islice(self._actions, rounds)), list[Any]()
        keep = flags.append
        began = time.perf_counter_ns()
        for action in actions:
            _, _, terminated, truncated, _ = step(action)
            keep(terminated)
            keep(truncated)
        took = time.perf_counter_ns() - began
        ended = np.concatenate([self._ended, np.reshape(flags, (rounds, 2, -1)).any(axis=1)])
        self._ended = ended[-1:]
        return int(np.count_nonzero(~ended[:-1])), took


def drawn(space: gym.Space[Any]) -> cycle[Any]:
    """The actions of a rollout, from the space with a fixed seed."""
    space.seed(SEED)
    return cycle([space.sample() for _ in range(BATCHES)])


def timed(rollout: Rollout, seconds: float) -> tuple[int, float]:
    """Play for so many seconds, and at least one round, after a warm-up; `(steps, seconds)`."""
    _play_for(rollout, seconds * WARM_UP)
    return _play_for(rollout, seconds)


def _play_for(rollout: Rollout, seconds: float) -> tuple[int, float]:
    steps, nanoseconds, rounds = 0, 0, 1
    while nanoseconds < seconds * 1e9:
        done, took = rollout.play(rounds)
        steps, nanoseconds = steps + done, nanoseconds + took
        if took < CHUNK_NS:
            rounds *= 2
    return steps, nanoseconds / 1e9
