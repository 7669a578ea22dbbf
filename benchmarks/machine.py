"""What a benchmark ran on: processor, usable cores, system, and the versions of everything compared."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import subprocess
from pathlib import Path

COMPARED = (
    "reactvec",
    "numpy",
    "gymnasium",
    "mujoco",
    "minatar",
    "stable-baselines3",
    "torch",
    "sbx-rl",
    "jax",
    "ray",
    "envpool",
    "pufferlib-core",
    "xronos",
)


def describe() -> dict[str, str]:
    """Names and values of one header; nothing that identifies the machine or its user."""
    lines = {
        "processor": _processor(),
        "usable cores": str(len(usable_cores())),
        "load average": " ".join(f"{load:.2f}" for load in os.getloadavg()),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "compiler": _compiler(),
    }
    return lines | {name: _version(name) for name in COMPARED}


def usable_cores() -> list[int]:
    """The cores that this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count() or 1))


def two_cores() -> tuple[int, int] | None:
    """The two cores that two-core measurements use; None where there is only one."""
    cores = usable_cores()
    return (cores[0], cores[1]) if len(cores) > 1 else None


def _processor() -> str:
    information = Path("/proc/cpuinfo")
    if information.exists():
        for line in information.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _compiler() -> str:
    try:
        result = subprocess.run(["cc", "--version"], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return "none"
    return result.stdout.partition("\n")[0]


def _version(distribution: str) -> str:
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"
