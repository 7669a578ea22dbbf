"""docs/algorithms/learning.md: the table of the benchmark of learning and its curves, of the results that there are."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from operator import attrgetter
from pathlib import Path

import numpy as np

from benchmarks.iqm import Difference, difference, iqm
from benchmarks.learning_results import Result, Run, read
from benchmarks.learning_rows import Row, ours
from benchmarks.learning_sides import OURS, PIPELINE, SB3, SIDES, sides_of
from benchmarks.page import rewrite

LEAST = -0.05
COMMAND = "python -m benchmarks.learning --report"
COLORS = {OURS: "tab:blue", PIPELINE: "tab:green", SB3: "tab:orange"}
Score = Callable[[Result], float]
FINAL: Score = attrgetter("score")
LATE: Score = attrgetter("late_score")
VERSIONS = ("python", "reactvec", "numpy", "gymnasium", "torch", "stable-baselines3", "mujoco", "minatar")


@dataclass(frozen=True)
class Found:
    """A row, and the results that there are of it, by side and seed."""

    row: Row
    results: dict[str, dict[int, Result]]

    def missing(self, side: str) -> str:
        """What is not there of a side and of SB3's, in words; empty if all is there."""
        gaps = {name: self.row.seeds - len(self.results[name]) for name in (side, SB3)}
        return "; ".join(f"{name}: {count} of {self.row.seeds} seeds" for name, count in gaps.items() if count)

    def scores(self, side: str, score: Score = FINAL) -> list[float]:
        """The returns of the side's runs."""
        return [score(result) for result in self.results[side].values()]

    def normalized(self, side: str, score: Score = FINAL) -> list[float]:
        """The same, from 0 (random) to 1 (reference)."""
        return [self.row.normalized(value) for value in self.scores(side, score)]


def found_of(row: Row, folder: Path, episodes: int) -> Found:
    """What there is of a row."""
    results: dict[str, dict[int, Result]] = {side: {} for side in sides_of(row)}
    for side in results:
        for seed in row.all_seeds:
            if (result := read(Run(side, row, seed), folder, episodes)) is not None:
                results[side][seed] = result
    return Found(row, results)


def compared(rows: Sequence[Found], side: str, score: Score = FINAL) -> Difference | None:
    """A side less SB3, normalised, over the rows together; None unless all are complete."""
    if not rows or any(found.missing(side) for found in rows):
        return None
    mine, theirs = ([found.normalized(of, score) for found in rows] for of in (side, SB3))
    return difference(mine, theirs)


def table(rows: Sequence[Found]) -> list[str]:
    """The results as Markdown."""
    lines = [
        "| row | steps | seeds | ours, IQM | SB3, IQM | ours - SB3, normalised (95 %) | bar: lower end > -0.05 "
        "| ours - SB3, late in training |",
        "|---|---:|---:|---:|---:|---|---|---|",
    ]
    return [*lines, *(line(found, side) for found in rows for side in found.results if side != SB3)]


def line(found: Found, side: str) -> str:
    """The line of a row, or of a row with a pipeline."""
    row, measured = found.row, compared([found], side)
    name = row.name if side == OURS else f"{row.name}, {side}"
    values = " | ".join(f"{iqm(found.scores(of)):,.1f}" if found.scores(of) else "-" for of in (side, SB3))
    gap, verdict = shown(measured), f"not judged; missing: {found.missing(side)}"
    if measured is not None:
        verdict = "met" if measured.lower > LEAST else "NOT MET"
    late = shown(compared([found], side, LATE))
    return f"| {name} | {row.steps:,} | {row.seeds} | {values} | {gap} | {verdict} | {late} |"


def shown(measured: Difference | None) -> str:
    """A difference and its interval."""
    if measured is None:
        return "-"
    return f"{measured.value:+.3f} ({measured.lower:+.3f} to {measured.upper:+.3f})"


def times(rows: Sequence[Found]) -> list[str]:
    """Minutes of a training, which are no benchmark of speed: the machine may have been busy."""
    lines = ["| row | ours, minutes | SB3, minutes |", "|---|---:|---:|"]
    for found in rows:
        cells = []
        for side in SIDES:
            seconds = [result.seconds for result in found.results[side].values()]
            cells.append(f"{np.median(seconds) / 60:,.1f}" if seconds else "-")
        lines.append(f"| {found.row.name} | {' | '.join(cells)} |")
    return lines


