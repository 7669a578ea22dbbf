"""`placement="auto"` beside SyncVectorEnv: never slower, whatever a step costs and whatever the caller does between.

Every cell is a number of environments, the work of one step and the caller's own work between two steps, all of it
arithmetic (`timed_env.py` says why). The caller's work is not counted: only the time within `step` is compared.
Both sides take turns, in one process. Before the first turn of a cell its environments have stepped, with the
caller's work between, until `auto` has seen what they cost: WARM_UP_STEPS steps, or as many as fit in WARM_UP_SECONDS.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial
from itertools import product
from typing import Any

from gymnasium.vector import SyncVectorEnv

import reactvec
from benchmarks import machine
from benchmarks.harness import Case, Report, Sample, main, ratio, spread
from benchmarks.rollouts import SEED, random_actions
from benchmarks.timed_env import TimedEnv, calibrate, work

ENVS, QUICK_ENVS = (1, 2, 4, 8, 64, 256), (1, 8, 64)
STEP_MICROSECONDS, QUICK_STEP_MICROSECONDS = (1, 5, 50, 500), (1, 50)
CALLER_MILLISECONDS, QUICK_CALLER_MILLISECONDS = (0.0, 0.3, 3.0), (0.0, 0.3)
WARM_UP_STEPS, WARM_UP_SECONDS, LEAST_WARM_UP_STEPS = 300, 1.0, 20
TURN_SECONDS, MOST_STEPS = 0.03, 200
NEVER_UNDER, WORTH_SHARING = 0.95, 1.6
WORTH_FROM_ENVS, WORTH_FROM_MICROSECONDS = 8, 50
AUTO, SYNC = "auto", "SyncVectorEnv"


@dataclass(frozen=True)
class Cell:
    """One combination of the three; `seconds` is about what a step of SyncVectorEnv and the caller's work take."""

    envs: int
    microseconds: int
    caller_milliseconds: float

    def __str__(self) -> str:
        return f"{self.envs} envs of {self.microseconds} us, caller {self.caller_milliseconds:g} ms"

    @property
    def seconds(self) -> float:
        return self.envs * (self.microseconds + 2) / 1e6 + self.caller_milliseconds / 1e3

    @property
    def is_worth_sharing(self) -> bool:
        """Whether the second bar is about this cell."""
        return self.envs >= WORTH_FROM_ENVS and self.microseconds >= WORTH_FROM_MICROSECONDS


def cells(quick: bool) -> list[Cell]:
    """All cells, or a few of them."""
    if quick:
        return [Cell(*cell) for cell in product(QUICK_ENVS, QUICK_STEP_MICROSECONDS, QUICK_CALLER_MILLISECONDS)]
    return [Cell(*cell) for cell in product(ENVS, STEP_MICROSECONDS, CALLER_MILLISECONDS)]


@dataclass
class Stepping:
    """Steps of one vector environment with the caller's work before each; counts the time within `step`."""

    env: Any
    caller_turns: int
    steps: int
    actions: Any = field(init=False)
    seconds: float = 0.0

    def __post_init__(self) -> None:
        self.actions = random_actions(1, self.env.num_envs)[0]
        self.env.reset(seed=SEED)

    def run(self) -> int:
        """One turn; its first step, which finds cold caches, is not counted."""
        self.seconds, total, step, actions = 0.0, 0, self.env.step, self.actions
        for number in range(self.steps + 1):
            work(self.caller_turns)
            begin = time.perf_counter_ns()
            step(actions)
            if number:
                total += time.perf_counter_ns() - begin
        self.seconds = total / 1e9
        return self.steps * int(self.env.num_envs)

    def warm_up(self, steps: int, seconds: float) -> int:
        """Step until `steps` are done, or `seconds` are over and LEAST_WARM_UP_STEPS are; returns the steps."""
        end = time.perf_counter() + seconds
        for done in range(steps):
            if done >= LEAST_WARM_UP_STEPS and time.perf_counter() > end:
                return done
            work(self.caller_turns)
            self.env.step(self.actions)
        return steps

    def case(self, name: str) -> Case:
        return Case(name, self.run, seconds=lambda: self.seconds)


def measure_cell(report: Report, cell: Cell, turns_per_microsecond: float) -> dict[str, Sample]:
    """Samples of both sides of one cell."""
    make = partial(TimedEnv, round(cell.microseconds * turns_per_microsecond))
    fns: list[Callable[[], Any]] = [make] * cell.envs
    caller_turns = round(cell.caller_milliseconds * 1e3 * turns_per_microsecond)
    steps = max(1, min(MOST_STEPS, int(TURN_SECONDS / cell.seconds)))
    ours = reactvec.ReactorVectorEnv(fns, placement="auto", native=False)
    with closing(ours), closing(SyncVectorEnv(fns)) as sync:
        auto, serial = Stepping(ours, caller_turns, steps), Stepping(sync, caller_turns, steps)
        auto.warm_up(WARM_UP_STEPS, WARM_UP_SECONDS / (5 if report.quick else 1))
        return report.measure([auto.case(AUTO), serial.case(SYNC)])


def shown(samples: dict[str, Sample]) -> str:
    """The ratio of a cell, and the quartiles of the turns."""
    pairs = zip(samples[AUTO].rates, samples[SYNC].rates, strict=True)
    ratios = spread([ours / theirs for ours, theirs in pairs])
    return f"{ratios.median:.2f} ({ratios.lower:.2f}-{ratios.upper:.2f})"


def print_ratios(measured: dict[Cell, dict[str, Sample]]) -> None:
    """One table: a row for each pair of works, a column for each number of environments."""
    envs = sorted({cell.envs for cell in measured})
    print("\nauto: x SyncVectorEnv, time within step only; median and quartiles over the turns")
    print(f"  {'step':>8} {'caller':>8} " + "".join(f"{f'{count} envs':>18}" for count in envs))
    for microseconds, caller in sorted({(cell.microseconds, cell.caller_milliseconds) for cell in measured}):
        texts = [shown(measured[Cell(count, microseconds, caller)]) for count in envs]
        print(f"  {f'{microseconds} us':>8} {f'{caller:g} ms':>8} " + "".join(f"{text:>18}" for text in texts))


def judge(report: Report, what: str, ratios: dict[Cell, float], bound: float) -> None:
    """The bar of the worst of some cells."""
    worst = min(ratios, key=ratios.__getitem__)
    report.bar(f"auto, {what}, worst: {worst}", ratios[worst], at_least=bound)


def run(report: Report) -> None:
    """Measure all cells and judge the worst."""
    report.controls()
    turns_per_microsecond = calibrate()
    print(f"  {'turns of work in 1 us':<28} {turns_per_microsecond:.1f}")
    measured = {}
    for cell in cells(report.quick):
        measured[cell] = report.samples[str(cell)] = measure_cell(report, cell, turns_per_microsecond)
    print_ratios(measured)
    ratios = {cell: ratio(samples[AUTO], samples[SYNC]) for cell, samples in measured.items()}
    judge(report, "all", ratios, NEVER_UNDER)
    if machine.two_cores():
        heavy = {cell: value for cell, value in ratios.items() if cell.is_worth_sharing}
        judge(report, "heavy", heavy, WORTH_SHARING)
    else:
        report.bar("auto, heavy", None, at_least=WORTH_SHARING)


if __name__ == "__main__":
    main("sharing", run)
