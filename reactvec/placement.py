"""Where a bank of environments runs: the rule, and how many cores there are to run on."""

from __future__ import annotations

import os
import sys
from pathlib import Path


def usable_cores() -> int:
    """Cores that this process may use: the affinity mask, cut down by the cgroup's CPU quota; at least 1."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quota = _cgroup_quota()
    return max(1, min(cores, int(quota)) if quota is not None else cores)


def _cgroup_quota() -> float | None:
    """CPUs granted by cgroup v2 or v1, None without a limit."""
    try:
        limit, period = Path("/sys/fs/cgroup/cpu.max").read_text().split()
        return None if limit == "max" else int(limit) / int(period)
    except (OSError, ValueError):
        pass
    try:
        limit = Path("/sys/fs/cgroup/cpu/cpu.cfs_quota_us").read_text()
        period = Path("/sys/fs/cgroup/cpu/cpu.cfs_period_us").read_text()
        return int(limit) / int(period) if int(limit) > 0 else None
    except (OSError, ValueError):
        return None


# Native rows are so cheap that a second worker pays late: the caller copies its results from another core's cache.
# benchmarks/native_cartpole.py shows one and two threads side by side; up to about this many rows each, one is as fast.
NATIVE_ROWS_PER_WORKER = 1024
PLACEMENTS = ("auto", "inline", "threads")


def resolve_placement(placement: str, num_workers: int | None, num_envs: int, native: bool) -> tuple[str, int]:
    """Where a bank runs, and with how many workers (the caller included).

    "auto" is a rule, not a measurement: native environments run on threads, one per `NATIVE_ROWS_PER_WORKER` rows and
    core; Python environments on threads where the interpreter has no GIL, else inline.

    Raises:
        ValueError: an unknown placement, or a number of workers that it cannot have.
    """
    if placement not in PLACEMENTS:
        raise ValueError(f"placement={placement!r} is not one of {', '.join(map(repr, PLACEMENTS))}")
    if num_workers is not None and (type(num_workers) is not int or not 1 <= num_workers <= num_envs):
        raise ValueError(
            f"num_workers={num_workers!r} must be a whole number from 1 to the number of environments, {num_envs}"
        )
    if placement == "inline":
        if num_workers not in (None, 1):
            raise ValueError(f"placement='inline' has one worker, not {num_workers}; use placement='threads'")
        return "inline", 1
    if placement == "threads":
        return "threads", num_workers or min(usable_cores(), num_envs)
    if native:
        workers = num_workers or max(1, min(usable_cores(), num_envs // NATIVE_ROWS_PER_WORKER))
    else:
        workers = num_workers or (1 if gil_enabled() else min(usable_cores(), num_envs))
    return ("inline" if workers == 1 else "threads"), workers


def gil_enabled() -> bool:
    """Whether this interpreter runs one thread of Python code at a time."""
    return bool(getattr(sys, "_is_gil_enabled", lambda: True)())
