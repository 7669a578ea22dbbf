"""How much of two cores worker processes use when steps are long, alike and unlike: beside one serial loop.

The steps are real work (`timed_env.py`), because two busy processes on two cores are what the figure is about: asleep,
any number of environments would fit on one core. Times that differ are drawn before anything runs, given as actions,
and the same on both sides. Contiguous halves of the environments are rarely alike, so the partition has a limit: each
step takes as long as its slower half. It is simulated from the same times, without any cost of its own.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

import reactvec
from benchmarks import machine
from benchmarks.harness import Report, main, ratio
from benchmarks.rollouts import SEED, random_actions, serial_case, vector_case
from benchmarks.timed_env import DrawnTimeEnv, TimedEnv, calibrate
from reactvec.partition import ranges

WORKERS = 2
SHORTEST, LONGEST, EVEN = 100.0, 4000.0, 1000.0  # microseconds
SHARE_ALIKE, SHARE_OF_MANY, POINTS_UNDER_LIMIT = 0.97, 0.90, 3.0
ROWS = {"alike": 50, 64: 6, 8: 40}
QUICK_ROWS = {"alike": 10, 64: 1, 8: 8}
OURS, SERIAL = "processes", "serial loop"
Times = npt.NDArray[np.float64]


def drawn_times(rows: int, envs: int, turns_per_microsecond: float) -> Times:
    """Turns of work, `[rows, envs]`, of steps that take from SHORTEST to LONGEST microseconds, uniformly."""
    return np.random.default_rng(SEED).uniform(SHORTEST, LONGEST, (rows, envs)) * turns_per_microsecond


def limit(times: Times, workers: int) -> float:
    """The share of `workers` cores that contiguous ranges can use if each step waits for the slowest range."""
    parts = [times[:, low:high].sum(axis=1) for low, high in ranges(times.shape[1], workers)]
    return float(times.sum() / (workers * np.max(parts, axis=0).sum()))


def measure_share(report: Report, title: str, make: Callable[[], Any], actions: npt.NDArray[Any]) -> float:
    """The share of two cores that our processes reach; prints the table."""
    ours = reactvec.ReactorVectorEnv(
        [make] * actions.shape[1], placement="processes", num_workers=WORKERS, native=False
    )
    with closing(ours):
        samples = report.measure([vector_case(OURS, ours, actions), serial_case(SERIAL, actions, make)])
    report.table(title, samples, baseline=SERIAL)
    return ratio(samples[OURS], samples[SERIAL]) / WORKERS


def run_drawn(report: Report, envs: int, turns_per_microsecond: float) -> tuple[float, float]:
    """The share reached and its limit where the times are drawn for every step."""
    times = drawn_times((QUICK_ROWS if report.quick else ROWS)[envs], envs, turns_per_microsecond)
    share = measure_share(report, f"{envs} envs, 0.1 to 4 ms a step", DrawnTimeEnv, times[..., None])
    print(f"  share of {WORKERS} cores {share:.3f}; the partition's simulated limit {limit(times, WORKERS):.3f}")
    return share, limit(times, WORKERS)


def run(report: Report) -> None:
    """Measure three banks and judge their bars."""
    report.controls()
    turns_per_microsecond = calibrate()
    two = machine.two_cores() is not None
    make = partial(TimedEnv, round(EVEN * turns_per_microsecond))
    actions = random_actions((QUICK_ROWS if report.quick else ROWS)["alike"], 8)
    share = measure_share(report, "8 envs, 1 ms a step", make, actions)
    report.bar("8 envs of 1 ms: of 2 x serial loop", share if two else None, at_least=SHARE_ALIKE)
    share, _ = run_drawn(report, 64, turns_per_microsecond)
    report.bar("64 envs of 0.1 to 4 ms: of 2 x serial loop", share if two else None, at_least=SHARE_OF_MANY)
    share, most = run_drawn(report, 8, turns_per_microsecond)
    under = 100 * (most - share) if two else None
    what = "8 envs of 0.1 to 4 ms: under the partition's limit"
    report.bar(what, under, at_most=POINTS_UNDER_LIMIT, unit="points")


if __name__ == "__main__":
    main("balance", run)