def settings(rows: Sequence[Found]) -> list[str]:
    """What was fixed beforehand, as Markdown."""
    lines = ["| row | random | reference | SB3's settings | ours |", "|---|---:|---:|---|---|"]
    for row in (found.row for found in rows):
        theirs, mine = (
            ", ".join(f"{name} {_plain(value)}" for name, value in said.items())
            for said in (dict(row.settings), ours(row))
        )
        note = f". {row.note[0].upper()}{row.note[1:]}" if row.note else ""
        lines.append(f"| {row.name} | {row.random:,.1f} | {row.reference:,.1f} | {theirs}{note} | {mine} |")
    return lines


def _plain(value: object) -> str:
    return re.sub(r"['\"{}]", "", str(value)).replace("|", "/")


def machines(rows: Sequence[Found]) -> list[str]:
    """Processor and versions of the runs; where they differ, all that there are."""
    runs = [result.machine for found in rows for results in found.results.values() for result in results.values()]
    lines = ["| | |", "|---|---|"]
    for name in ("processor", "usable cores", "system", *VERSIONS):
        values = sorted({run[name] for run in runs if name in run} - {"not installed"})
        lines.append(f"| {name} | {', '.join(values) or '-'} |")
    return lines


def draw(rows: Sequence[Found], target: Path) -> None:
    """Learning curves: the median over the seeds and their quartiles, side by side, one panel per row."""
    import matplotlib

    matplotlib.use("Agg")
    matplotlib.rcParams["svg.hashsalt"] = target.name  # the same bytes each time
    from matplotlib import pyplot
    from matplotlib.lines import Line2D

    width = min(3, len(rows))
    height = -(-len(rows) // width)
    size = (4 * width, 3 * height + 0.5)
    figure, axes = pyplot.subplots(height, width, squeeze=False, figsize=size, layout="constrained")
    for panel, found in zip(axes.flat, rows, strict=False):
        panel.set_title(found.row.name, fontsize=10)
        panel.tick_params(labelsize=8)
        for side, results in found.results.items():
            draw_curve(panel, side, list(results.values()))
    for panel in list(axes.flat)[len(rows) :]:
        panel.remove()
    handles = [Line2D([], [], color=color, label=side) for side, color in COLORS.items()]
    figure.legend(handles=handles, loc="outside upper center", ncols=len(handles), fontsize=9, frameon=False)
    figure.supxlabel("environment steps", fontsize=9)
    figure.supylabel("return of the last 100 episodes", fontsize=9)
    target.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(target, metadata={"Date": None})
    pyplot.close(figure)


def draw_curve(panel: object, side: str, results: Sequence[Result]) -> None:
    """One side in one panel; curves are brought to common steps by straight lines between their points."""
    steps, lower, median, upper = quartiles(results)
    panel.plot(steps, median, color=COLORS[side], linewidth=1.2)  # type: ignore[attr-defined]
    panel.fill_between(steps, lower, upper, color=COLORS[side], alpha=0.2, linewidth=0)  # type: ignore[attr-defined]


def quartiles(results: Sequence[Result], points: int = 50) -> tuple[list[float], list[float], list[float], list[float]]:
    """Steps, and at each the lower quartile, the median and the upper one of the runs' curves."""
    curves = [[(step, value) for step, value in result.curve if value is not None] for result in results]
    curves = [curve for curve in curves if curve]
    if not curves:
        return [], [], [], []
    begin, end = max(curve[0][0] for curve in curves), min(curve[-1][0] for curve in curves)
    steps = np.linspace(begin, max(begin, end), points)
    values = [np.interp(steps, *np.array(curve).T) for curve in curves]
    lower, median, upper = np.quantile(values, (0.25, 0.5, 0.75), axis=0)
    return steps.tolist(), lower.tolist(), median.tolist(), upper.tolist()


def report(rows: Sequence[Row], folder: Path, episodes: int, page: Path) -> None:
    """Judge what there is, write the page and the curves, print the table."""
    everything = [found_of(row, folder, episodes) for row in rows]
    started = [found for found in everything if any(found.results.values())]
    lines = ["## Results", "", *table(everything)]
    for name in dict.fromkeys(found.row.algorithm for found in everything):
        together = compared([found for found in everything if found.row.algorithm == name], OURS)
        if together is not None:
            lines += ["", f"All rows of {name} together: {shown(together)}."]
    print("\n".join(lines))
    if started:
        figure = page.with_suffix(".svg")
        draw(started, figure)
        lines += ["", f"![Learning curves: medians and quartiles over the seeds]({figure.name})"]
    lines += ["", "## Machine and versions", "", *machines(everything), "", *times(everything)]
    lines += ["", "## Settings", "", *settings(everything)]
    rewrite(page, COMMAND, lines)
