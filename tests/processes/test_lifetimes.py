"""How worker processes die, are replaced, are waited for and end, and that nothing of them is left behind."""

from __future__ import annotations

import contextlib
import gc
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from reactvec.processes import WorkerDiedError
from tests.processes.cells import EXIT, HANG, METHODS, NOTHING, SEGFAULT, SLOW, Cell, OddError

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("isolated", [False, True])
@pytest.mark.parametrize(
    ("order", "end"), [(EXIT, "exited with code 7"), (SEGFAULT, "was killed by SIGSEGV")], ids=["exit", "segfault"]
)
def test_a_death_in_a_reaction_is_named_at_once(
    make: Callable[..., Cell], order: int, end: str, isolated: bool
) -> None:
    cell = make(isolated=isolated)
    cell.step()
    begun = time.monotonic()
    with pytest.raises(WorkerDiedError, match=end) as raised:
        cell.step(r5=order)
    assert time.monotonic() - begun < 5
    assert raised.value.workers == [2]
    assert cell.read(cell.cells.count) == [1] * 6
    with pytest.raises(WorkerDiedError, match=end):
        cell.step()


@pytest.mark.parametrize("when", ["at rest", "in a reaction"])
def test_a_killed_worker_is_named(make: Callable[..., Cell], when: str) -> None:
    cell = make()
    cell.step()
    victim = cell.read(cell.cells.pid)[2]
    if when == "at rest":
        os.kill(victim, signal.SIGKILL)
    else:
        threading.Timer(0.2, os.kill, (victim, signal.SIGKILL)).start()
    with pytest.raises(WorkerDiedError, match=rf"worker 1 \(process {victim}\) was killed by SIGKILL"):
        cell.step(r2=HANG if when == "in a reaction" else NOTHING)


def test_another_process_takes_the_place_of_one_that_died(make: Callable[..., Cell]) -> None:
    cell = make()
    for generation in range(3):
        cell.step()
        with pytest.raises(WorkerDiedError) as raised:
            cell.step(r3=EXIT)
        assert raised.value.workers == [1]
        cell.execution.replace(1)
        cell.execution.await_replaced(1)
        cell.execution.commit()
        steps = 2 * (generation + 1)
        assert cell.read(cell.cells.count) == [steps, steps, 1, 1, steps, steps]
        cell.question[:] = "?"
        cell.execution.command("ask")
        assert cell.read(cell.cells.answer)[2] == (2, "?", 0)


def test_a_process_that_cannot_start_raises_what_it_raised(make: Callable[..., Cell]) -> None:
    cell = make()
    cell.step()
    cell.cells.refuse = True
    with pytest.raises(WorkerDiedError):
        cell.step(r3=EXIT)
    cell.execution.replace(1)
    with pytest.raises(OddError, match="does not start"):
        cell.execution.await_replaced(1)


def test_a_wait_that_times_out_goes_on_later(make: Callable[..., Cell]) -> None:
    cell = make(isolated=True)
    cell.step()
    cell.order[:] = [NOTHING, NOTHING, NOTHING, SLOW, NOTHING, NOTHING]
    cell.execution.begin()
    begun = time.monotonic()
    assert cell.execution.finish(timeout=0.02) is False
    assert 0.015 < time.monotonic() - begun < 0.3
    assert cell.execution.begun
    with pytest.raises(RuntimeError, match="running already"):
        cell.execution.begin()
    while not cell.execution.finish(timeout=0.05):
        assert cell.read(cell.cells.count) == [1] * 6
    assert cell.read(cell.cells.count) == [2] * 6


def test_ctrl_c_leaves_a_wait_and_close_ends_a_hang(make: Callable[..., Cell]) -> None:
    cell = make(isolated=True)
    cell.order[4] = HANG
    cell.execution.begin()
    threading.Timer(0.2, signal.raise_signal, (signal.SIGINT,)).start()
    with pytest.raises(KeyboardInterrupt):
        cell.execution.finish()
    assert cell.execution.begun
    begun = time.monotonic()
    cell.execution.close(timeout=0.1)
    assert time.monotonic() - begun < 3
    assert cell.execution.closed


def test_a_fork_of_the_parent_kills_nothing(make: Callable[..., Cell]) -> None:
    cell = make()
    cell.step()
    child = os.fork()
    if child == 0:
        code = 1
        with contextlib.suppress(BaseException):
            assert cell.execution.closed
            cell.execution.close()
            multiprocessing.util._exit_function()  # type: ignore[attr-defined]
            code = 0
        os._exit(code)
    assert os.waitpid(child, 0)[1] == 0
    assert cell.step() == [2] * 6


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


SCRIPT = """
import os, sys, time
from tests.processes.cells import Cell, HANG
if __name__ == "__main__":
    cell = Cell(4, 2, False, sys.argv[1])
    cell.step()
    print(cell.read(cell.cells.pid)[3], flush=True)
    if sys.argv[2] == "hang":
        cell.order[3] = HANG
        cell.execution.begin()
    if sys.argv[2] == "leave":
        sys.exit()
    time.sleep(1000)
"""


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("doing", ["rest", "hang", "leave"])
def test_workers_end_with_their_parent(method: str, doing: str, tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, str(script), method, doing]
    with subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        worker = int(parent.stdout.readline())
        if doing != "leave":
            assert alive(worker)
            parent.kill()
        assert parent.wait(20) == (0 if doing == "leave" else -signal.SIGKILL)
    deadline = time.monotonic() + 10
    while alive(worker) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not alive(worker)


def open_files() -> int:
    return len(os.listdir("/proc/self/fd"))


def test_nothing_is_left_behind() -> None:
    def once(how: int) -> None:
        cell = Cell(4, 2 + how % 2)
        if how % 4 == 1:
            with contextlib.suppress(WorkerDiedError):
                cell.step(r3=EXIT)
        if how % 4 != 2:
            cell.execution.close()

    for how in range(4):
        once(how)
    gc.collect()
    before = open_files()
    for how in range(40):
        once(how)
    gc.collect()
    assert open_files() == before
    assert multiprocessing.active_children() == []
