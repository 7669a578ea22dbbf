"""Memory that a vector environment needs beyond its environments, measured in fresh processes.

`python -m benchmarks.memory KIND ENVS PID` makes a fresh process with the same imports whatever the kind, which builds
the environments, resets and steps them once, and prints the sum of the proportional set sizes (PSS: a page that n
processes share counts 1/n in each) of itself, of all its descendants, and of the process PID that measures.
The last is in the sum so that pages which subject and measuring process share count whole with every kind.
The kind "bare" holds a list of the environments in one process: what its sum is less than another's, that kind needs
beyond the environments: processes, buffers, pages that were shared until one of the sharers wrote to them.
"""

from __future__ import annotations

import os
import re
import statistics
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from gymnasium.vector import AsyncVectorEnv

import reactvec
from benchmarks.rollouts import SEED, env_fns, make_env, random_actions

ROOT = Path(__file__).resolve().parent.parent
BARE = "bare"


def ours(envs: int) -> Any:
    """ReactorVectorEnv, with as many workers as it takes by default."""
    return reactvec.ReactorVectorEnv(env_fns(envs), placement="processes", native=False)


def stock(envs: int) -> Any:
    """AsyncVectorEnv, as it comes."""
    return AsyncVectorEnv(env_fns(envs))


VECTORS: dict[str, Callable[[int], Any]] = {"processes": ours, "AsyncVectorEnv": stock}


def can_be_measured() -> bool:
    """Whether this system tells what share of memory a process has."""
    return Path("/proc/self/smaps_rollup").exists()


def proportional_size(pid: int) -> int:
    """Kilobytes of one process; 0 if it has just ended."""
    try:
        text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    except OSError:
        return 0
    return int(dict(re.findall(r"^(\w+): +(\d+) kB", text, re.MULTILINE)).get("Pss", 0))


def parents() -> dict[int, int]:
    """The parent of every process."""
    found = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            found[int(entry.name)] = int(fields[1])
    return found


def tree(root: int) -> list[int]:
    """A process and all its descendants."""
    processes, members = parents(), [root]
    for member in members:
        members += [pid for pid, parent in processes.items() if parent == member]
    return members


def step_once(kind: str, envs: int) -> Any:
    """Environments of one kind, reset and stepped once; the caller keeps them alive."""
    if kind == BARE:
        bare = [make_env() for _ in range(envs)]
        for index, env in enumerate(bare):
            env.reset(seed=SEED + index)
            env.step(0)
        return bare
    vector = VECTORS[kind](envs)
    vector.reset(seed=SEED)
    vector.step(random_actions(1, envs)[0])
    return vector


def measure_size(kind: str, envs: int) -> int:
    """Kilobytes of one kind, from a fresh process."""
    command = [sys.executable, "-m", "benchmarks.memory", kind, str(envs), str(os.getpid())]
    output = subprocess.run(command, cwd=ROOT, check=True, text=True, stdout=subprocess.PIPE).stdout
    return int(output.split()[-1])


def measure_beyond_bare(envs: int, repeats: int) -> dict[str, float]:
    """Megabytes of each kind beyond the bare environments; medians, the kinds in turns."""
    sizes: dict[str, list[int]] = {kind: [] for kind in (BARE, *VECTORS)}
    for _ in range(repeats):
        for kind, values in sizes.items():
            values.append(measure_size(kind, envs))
    bare = statistics.median(sizes.pop(BARE))
    return {kind: (statistics.median(values) - bare) / 1024 for kind, values in sizes.items()}


def main(kind: str, envs: int, measuring: int) -> None:
    """Build, measure, print."""
    kept = step_once(kind, envs)
    print(sum(proportional_size(pid) for pid in [*tree(os.getpid()), measuring]), flush=True)
    if kind != BARE:
        kept.close()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
