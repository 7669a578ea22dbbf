"""Returns and targets as pure functions over arrays whose first axis is time."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ._windows import NO_TRANSITION, TERMINATED, TRUNCATED, close_windows
from .kernels.rollout import gae as kernels_gae

F32 = npt.NDArray[np.float32]
Bools = npt.NDArray[np.bool_]
Bytes = npt.NDArray[np.uint8]


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


def end_bits(terminated: Bools, truncated: Bools, valid: Bools | None = None) -> Bytes:
    """How steps ended, as the bits of `_windows`: 0 where they went on. Rows that are not `valid` (None: all are)
    are no transition, whatever their flags say.
    """
    ends: Bytes = terminated * np.uint8(TERMINATED) | truncated * np.uint8(TRUNCATED)
    return ends if valid is None else np.where(valid, ends, np.uint8(NO_TRANSITION))


def n_step_windows(rewards: npt.NDArray[Any], terminated: Bools, truncated: Bools, valid: Bools, gamma: float) -> NStep:
    """Close each column's window at its first end, before its first row that is no transition, or at the last row.

    All arrays are `[n, columns]`, row 0 the first step of the window, which must be valid. Rows that are not
    `valid`, and all that follow them, may hold anything. A window that ends in a termination does not
    bootstrap, even if the same step was truncated; one that ends in a truncation does. (n-step targets:
    Sutton & Barto 2018, chapter 7; ends: Pardo et al. 2018, "Time limits in reinforcement learning".)

    Raises:
        ValueError: the flags are of another shape than the rewards.
    """
    for name, flags in {"terminated": terminated, "truncated": truncated, "valid": valid}.items():
        if flags.shape != rewards.shape:
            raise ValueError(f"{name} are {list(flags.shape)}, rewards {list(rewards.shape)}")
    n, columns = rewards.shape
    returns, discounts = np.empty(columns, np.float32), np.empty(columns, np.float32)
    last = np.empty(columns, np.int64)
    close_windows(
        np.ascontiguousarray(rewards, np.float32).reshape(-1),
        np.ascontiguousarray(end_bits(terminated, truncated, valid)).reshape(-1),
        columns,
        np.arange(columns),
        n,
        gamma,
        returns,
        discounts,
        last,
    )
    return NStep(returns, discounts, last // columns + 1)


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

    Rewards are float64 and count `reward_scale` times, values and end values are float32, flags bool; nothing is
    converted. Advantages and returns are float32.

    Raises:
        ValueError: an array has another dtype than these, or another shape than the rewards.
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
