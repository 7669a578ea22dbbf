"""Start, first reset and close of 64 CartPoles, and the memory that they need: worker processes and their peers.

One step of these tables is one environment that was started, reset and closed again. What takes seconds
(SubprocVecEnv by forkserver, which is its default, and by spawn: each of its processes imports torch) runs in fewer
turns, in a table with our own start. Everything starts from one process that has imported all sides. Memory is that
beyond the bare environments, as `memory.py` defines it.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

from gymnasium.vector import AsyncVectorEnv

import reactvec
from benchmarks import memory
from benchmarks.harness import Case, Report, main, ratio
from benchmarks.rollouts import SEED, env_fns

ENVS, QUICK_ENVS = 64, 4
SLOW_TURNS, MEMORY_TURNS = 1, 3
# A process of SubprocVecEnv that does not come from a fork has a torch of its own.
BYTES_OF_A_PROCESS = 200 << 20
START_METHODS = ("fork", "forkserver", "spawn")
OURS, ASYNC, SUBPROC = "processes", "AsyncVectorEnv", "SB3 SubprocVecEnv"
DEFAULT = "forkserver"


def start(make: Callable[[], Any], envs: int) -> int:
    """Start, reset, close; returns the number of environments."""
    with closing(make()) as env:
        env.reset(seed=SEED)
    return envs


def start_sb3(make: Callable[[], Any], envs: int) -> int:
    """The same in SB3's way."""
    with closing(make()) as env:
        env.seed(SEED)
        env.reset()
    return envs


def ours(name: str, envs: int, **options: Any) -> Case:
    """Our processes."""
    make = partial(reactvec.ReactorVectorEnv, env_fns(envs), placement="processes", native=False, **options)
    return Case(name, partial(start, make, envs))


def subprocess_case(method: str, envs: int) -> Case:
    """SubprocVecEnv, started in one way; imported here, so that no other side's spawned process imports it."""
    from stable_baselines3.common.vec_env import SubprocVecEnv

    make = partial(SubprocVecEnv, env_fns(envs), start_method=method)
    return Case(f"{SUBPROC}, {method}", partial(start_sb3, make, envs))


def run_fast(report: Report, envs: int) -> None:
    """What starts in well under a second or two: ours in every way, and what forks."""
    cases = [ours(OURS, envs)] + [ours(f"{OURS}, {method}", envs, context=method) for method in START_METHODS]
    cases += [Case(ASYNC, partial(start, partial(AsyncVectorEnv, env_fns(envs)), envs)), subprocess_case("fork", envs)]
    samples = report.measure(cases)
    report.table(f"start, reset and close {envs} CartPoles", samples, f"{SUBPROC}, fork", steps="envs")


def run_slow(report: Report, envs: int) -> None:
    """SubprocVecEnv's default and spawn, beside ours, and the bar."""
    what, at_least = f"start, reset, close, {envs} CartPoles: x SubprocVecEnv ({DEFAULT})", 5.0
    if envs * BYTES_OF_A_PROCESS > available_memory():
        print(f"  {envs} processes that import torch do not fit into memory: {SUBPROC}, {DEFAULT} is left out")
        report.bar(what, None, at_least=at_least)
        return
    slow = [subprocess_case(method, envs) for method in ((DEFAULT,) if report.quick else (DEFAULT, "spawn"))]
    samples = report.measure([ours(OURS, envs), *slow], repeats=SLOW_TURNS, warmups=0)
    title = f"start, reset and close {envs} CartPoles, turns: {SLOW_TURNS}"
    report.table(title, samples, slow[0].name, steps="envs")
    report.bar(what, ratio(samples[OURS], samples[slow[0].name]), at_least=at_least)


def available_memory() -> float:
    """Bytes that can be had without swapping; infinite where the system does not say."""
    information = Path("/proc/meminfo")
    text = information.read_text() if information.exists() else ""
    found = re.search(r"^MemAvailable: +(\d+) kB", text, re.MULTILINE)
    return int(found[1]) * 1024 if found else math.inf


def run_memory(report: Report, envs: int) -> None:
    """Memory beyond the bare environments, and its bar."""
    what = f"memory beyond {envs} bare CartPoles: {ASYNC}'s over ours"
    if not memory.can_be_measured():
        report.bar(what, None, at_least=10.0)
        return
    beyond = memory.measure_beyond_bare(envs, 1 if report.quick else MEMORY_TURNS)
    print(f"\nmemory beyond {envs} bare CartPoles (PSS of the process tree)")
    for name, megabytes in beyond.items():
        print(f"  {name:<44} {megabytes:>16,.1f} MB")
    # Less than a megabyte is within what the measurement can tell.
    report.bar(what, beyond[ASYNC] / max(beyond[OURS], 1.0), at_least=10.0)


def run(report: Report) -> None:
    """Measure both starts and the memory."""
    report.controls()
    envs = QUICK_ENVS if report.quick else ENVS
    run_fast(report, envs)
    run_slow(report, envs)
    run_memory(report, envs)


if __name__ == "__main__":
    main("startup", run)
