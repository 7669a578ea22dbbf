"""Rollouts of CartPole-v1 with fixed random actions, as cases, for every kind of vector environment."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import gymnasium as gym
import numpy as np
import numpy.typing as npt
from gymnasium.vector import AutoresetMode

from benchmarks.harness import Case

SEED = 0
ENV_ID = "CartPole-v1"
Actions = npt.NDArray[np.int64]


def make_env(env_id: str = ENV_ID) -> gym.Env[Any, Any]:
    """One environment, made the same way on all sides."""
    return gym.make(env_id)


def env_fns(envs: int, env_id: str = ENV_ID) -> list[Callable[[], gym.Env[Any, Any]]]:
    """What the constructors of vector environments take."""
    return [partial(make_env, env_id)] * envs


def random_actions(steps: int, envs: int) -> Actions:
    """The actions [steps, envs] of every rollout, drawn before anything is timed."""
    return np.random.default_rng(SEED).integers(0, 2, size=(steps, envs))


def serial_case(name: str, actions: npt.NDArray[Any], make: Callable[[], gym.Env[Any, Any]] = make_env) -> Case:
    """The plain Python loop over environments; it resets on the spot and has no reset rows."""
    envs = [make() for _ in range(actions.shape[1])]
    rows = [list(row) if actions.ndim > 2 else row.tolist() for row in actions]
    steps = len(rows) * len(envs)

    def prepare() -> None:
        for index, env in enumerate(envs):
            env.reset(seed=SEED + index)

    def run() -> int:
        for row in rows:
            for env, action in zip(envs, row, strict=True):
                _, _, terminated, truncated, _ = env.step(action)
                if terminated or truncated:
                    env.reset()
        return steps

    return Case(name, run, prepare)


def count_steps(env: Any, rows: Sequence[npt.NDArray[Any]]) -> int:
    """Play a rollout once and count its steps: in NEXT_STEP mode the row after an end is a reset row."""
    if env.metadata.get("autoreset_mode") is AutoresetMode.SAME_STEP:
        return len(rows) * int(env.num_envs)
    env.reset(seed=SEED)
    return count_steps_after_reset(env, rows)


def count_steps_after_reset(env: Any, rows: Sequence[npt.NDArray[Any]]) -> int:
    """Play a rollout in NEXT_STEP mode and count its steps."""
    steps, ended = 0, np.zeros(env.num_envs, np.bool_)
    for row in rows:
        _, _, terminations, truncations, _ = env.step(row)
        steps += int(np.count_nonzero(~ended))
        ended = np.logical_or(terminations, truncations)
    return steps


def vector_case(name: str, env: Any, actions: npt.NDArray[Any]) -> Case:
    """A Gymnasium vector environment in NEXT_STEP or SAME_STEP mode whose seed decides its trajectories.

    Every repetition begins with the same untimed `reset(seed=...)`, so its steps are counted once.
    """
    rows = list(actions)
    steps = count_steps(env, rows)

    def run() -> int:
        step = env.step
        for row in rows:
            step(row)
        return steps

    return Case(name, run, lambda: env.reset(seed=SEED))


def sb3_case(name: str, env: Any, actions: Actions) -> Case:
    """A Stable-Baselines3 vector environment; it resets within the step and has no reset rows."""
    rows = list(actions)

    def prepare() -> None:
        env.seed(SEED)
        env.reset()

    def run() -> int:
        step = env.step
        for row in rows:
            step(row)
        return actions.size

    return Case(name, run, prepare)


def envpool_case(envpool: Any, actions: npt.NDArray[Any], envs: int, threads: int, env_id: str = ENV_ID) -> Case:
    """EnvPool; asynchronous when the actions [steps, batch] have fewer columns than there are environments.

    It takes no seed at a reset, so its reset rows (`elapsed_step` 0) are counted after each repetition.
    """
    steps, batch = len(actions), int(actions.shape[1])
    env = envpool.make_gymnasium(env_id, num_envs=envs, batch_size=batch, num_threads=threads, seed=SEED)
    rows, elapsed = list(actions), list[npt.NDArray[np.int32]]()

    def run_sync() -> int:
        elapsed.clear()
        step, keep = env.step, elapsed.append
        for row in rows:
            keep(step(row)[4]["elapsed_step"])
        return steps * batch

    def run_async() -> int:
        elapsed.clear()
        receive, send, keep = env.recv, env.send, elapsed.append
        for row in rows:
            info = receive()[4]
            send(row, info["env_id"])
            keep(info["elapsed_step"])
        return steps * batch

    def resets() -> int:
        return int(np.count_nonzero(np.concatenate(elapsed) == 0))

    env.async_reset() if batch < envs else env.reset()
    mode, run = (f"async, batch {batch}", run_async) if batch < envs else ("sync", run_sync)
    return Case(f"EnvPool, {threads} thread{'s' if threads > 1 else ''}, {mode}", run, finish=resets)
