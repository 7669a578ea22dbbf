"""Unmodified Python CartPole-v1: ReactorVectorEnv, inline, beside the serial loop and the stock classes.

The same environments, actions and seeds on all sides; NEXT_STEP; only `step` is timed and reset rows are not
counted.
"""

from __future__ import annotations

from contextlib import ExitStack, closing
from typing import Any

from gymnasium.vector import AsyncVectorEnv, AutoresetMode, SyncVectorEnv

import reactvec
from benchmarks.harness import Case, Report, main, ratio
from benchmarks.rollouts import Actions, env_fns, random_actions, sb3_case, serial_case, vector_case

SIZES = (1, 2, 4, 8, 16, 64, 256)
SIZE_OF_ALL_PEERS = 8
ROWS, QUICK_ROWS = 20_000, 2_000
OURS, SYNC, SERIAL = "ReactorVectorEnv, inline", "SyncVectorEnv", "serial loop"


def stock_cases(stack: ExitStack, actions: Actions) -> list[Case]:
    """The stock vector environments beside SyncVectorEnv, for information."""
    from stable_baselines3.common.vec_env import DummyVecEnv, SubprocVecEnv

    fns: list[Any] = env_fns(actions.shape[1])
    peers = {"SB3 DummyVecEnv": DummyVecEnv(fns), "SB3 SubprocVecEnv": SubprocVecEnv(fns)}
    cases = [sb3_case(name, stack.enter_context(closing(env)), actions) for name, env in peers.items()]
    stock = stack.enter_context(closing(AsyncVectorEnv(fns, autoreset_mode=AutoresetMode.NEXT_STEP)))
    return [*cases, vector_case("AsyncVectorEnv", stock, actions)]


def run_size(report: Report, envs: int) -> None:
    """Measure one number of environments and judge its bar."""
    actions = random_actions(max(20, (QUICK_ROWS if report.quick else ROWS) // envs), envs)
    fns: list[Any] = env_fns(envs)
    with ExitStack() as stack:
        sync = stack.enter_context(closing(SyncVectorEnv(fns, autoreset_mode=AutoresetMode.NEXT_STEP)))
        ours = stack.enter_context(
            closing(
                reactvec.ReactorVectorEnv(fns, autoreset_mode=AutoresetMode.NEXT_STEP, placement="inline", native=False)
            )
        )
        cases = [
            vector_case(OURS, ours, actions),
            vector_case(SYNC, sync, actions),
            serial_case(SERIAL, actions),
        ]
        if envs == SIZE_OF_ALL_PEERS:
            cases += stock_cases(stack, actions)
        samples = report.measure(cases)
    if samples[OURS].steps != samples[SYNC].steps:
        raise AssertionError(f"{envs} environments: {OURS} and {SYNC} did not play the same episodes")
    report.table(f"Python CartPole-v1, {envs} environments", samples, baseline=SYNC)
    report.bar(
        f"Python CartPole-v1, inline, {envs} envs: x {SYNC}",
        ratio(samples[OURS], samples[SYNC]),
        at_least=1.0,
    )


def run(report: Report) -> None:
    """Measure every number of environments."""
    report.controls()
    for envs in SIZES:
        run_size(report, envs)


if __name__ == "__main__":
    main("python_cartpole", run)
