"""Vector environments come and go, in any thread, inside of each other, and leave nothing behind."""

from __future__ import annotations

import gc
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest

from reactvec import ReactorVectorEnv
from tests.faulty_envs import FaultyEnv
from tests.vector_env.conftest import Make
from tests.vector_env.placements import INLINE, TWO_THREADS
from tests.vector_env.worker_places import ISOLATED, PROCESSES, in_processes, orders

CYCLES = int(os.environ.get("REACTVEC_CYCLES", "60"))
PLACES = [INLINE, TWO_THREADS, PROCESSES, ISOLATED]
anywhere = pytest.mark.parametrize("place", PLACES, ids=["inline", "threads", "processes", "isolated"])

# CPython 3.12 and later warn of forks in a process with threads, which is what these tests are about.
forking_beside_threads = pytest.mark.filterwarnings("ignore:.*multi-threaded, use of fork:DeprecationWarning")


def open_files() -> int:
    return len(os.listdir("/proc/self/fd"))


def own_kib() -> int:
    """Memory that this process alone holds."""
    text = Path("/proc/self/smaps_rollup").read_text()
    return sum(int(line.split()[1]) for line in text.splitlines() if line.startswith("Private"))


def once(cycle: int) -> None:
    """Make one, use it, and let go of it in one of several ways."""
    place = PLACES[2 + cycle % 2]
    vector = ReactorVectorEnv([FaultyEnv] * 4, **place, on_worker_failure=("raise", "restart")[cycle // 2 % 2])
    vector.reset(seed=cycle)
    vector.step(orders())
    how = cycle % 5
    if how == 1:
        vector.step(orders(e3="exit")) if vector.on_worker_failure == "restart" else None
    if how == 2:
        os.kill(vector.call("process")[3], signal.SIGKILL)
    if how == 3:
        with pytest.raises(Exception, match="step: asked to"):
            vector.step(orders(e0="raise", e3="raise"))
    if how != 4:
        vector.close(terminate=how == 1)


@pytest.mark.timeout(1800)
def test_cycles_leave_nothing_behind() -> None:
    for cycle in range(20):
        once(cycle)
    gc.collect()
    files, memory, threads = open_files(), own_kib(), threading.active_count()
    for cycle in range(CYCLES):
        once(cycle)
    gc.collect()
    assert open_files() == files
    assert threading.active_count() == threads
    assert multiprocessing.active_children() == []
    # Allocators round up, huge pages even more; a lost arena or mailbox is 64 KiB and more in each cycle.
    assert own_kib() - memory < 2000 + 16 * CYCLES


@anywhere
def test_garbage_collection_closes(place: dict[str, Any]) -> None:
    gc.collect()
    files, threads = open_files(), threading.active_count()
    vector = ReactorVectorEnv([FaultyEnv] * 4, **place)
    vector.reset()
    vector.step(orders())
    workers = {pid for pid in vector.call("process") if pid != os.getpid()}
    del vector
    gc.collect()
    assert (open_files(), threading.active_count()) == (files, threads)
    assert not any(os.path.exists(f"/proc/{pid}") for pid in workers)


@forking_beside_threads
@anywhere
def test_a_thread_that_is_not_the_main_one_makes_and_uses_it(place: dict[str, Any]) -> None:
    results = in_a_thread(lambda: run(ReactorVectorEnv([FaultyEnv] * 4, **place)))
    assert results == run(ReactorVectorEnv([FaultyEnv] * 4, placement="inline"))


@forking_beside_threads
@anywhere
def test_the_thread_that_made_it_may_end(make: Make, place: dict[str, Any]) -> None:
    vector = in_a_thread(lambda: make(**place))
    in_a_thread(lambda: vector.reset(seed=0))
    time.sleep(0.1)  # workers that ended with that thread would be gone now
    expected = run(ReactorVectorEnv([FaultyEnv] * 4, placement="inline"))
    assert run(vector, close=False) == expected
    assert in_a_thread(lambda: run(vector)) == expected


def in_a_thread(act: Callable[[], Any]) -> Any:
    results: list[Any] = []
    thread = threading.Thread(target=lambda: results.append(act()))
    thread.start()
    thread.join(30)
    return results[0]


def run(vector: ReactorVectorEnv, close: bool = True) -> list[bytes]:
    results = [vector.reset(seed=0)[0].tobytes(), *(vector.step(orders())[0].tobytes() for _ in range(3))]
    if close:
        vector.close()
    return results


class Nesting(gym.Env[Any, Any]):
    """Holds a vector environment."""

    observation_space = gym.spaces.Box(0, 1e9, (4, 2), np.float64)
    action_space = gym.spaces.MultiDiscrete([9] * 4)

    def __init__(self, **place: Any) -> None:
        self.inner = ReactorVectorEnv([FaultyEnv] * 4, **place)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        return self.inner.reset(seed=seed)[0], {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        return self.inner.step(action)[0], 0.0, False, False, {}

    def close(self) -> None:
        self.inner.close()

    def where(self) -> tuple[str, tuple[int, ...]]:
        return self.inner.placement, self.inner.call("process")


@in_processes
def test_inside_of_a_daemonic_worker_auto_is_inline(make: Make, place: dict[str, Any]) -> None:
    vector = make([Nesting] * 2, **place)
    obs, _ = vector.reset(seed=0)
    expected, _ = make(placement="inline").reset(seed=0)
    assert obs[0].tobytes() == expected.tobytes()
    placement, processes = vector.call("where")[1]
    assert placement == "inline"
    assert len(set(processes)) == 1


def test_worker_processes_inside_of_a_daemonic_worker_are_refused(make: Make) -> None:
    for inner in (PROCESSES, ISOLATED):
        with pytest.raises(ValueError, match="make the outer one with daemon=False; or use placement='inline'"):
            make([partial(Nesting, **inner)] * 2, isolated=True, num_workers=2, context="fork")


@pytest.mark.parametrize("inner", [PROCESSES, ISOLATED], ids=["processes", "isolated"])
def test_worker_processes_inside_of_others(make: Make, inner: dict[str, Any]) -> None:
    vector = make([partial(Nesting, **inner)] * 2, isolated=True, num_workers=2, context="fork", daemon=False)
    obs, _ = vector.reset(seed=0)
    assert obs[0].tobytes() == make(placement="inline").reset(seed=0)[0].tobytes()
    processes = {pid for _, pids in vector.call("where") for pid in pids}
    assert len(processes) == 4
    assert os.getpid() not in processes
    vector.close(terminate=True)  # no close() of theirs runs: they go as their parents go
    gone_within(processes, 5)


def gone_within(processes: set[int], seconds: float) -> None:
    until = time.monotonic() + seconds
    while any(alive(pid) for pid in processes):
        assert time.monotonic() < until, processes
        time.sleep(0.01)


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


@pytest.mark.parametrize("how", [{"terminate": True}, {"timeout": 0.1}], ids=str)
@pytest.mark.parametrize("fault", ["", "hang"])
def test_environments_of_the_caller_are_closed_even_where_workers_are_killed(how: dict[str, Any], fault: str) -> None:
    closed = []

    class Closes(FaultyEnv):
        def close(self) -> None:
            closed.append(self)

    vector = ReactorVectorEnv([Closes] * 4, **PROCESSES)
    vector.reset()
    if fault:
        vector.step_async(orders(e3=fault))
        with pytest.warns(UserWarning, match="waiting for a pending call"):
            vector.close(**how)
    else:
        vector.close(**how)
    assert len(closed) == 2
