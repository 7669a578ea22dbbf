"""The interquartile mean of runs, and a bootstrap interval of the difference of two (Agarwal et al. 2021).

"Deep Reinforcement Learning at the Edge of the Statistical Precipice", section 4: as the package `rliable` computes
them, which this replaces because one of its dependencies does not run with current versions of pandas.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

RESAMPLES, CONFIDENCE = 50_000, 0.95


@dataclass(frozen=True)
class Difference:
    """A difference of interquartile means, and the ends of its interval."""

    value: float
    lower: float
    upper: float


def iqm(scores: npt.ArrayLike) -> Floats:
    """The mean of the middle half along the last axis: at each end a quarter of them, rounded down, is left out."""
    ordered = np.sort(np.asarray(scores, np.float64), axis=-1)
    count = ordered.shape[-1]
    if not count:
        raise ValueError("no scores: an interquartile mean needs at least one")
    cut = count // 4
    middle: Floats = ordered[..., cut : count - cut].mean(axis=-1)
    return middle


def difference(
    ours: Sequence[Sequence[float]], theirs: Sequence[Sequence[float]], resamples: int = RESAMPLES, seed: int = 0
) -> Difference:
    """IQM(ours) - IQM(theirs) over all runs of all tasks, `[tasks][runs]`, with its 95 % percentile interval.

    Stratified: a resample draws, with replacement and for each side by itself, as many runs of each task as it has.
    """
    random = np.random.default_rng(seed)
    drawn = [iqm(_resampled(side, resamples, random)) for side in (ours, theirs)]
    tail = (1 - CONFIDENCE) / 2
    lower, upper = np.quantile(drawn[0] - drawn[1], (tail, 1 - tail))
    value = iqm(np.concatenate([np.asarray(task) for task in ours])) - iqm(
        np.concatenate([np.asarray(task) for task in theirs])
    )
    return Difference(float(value), float(lower), float(upper))


def _resampled(tasks: Sequence[Sequence[float]], resamples: int, random: np.random.Generator) -> Floats:
    """Resamples `[resamples, runs of all tasks]`."""
    parts = []
    for task in tasks:
        runs = np.asarray(task, np.float64)
        parts.append(runs[random.integers(len(runs), size=(resamples, len(runs)))])
    return np.concatenate(parts, axis=1)
