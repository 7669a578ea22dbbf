"""Native CartPole-v1 through `step`: ReactorVectorEnv beside EnvPool's best and a plain C loop.

Random actions drawn beforehand; only steps are timed and reset rows are not counted. EnvPool's best is the
highest median over its thread counts and modes. The C loop does the same arithmetic without any library
around it.
"""

from __future__ import annotations

from contextlib import ExitStack, closing
from functools import partial
from typing import Any

from gymnasium.vector import AutoresetMode, SyncVectorEnv

import reactvec
from benchmarks import machine, native_code
from benchmarks.harness import Case, Report, Sample, best, main, peer, ratio
from benchmarks.rollouts import env_fns, envpool_case, random_actions, serial_case, vector_case

# Rows of one repetition: each long enough to time, none so long that the others wait.
NATIVE_ROWS, LOOP_ROWS, ENVPOOL_ROWS, PYTHON_ROWS = 400_000, 2_000_000, 40_000, 10_000
QUICK_SHARE = 5
ENVPOOL_THREADS = (1, 2)
ENVPOOL_BATCHES = (1, 2, 4)  # as parts of the environments; one part is the synchronous mode
ONE, TWO, AUTO = "ReactorVectorEnv, 1 thread", "ReactorVectorEnv, 2 threads", "ReactorVectorEnv, auto"
LOOP_ONE, LOOP_TWO = "plain C loop, 1 core", "plain C loop, 2 cores"
SYNC, SERIAL = "SyncVectorEnv (Python)", "serial loop (Python)"


def steps_of(report: Report, rows: int, envs: int) -> int:
    """Steps of a rollout that has about so many rows."""
    return max(20, (rows // QUICK_SHARE if report.quick else rows) // envs)


def our_cases(report: Report, stack: ExitStack, envs: int) -> list[Case]:
    """ReactorVectorEnv with one thread, with two, and as it comes."""
    actions = random_actions(steps_of(report, NATIVE_ROWS, envs), envs)
    options: dict[str, dict[str, Any]] = {ONE: {"placement": "inline"}, AUTO: {}}
    if machine.two_cores():
        options[TWO] = {"placement": "threads", "num_workers": 2}
    cases = []
    for name, chosen in options.items():
        env = reactvec.ReactorVectorEnv(env_fns(envs), autoreset_mode=AutoresetMode.NEXT_STEP, **chosen)
        cases.append(vector_case(name, stack.enter_context(closing(env)), actions))
    return cases


def loop_cases(report: Report, envs: int) -> list[Case]:
    """The C loop on one core and on two."""
    actions = random_actions(steps_of(report, LOOP_ROWS, envs), envs)
    cores = machine.two_cores()
    chosen = {LOOP_ONE: tuple(machine.usable_cores()[:1]), **({LOOP_TWO: cores} if cores else {})}
    return [Case(name, partial(native_code.cartpole_loop, actions, on)) for name, on in chosen.items()]


def envpool_cases(report: Report, stack: ExitStack, envs: int) -> list[Case]:
    """EnvPool with each number of threads, synchronous and asynchronous."""
    envpool = peer("envpool")
    if envpool is None:
        return []
    steps = steps_of(report, ENVPOOL_ROWS, envs)
    return [
        envpool_case(envpool, random_actions(steps * part, envs // part), envs, threads)
        for threads in ENVPOOL_THREADS
        for part in ENVPOOL_BATCHES
    ]


def python_cases(report: Report, stack: ExitStack, envs: int) -> list[Case]:
    """The serial baselines."""
    actions = random_actions(steps_of(report, PYTHON_ROWS, envs), envs)
    fns: list[Any] = env_fns(envs)
    sync = stack.enter_context(closing(SyncVectorEnv(fns, autoreset_mode=AutoresetMode.NEXT_STEP)))
    return [vector_case(SYNC, sync, actions), serial_case(SERIAL, actions)]


def measure_size(report: Report, envs: int) -> tuple[dict[str, Sample], Sample | None]:
    """Samples of every case, and of EnvPool's best."""
    with ExitStack() as stack:
        peers = envpool_cases(report, stack, envs)
        cases = our_cases(report, stack, envs) + loop_cases(report, envs) + peers + python_cases(report, stack, envs)
        samples = report.measure(cases)
    report.table(f"native CartPole-v1, {envs:,} environments", samples, baseline=SYNC)
    return samples, best(samples[case.name] for case in peers) if peers else None


def compared(sample: Sample | None, baseline: Sample | None) -> float | None:
    """The ratio of two samples; None where one could not be measured."""
    return ratio(sample, baseline) if sample and baseline else None


def run(report: Report) -> None:
    """Measure 8 and 1,024 environments and judge the bars."""
    report.controls()
    samples, envpool = measure_size(report, 8)
    ours = best(samples[name] for name in (ONE, TWO) if name in samples)
    report.bar(f"native CartPole-v1, 8 envs ({ours.name}): x EnvPool", compared(ours, envpool), at_least=8.0)
    samples, envpool = measure_size(report, 1024)
    two = samples.get(TWO)
    report.bar("native CartPole-v1, 1,024 envs, 2 threads: x EnvPool", compared(two, envpool), at_least=20.0)
    loop = compared(two, samples.get(LOOP_TWO))
    report.bar("native CartPole-v1, 1,024 envs, 2 threads: x C loop, 2 cores", loop, at_least=0.5)


if __name__ == "__main__":
    main("native_cartpole", run)
