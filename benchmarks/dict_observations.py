"""Dict observations and infos: ReactorVectorEnv in worker processes beside AsyncVectorEnv, 8 environments.

Four boxes an observation and a non-empty info with every step (`dict_env.py`); only `step` is timed and reset rows are
not counted. The bar is judged by the better of AsyncVectorEnv with shared memory and with pipes.
"""

from __future__ import annotations

from contextlib import ExitStack, closing
from typing import Any

from gymnasium.vector import AsyncVectorEnv, SyncVectorEnv

import reactvec
from benchmarks.dict_env import DictEnv
from benchmarks.harness import Case, Report, best, main, ratio
from benchmarks.rollouts import random_actions, serial_case, vector_case

ENVS = 8
STEPS, ASYNC_STEPS = 16_000, 4_000
QUICK_SHARE = 5
OURS, AUTO, SYNC, SERIAL = "processes", "auto", "SyncVectorEnv", "serial loop"
ASYNC = {"AsyncVectorEnv, shared memory": True, "AsyncVectorEnv, pipes": False}


def make_cases(stack: ExitStack, quick: bool) -> list[Case]:
    """All cases, in an order in which what forks comes first."""
    share = QUICK_SHARE if quick else 1
    fns: list[Any] = [DictEnv] * ENVS
    actions, few = random_actions(STEPS // ENVS // share, ENVS), random_actions(ASYNC_STEPS // ENVS // share, ENVS)
    cases = []
    for name in (OURS, AUTO):
        env = reactvec.ReactorVectorEnv(fns, placement=name)
        cases.append(vector_case(name, stack.enter_context(closing(env)), actions))
    for name, shared in ASYNC.items():
        stock = AsyncVectorEnv(fns, shared_memory=shared)
        cases.append(vector_case(name, stack.enter_context(closing(stock)), few))
    cases.append(vector_case(SYNC, stack.enter_context(closing(SyncVectorEnv(fns))), actions))
    return [*cases, serial_case(SERIAL, actions, DictEnv)]


def run(report: Report) -> None:
    """Measure all cases and judge the bar."""
    report.controls()
    with ExitStack() as stack:
        samples = report.measure(make_cases(stack, report.quick))
    if samples[OURS].steps != samples[SYNC].steps:
        raise AssertionError(f"{OURS} and {SYNC} did not play the same episodes")
    report.table(f"Dict of 4 boxes and an info each step, {ENVS} environments", samples, baseline=SYNC)
    stock = best(samples[name] for name in ASYNC)
    what = f"Dict observations and infos, {ENVS} envs: x {stock.name}"
    report.bar(what, ratio(samples[OURS], stock), at_least=4.0)


if __name__ == "__main__":
    main("dict_observations", run)
