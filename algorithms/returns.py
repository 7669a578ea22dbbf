"""Returns and targets as pure functions over arrays whose first axis is time."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from .kernels.rollout import gae as kernels_gae

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


def gae(
    rewards: npt.NDArray[np.float64],
    values: F32,
    end_values: F32,
    terminated: Bools,
    truncated: Bools,
    valid: Bools,
    *,
    gamma: float,
    lambda_: float,
    reward_scale: float = 1.0,
) -> tuple[F32, F32]:
    """Advantages and returns `[T, N]` by generalised advantage estimation (Schulman et al. 2016, equations 11 and 16).

    d = r + gamma V' - V and A = d + gamma lambda A', all arrays `[T, N]`, `values` those of the observations that were
    acted on. V' is 0 after a termination, `end_values` after a truncation and after the last row, else the next row's
    value (Pardo et al. 2018); A' is 0 after any end. Terminated wins where both are set. Rows that are not `valid` are
    no steps: their advantage is 0 and nothing is carried through them. The returns are A + V; sums are in float64.
    """
    contiguous = np.ascontiguousarray
    return kernels_gae(
        contiguous(rewards),
        contiguous(values),
        contiguous(end_values),
        contiguous(terminated),
        contiguous(truncated),
        contiguous(valid),
        gamma,
        lambda_,
        reward_scale,
    )
