"""The harness of every benchmark: cases, interleaved repeats, medians with their spread, bars, a JSON report.

A script defines `run(report)` and ends in `main("name", run)`. In `run` it measures cases against each other,
prints them as a table and judges its bars:

    report.controls()
    samples = report.measure([Case("ours", ours), Case("theirs", theirs)])
    report.table("8 environments", samples, baseline="theirs")
    report.bar("ours, 8 environments", ratio(samples["ours"], samples["theirs"]), at_least=8.0)
"""

from __future__ import annotations

import argparse
import gc
import importlib
import json
import os
import statistics
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from benchmarks import machine

# They choose code for another processor than this one, and then numpy and torch are slow.
MISLEADING_VARIABLES = ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")


@dataclass(frozen=True)
class Case:
    """One of the things compared.

    `function` does one timed repetition and returns the steps done (reset rows not counted). Two optional
    functions run untimed: `prepare` before each repetition, `finish` after it; what `finish` returns, if
    anything, is subtracted from the steps (reset rows that are known only then). A function that does more
    than is compared has `seconds`, which gives what counts of the last repetition.
    """

    name: str
    function: Callable[[], int]
    prepare: Callable[[], object] | None = None
    finish: Callable[[], int | None] | None = None
    seconds: Callable[[], float] | None = None


@dataclass(frozen=True)
class Spread:
    """The median of some values, their quartiles and their extremes."""

    median: float
    lower: float
    upper: float
    minimum: float
    maximum: float


def spread(values: Sequence[float]) -> Spread:
    """The spread of at least one value; quartiles by linear interpolation between the values."""
    if not values:
        raise ValueError("no values: measure at least one repetition")
    lower, median, upper = statistics.quantiles(list(values) * (2 if len(values) == 1 else 1), n=4, method="inclusive")
    return Spread(median, lower, upper, min(values), max(values))


@dataclass
class Sample:
    """What was measured of one case: steps and seconds of each repetition."""

    name: str
    steps: list[int] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)

    @property
    def rates(self) -> list[float]:
        """Steps per second of each repetition."""
        return [steps / seconds for steps, seconds in zip(self.steps, self.seconds, strict=True)]

    @property
    def rate(self) -> Spread:
        """Steps per second."""
        return spread(self.rates)

    @property
    def nanoseconds(self) -> Spread:
        """Nanoseconds per step."""
        return spread([1e9 / rate for rate in self.rates])


def rotated(count: int, turn: int) -> list[int]:
    """The order of `count` cases in a turn: every turn begins one further on."""
    return [(turn + position) % count for position in range(count)]


def measure(cases: Sequence[Case], repeats: int, warmups: int = 1) -> dict[str, Sample]:
    """Run the cases in turns, so that what drifts on the machine meets all; warm-up turns are not kept."""
    samples = {case.name: Sample(case.name) for case in cases}
    if len(samples) < len(cases):
        raise ValueError(f"two cases have one name: {[case.name for case in cases]}")
    for turn in range(-warmups, repeats):
        for index in rotated(len(cases), turn):
            steps, seconds = _repetition(cases[index])
            if turn >= 0:
                samples[cases[index].name].steps.append(steps)
                samples[cases[index].name].seconds.append(seconds)
    return samples


def _repetition(case: Case) -> tuple[int, float]:
    if case.prepare is not None:
        case.prepare()
    gc.collect()
    begin = time.perf_counter_ns()
    steps = case.function()
    seconds = (time.perf_counter_ns() - begin) / 1e9
    if case.seconds is not None:
        seconds = case.seconds()
    not_steps = case.finish() if case.finish is not None else None
    return steps - (not_steps or 0), seconds


def ratio(sample: Sample, baseline: Sample) -> float:
    """How many times as fast as `baseline`: the median, over turns, of the ratio of rates within a turn."""
    return statistics.median(ours / theirs for ours, theirs in zip(sample.rates, baseline.rates, strict=True))


def best(samples: Iterable[Sample]) -> Sample:
    """The sample with the highest median rate."""
    return max(samples, key=lambda sample: sample.rate.median)


@dataclass(frozen=True)
class Bar:
    """A bound to be reached and what was measured (None: it could not be)."""

    what: str
    value: float | None
    bound: float
    unit: str
    at_least: bool

    @property
    def met(self) -> bool | None:
        """Whether the bound is reached; None where nothing was measured."""
        if self.value is None:
            return None
        return self.value >= self.bound if self.at_least else self.value <= self.bound

    def __str__(self) -> str:
        verdict = {True: "met", False: "NOT MET", None: "not measured"}[self.met]
        value = "-" if self.value is None else f"{self.value:,.{3 if self.value < 10 else 1}f}"
        bound = f"{'>=' if self.at_least else '<='} {self.bound:,g} {self.unit}"
        return f"{self.what:<62} {value:>8}  {bound:<15}  {verdict}"


