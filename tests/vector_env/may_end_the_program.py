"""What may end a program, each in a fork of this script, which prints how that ended: a JSON dict by row and column."""

from __future__ import annotations

import json
import os
import sys
import warnings
from collections.abc import Callable
from typing import Any

from reactvec import ReactorVectorEnv
from reactvec.execution import ClosedExecutionError
from tests.faulty_envs import FAULTS, FaultyEnv
from tests.vector_env.placements import INLINE, TWO_THREADS
from tests.vector_env.worker_places import ISOLATED, PROCESSES, orders

# By the headings of the table: the placement, and which of four environments is in question.
COLUMNS: dict[str, tuple[dict[str, Any], int]] = {
    "inline": (INLINE, 3),
    "threads": (TWO_THREADS, 3),
    "processes, in the caller": (PROCESSES, 0),
    "processes, in a worker": (PROCESSES, 3),
    "isolated": (ISOLATED, 3),
}
SURVIVED = 99


def outcome(act: Callable[[], None]) -> int:
    """How a fork that does this ends: its exit code, or minus the signal."""
    child = os.fork()
    if child == 0:
        act()
        os._exit(SURVIVED)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def fault(place: dict[str, Any], env: int, name: str, **more: Any) -> None:
    """A step in which an environment misbehaves; EnvironmentsLostError is survived."""
    vector = ReactorVectorEnv([FaultyEnv] * 4, **place, **more)
    vector.reset(seed=0)
    try:
        vector.step(orders(**{f"e{env}": name}))
    except RuntimeError:
        vector.close()


def refuses(vector: ReactorVectorEnv) -> None:
    """In a forked child."""
    for use in (lambda: vector.step(orders()), vector.reset, lambda: vector.call("process")):
        try:
            use()
        except ClosedExecutionError:
            continue
        os._exit(1)
    vector.close()


def fork_of_this_process(place: dict[str, Any]) -> str:
    vector, twin = ReactorVectorEnv([FaultyEnv] * 4, **place), ReactorVectorEnv([FaultyEnv] * 4, **place)
    vector.reset(seed=0)
    twin.reset(seed=0)
    refused = outcome(lambda: refuses(vector)) == SURVIVED
    goes_on = all(vector.step(orders())[0].tobytes() == twin.step(orders())[0].tobytes() for _ in range(3))
    vector.close()
    twin.close()
    return "closed" if refused and goes_on else f"refused: {refused}, goes on: {goes_on}"


def main() -> None:
    warnings.simplefilter("ignore")  # of forks in a process with threads
    found: dict[str, dict[str, Any]] = {name: {} for name in (*FAULTS[2:5], "restart", "fork")}
    for column, (place, env) in COLUMNS.items():
        for name in FAULTS[2:5]:
            found[name][column] = outcome(lambda: fault(place, env, name))  # noqa: B023
        if place.get("num_workers") and place is not TWO_THREADS:
            found["restart"][column] = outcome(lambda: fault(place, env, "exit", on_worker_failure="restart"))  # noqa: B023
        found["fork"][column] = fork_of_this_process(place)
    json.dump(found, sys.stdout)


if __name__ == "__main__":
    main()
