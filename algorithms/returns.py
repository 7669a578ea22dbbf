"""Returns and targets as pure functions over arrays whose first axis is time."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

F32 = npt.NDArray[np.float32]
Bools = npt.NDArray[np.bool_]


class NStep(NamedTuple):
    """n-step windows, one per column; what a target is made of: `returns + discounts * value(observation
    after)`.
    """

    returns: F32
    """Discounted sum of the window's rewards."""
    discounts: F32
    """What the value of the observation after the window counts: gamma ** length, or 0 if the window ends in
    termination.
    """
    lengths: npt.NDArray[np.int64]
    """Steps in the window, at least 1."""


def n_step_windows(
    rewards: npt.NDArray[Any],
    terminated: Bools,
    truncated: Bools,
    limits: npt.NDArray[np.int64],
    gamma: float,
) -> NStep:
    """Close each column's window at its first end, at its limit, or at the last row.

    `rewards`, `terminated`, `truncated` are `[n, columns]`, row 0 the first step of the window; `limits`
    `[columns]` is how many of the rows exist, at least 1; rows from there on may hold anything. (n-step
    targets: Sutton & Barto 2018, chapter 7; bootstrapping through truncation but not through termination:
    Pardo et al. 2018.)
    """
    columns = rewards.shape[1]
    returns = rewards[0].astype(np.float32)
    discounts = np.full(columns, gamma, np.float32)
    lengths = np.ones(columns, np.int64)
    ended, dead = terminated[0] | truncated[0], terminated[0].copy()
    for step in range(1, len(rewards)):
        going = ~ended & (limits > step)
        returns += np.where(going, discounts * rewards[step], 0).astype(np.float32)
        discounts[going] *= np.float32(gamma)
        lengths += going
        dead |= going & terminated[step]
        ended |= going & (terminated[step] | truncated[step])
    discounts[dead] = 0
    return NStep(returns, discounts, lengths)
