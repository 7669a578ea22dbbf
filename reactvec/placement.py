"""Where a bank of environments runs: the rule, and how many cores there are to run on."""

from __future__ import annotations

import multiprocessing
import os
import sys
from dataclasses import dataclass, replace
from pathlib import Path

from reactvec.whole_number import whole_number


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
# benchmarks/native_kernels.py shows one and two threads side by side; up to about this many rows each, one is as fast.
NATIVE_ROWS_PER_WORKER = 1024
PLACEMENTS = ("auto", "inline", "threads", "processes")


@dataclass(frozen=True)
class Placement:
    """Where a bank runs: `name`, and with how many workers. The caller is one of them, unless they are `isolated`."""

    name: str
    workers: int
    isolated: bool = False

    @property
    def scheduled(self) -> int:
        """How many workers the schedule has; the caller is always there."""
        return self.workers + self.isolated


def limited(place: Placement, most: int | None) -> Placement:
    """The same with at most so many workers; a worker steps one environment at a time."""
    return place if most is None else replace(place, workers=min(place.workers, int(most)))


def resolve_placement(
    placement: str, num_workers: int | None, num_envs: int, native: bool, isolated: bool = False
) -> Placement:
    """Where a bank runs, and with how many workers.

    "auto" is a rule, not a measurement: native environments run on threads, one per `NATIVE_ROWS_PER_WORKER` rows and
    core; one Python environment, or on one core, inline; several on threads where the interpreter has no GIL, else in
    processes. Inside of a worker process that may have no children, and where processes cannot share memory, they run
    inline too.

    Raises:
        ValueError: an unknown placement, or a number of workers that it cannot have.
    """
    if placement not in PLACEMENTS:
        raise ValueError(f"placement={placement!r} is not one of {', '.join(map(repr, PLACEMENTS))}")
    workers = whole_number(num_workers)
    if num_workers is not None and (workers is None or not 1 <= workers <= num_envs):
        raise ValueError(
            f"num_workers={num_workers!r} must be a whole number from 1 to the number of environments, {num_envs}"
        )
    if isolated and placement in ("inline", "threads"):
        raise ValueError(f"isolated=True keeps environments out of this process, placement={placement!r} in it")
    if placement == "inline" and workers not in (None, 1):
        raise ValueError(f"placement='inline' has one worker, not {workers}; use placement='threads'")
    reason = _processes_refused()
    if reason and (placement == "processes" or isolated):
        raise ValueError(f"no worker processes: {reason}; or use placement='inline'")
    most = workers or min(usable_cores(), num_envs)
    if isolated:
        return Placement("processes", most, isolated=True)
    if placement != "auto":
        return Placement(placement, 1 if placement == "inline" else most)
    if native:
        most = workers or max(1, min(usable_cores(), num_envs // NATIVE_ROWS_PER_WORKER))
        return Placement("inline" if most == 1 else "threads", most)
    if most == 1 or (not native and gil_enabled() and _processes_refused()):
        return Placement("inline", 1)
    return Placement("threads" if native or not gil_enabled() else "processes", most)


def _processes_refused() -> str:
    """Why there can be no worker processes here, or nothing."""
    if not hasattr(os, "memfd_create"):
        return f"worker processes share memory by memfd_create, which {sys.platform} does not have"
    if multiprocessing.current_process().daemon:
        return "this is a daemonic process, which may have no children; make the outer one with daemon=False"
    return ""


def gil_enabled() -> bool:
    """Whether this interpreter runs one thread of Python code at a time."""
    return bool(getattr(sys, "_is_gil_enabled", lambda: True)())
