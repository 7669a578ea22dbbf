"""Curves of runs: what their logs say over environment steps, drawn to a file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import numpy.typing as npt

from .checks import ConfigError, MissingExtra
from .progress_file import STEPS, CsvFile, read_csv

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Floats = npt.NDArray[np.float64]
Curve: TypeAlias = "tuple[Floats, Floats]"
"""Environment steps `[n]` and values `[n]`, without those that are NaN."""


def curves(run: Path, metric: str) -> list[Curve]:
    """Those of a log folder, or of each seed in it; ConfigError where there are none."""
    files = [run / CsvFile.name] if (run / CsvFile.name).is_file() else sorted(run.glob(f"seed_*/{CsvFile.name}"))
    if not files:
        raise ConfigError(f"{run} holds no {CsvFile.name}; train with log_dir (--log-dir)")
    found = []
    for file in files:
        points = [(row[STEPS], row[metric]) for row in read_csv(file) if not np.isnan(row.get(metric, np.nan))]
        if not points:
            raise ConfigError(f"{file} has no numbers in a column {metric!r}")
        steps, values = np.array(points).T
        found.append((steps, values))
    return found


def band(several: Sequence[Curve]) -> tuple[Floats, Floats, Floats]:
    """Steps of all curves, and the mean and standard deviation of those that reach there, between points along straight
    lines.
    """
    grid = np.unique(np.concatenate([steps for steps, _ in several]))
    values = np.array([np.interp(grid, steps, values, left=np.nan, right=np.nan) for steps, values in several])
    return grid, np.nanmean(values, 0), np.nanstd(values, 0)


def draw(runs: Sequence[Path], out: Path, metric: str) -> None:
    """Draw a line for each run to a PNG; for several seeds their mean, and a band of one standard deviation."""
    try:
        from matplotlib.figure import Figure
    except ModuleNotFoundError:
        raise MissingExtra("plots need matplotlib: pip install 'reactvec[train]'", name="matplotlib") from None
    found = {run: curves(run, metric) for run in runs}
    figure = Figure(figsize=(8, 5), layout="constrained")
    axes: Axes = figure.add_subplot(xlabel="environment steps", ylabel=metric)
    for run, several in found.items():
        steps, mean, deviation = band(several)
        label = str(run) if len(several) == 1 else f"{run} ({len(several)} seeds)"
        (line,) = axes.plot(steps, mean, label=label, marker="." if len(steps) == 1 else None)
        if len(several) > 1:
            axes.fill_between(steps, mean - deviation, mean + deviation, color=line.get_color(), alpha=0.2, linewidth=0)
    axes.legend()
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(out, dpi=150)
    except (OSError, ValueError) as error:
        raise ConfigError(f"--out {out}: {error}") from error
