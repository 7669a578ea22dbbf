"""Controls: are the two cores independent, and how long does a cache line take from one to the other?"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from benchmarks import machine, native_code

MOST_TWO_CORE_RATIO = 1.1
BUSY = """
import ctypes, sys
busy = ctypes.CDLL(sys.argv[1]).busy
busy.argtypes, busy.restype = [ctypes.c_int, ctypes.c_int64, ctypes.c_int64], ctypes.c_int64
print(busy(*map(int, sys.argv[2:])))
"""


@dataclass(frozen=True)
class Controls:
    """`two_core_ratio`: seconds of two pinned busy processes over one; 1.0: the cores are independent."""

    cores: tuple[int, int] | None = None
    two_core_ratio: float | None = None
    round_trip_ns: float | None = None
    round_trip_range_ns: tuple[float, float] | None = None


def measure_controls(quick: bool = False) -> Controls:
    """Measure both controls on the first two usable cores; warns where the cores are not independent."""
    cores = machine.two_cores()
    if cores is None:
        print("  one usable core: no two-core control, and what needs two cores is not measured")
        return Controls()
    two_core_ratio = measure_two_cores(cores, 20_000_000 if quick else 100_000_000, 3 if quick else 5)
    if two_core_ratio > MOST_TWO_CORE_RATIO:
        print(f"  WARNING: two busy processes take {two_core_ratio:.2f} times as long as one: something else")
        print("  uses the cores, and what follows about two cores says little about the library")
    trips = [native_code.pingpong(cores, 100_000) / 100_000 for _ in range(3 if quick else 9)]
    extremes = (round(min(trips), 1), round(max(trips), 1))
    return Controls(cores, round(two_core_ratio, 3), round(statistics.median(trips), 1), extremes)


def measure_two_cores(cores: tuple[int, int], iterations: int, repeats: int) -> float:
    """Seconds of two busy processes, one per core, over those of one alone (each core in turn); medians."""
    library = native_code.library_path("pingpong")
    alone, together = [], []
    for _ in range(repeats):
        alone.append(statistics.mean(run_busy(library, (core,), iterations) for core in cores))
        together.append(run_busy(library, cores, iterations))
    return statistics.median(together) / statistics.median(alone)


def run_busy(library: Path, cores: tuple[int, ...], iterations: int) -> int:
    """Nanoseconds of the slowest of some processes that are busy at the same time, one per core."""
    start = time.clock_gettime_ns(time.CLOCK_MONOTONIC) + 150_000_000  # all have started by then
    processes = [
        subprocess.Popen(
            [sys.executable, "-S", "-c", BUSY, str(library), str(core), str(start), str(iterations)],
            stdout=subprocess.PIPE,
            text=True,
        )
        for core in cores
    ]
    outputs = [process.communicate()[0] for process in processes]
    if any(process.returncode for process in processes):
        raise OSError("a busy process of the two-core control failed")
    return max(map(int, outputs))