@dataclass
class Report:
    """What one script found: printed as it goes, and written as JSON."""

    name: str
    quick: bool = False
    repeats: int = 15
    machine: dict[str, str] = field(default_factory=machine.describe)
    control: dict[str, Any] = field(default_factory=dict)
    samples: dict[str, dict[str, Sample]] = field(default_factory=dict)
    bars: list[Bar] = field(default_factory=list)

    def measure(self, cases: Sequence[Case], repeats: int | None = None, warmups: int = 1) -> dict[str, Sample]:
        """`measure` as often as the command line says (or `repeats` times)."""
        return measure(cases, repeats or self.repeats, warmups)

    def controls(self) -> None:
        """Measure and print what this machine's two cores are worth at the moment."""
        from benchmarks.controls import measure_controls

        self.control = asdict(measure_controls(self.quick))
        for name, value in self.control.items():
            print(f"  {name.replace('_', ' '):<28} {value}")

    def table(
        self,
        title: str,
        samples: Mapping[str, Sample],
        baseline: str = "",
        per_step: bool = False,
        steps: str = "steps",
    ) -> None:
        """Print samples as a table (rates of `steps`, or nanoseconds `per_step`) and keep them for the JSON."""
        self.samples[title] = dict(samples)
        unit = "ns" if per_step else f"{steps}/s"
        print(f"\n{title}\n  {'case':<44} {'median ' + unit:>16} {'quartiles':>27} {'x baseline':>11}")
        for name, sample in samples.items():
            shown = sample.nanoseconds if per_step else sample.rate
            quartiles = f"{shown.lower:,.0f} to {shown.upper:,.0f}"
            times = f"{ratio(sample, samples[baseline]):,.2f}" if baseline else ""
            print(f"  {name:<44} {shown.median:>16,.0f} {quartiles:>27} {times:>11}")

    def bar(
        self,
        what: str,
        value: float | None,
        *,
        at_least: float | None = None,
        at_most: float | None = None,
        unit: str = "x",
    ) -> None:
        """Judge one bar by `at_least` or `at_most`; the value None means that it could not be measured."""
        bound = at_least if at_least is not None else at_most
        if bound is None or (at_least is not None and at_most is not None):
            raise ValueError(f"bar {what!r}: give one of at_least and at_most")
        self.bars.append(Bar(what, value, bound, unit, at_least is not None))

    def to_dict(self) -> dict[str, Any]:
        """The report as JSON values."""
        tables = {
            title: {
                name: {
                    **asdict(sample),
                    "rate": asdict(sample.rate),
                    "nanoseconds": asdict(sample.nanoseconds),
                }
                for name, sample in samples.items()
            }
            for title, samples in self.samples.items()
        }
        bars = [{**asdict(bar), "met": bar.met} for bar in self.bars]
        return {**vars(self), "samples": tables, "bars": bars}


def peer(module: str, remedy: str = "pip install 'reactvec[bench]'") -> Any | None:
    """The module of another library; None, with a printed remedy, where it is not installed."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        print(f"  {module} cannot be imported ({error}): its cases are left out; {remedy}")
        return None


def restart_with_clean_environment() -> None:
    """Restart this process, once, without variables that mislead the linear algebra libraries."""
    if any(name in os.environ for name in MISLEADING_VARIABLES):
        clean = {name: value for name, value in os.environ.items() if name not in MISLEADING_VARIABLES}
        sys.stdout.flush()
        os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], clean)


def print_machine(description: Mapping[str, str]) -> None:
    """Print what was measured on."""
    for name, value in description.items():
        print(f"  {name:<28} {value}")


def main(name: str, run: Callable[[Report], None], arguments: Sequence[str] | None = None) -> Report:
    """Parse the command line, run one benchmark, print its bars and write its report."""
    parser = argparse.ArgumentParser(description=(sys.modules[run.__module__].__doc__ or name).strip())
    parser.add_argument("--quick", action="store_true", help="short runs, to see that everything works")
    parser.add_argument("--repeats", type=int, help="turns per table (15; 3 when quick)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the report there")
    options = parser.parse_args(arguments)
    restart_with_clean_environment()
    report = Report(name, options.quick, options.repeats or (3 if options.quick else 15))
    print(f"{name}: {report.repeats} turns{', quick: the figures are only indicative' if report.quick else ''}")
    print_machine(report.machine)
    run(report)
    print("\nbars")
    for bar in report.bars:
        print(f"  {bar}")
    if options.json:
        options.json.parent.mkdir(parents=True, exist_ok=True)
        options.json.write_text(json.dumps(report.to_dict(), indent=1) + "\n")
    return report
