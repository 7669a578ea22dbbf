"""How far a training has come, and small tools of measuring it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from typing import Any

import torch

from reactvec.whole_number import whole_number

from .config import MOST_STEPS


@dataclass
class Progress:
    """Counts over all runs of a training, those that it resumed included."""

    tags: int = 0
    """Steps of all environments together."""
    steps: int = 0
    """Environment steps."""
    iterations: int = 0
    """Calls of `train()`."""
    episodes: int = 0
    """Finished training episodes."""
    gradient_steps: int = 0
    """Gradient steps."""
    restarts: int = 0
    """How often it was resumed from a checkpoint."""
    seconds: float = 0.0
    """Wall time inside `train()`."""

    @classmethod
    def of(cls, stored: Mapping[str, float]) -> Progress:
        """The inverse of `asdict`; ValueError, TypeError or KeyError for anything else."""
        counts = {field.name: int(stored[field.name]) for field in fields(cls) if field.name != "seconds"}
        return cls(**counts, seconds=float(stored["seconds"]))


@contextlib.contextmanager
def torch_threads(count: int) -> Iterator[None]:
    """Give torch this many threads for a while."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def asked_steps(steps: Any) -> int:
    """How many environment steps someone asks for; ValueError where that is no whole number that can be."""
    number = whole_number(steps)
    if number is None or not 0 <= number <= MOST_STEPS:
        raise ValueError(f"steps must be a whole number >= 0 and <= {MOST_STEPS}, not {steps!r}")
    return number


def passed(interval: int | None, before: int, now: int) -> bool:
    """Whether a multiple of `interval` lies in (before, now]."""
    return interval is not None and now // interval > before // interval
