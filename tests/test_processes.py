"""Worker processes: what crosses, who dies, what is left behind."""

from __future__ import annotations

import contextlib
import ctypes
import faulthandler
import gc
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from reactvec import Execution, InputPort, OutputPort, Reactor, Topology, TopologyError, compile, reaction
from reactvec.processes import ProcessOptions, WorkerDiedError

METHODS = ["fork", "forkserver", "spawn"]
FORK = ProcessOptions("fork")
NOTHING, RAISE, EXIT, SEGFAULT, HANG, SLOW, UNPICKLABLE = range(7)


class OddError(Exception):
    """Its `__init__` wants other arguments than it passes on."""

    def __init__(self, row: int, *, reason: str) -> None:
        super().__init__(f"row {row}: {reason}")
        self.row = row


class Cells(Reactor):
    """Counts per row; an order tells a row how to misbehave."""

    order = InputPort((), np.int64)
    question = InputPort((), object)
    count = OutputPort((), np.int64)
    pid = OutputPort((), np.int64)
    remark = OutputPort((), object)
    answer = OutputPort((), object)

    def __init__(self, bank: int) -> None:
        super().__init__(bank=bank)
        self.counts = [0] * bank
        self.refuse = False

    @reaction(on="startup")
    def start(self, rows: range) -> None:
        if self.refuse and os.getpid() != self.parent:
            raise OddError(rows.start, reason="does not start")

    parent = os.getpid()

    @reaction(triggers=[order], effects=[count, pid, remark])
    def step(self, rows: range, order: Any, count: Any, pid: Any, remark: Any) -> None:
        remark[:] = None
        for k, i in enumerate(rows):
            misbehave(int(order[k]), i, remark, k)
            self.counts[i] += 1
            if self.counts[i] % 3 == 0:
                remark[k] = {"row": i, "third": self.counts[i]}
            count[k], pid[k] = self.counts[i], os.getpid()

    @reaction(on="ask", triggers=[question], effects=[answer])
    def ask(self, rows: range, question: Any, answer: Any) -> None:
        for k, i in enumerate(rows):
            misbehave(question[k] if isinstance(question[k], int) else NOTHING, i, answer, k)
            answer[k] = None if question[k] is None else (i, question[k], self.counts[i])


def misbehave(order: int, row: int, remark: Any, k: int) -> None:
    if order == RAISE:
        raise OddError(row, reason="asked to")
    if order == EXIT:
        os._exit(7)
    if order == SEGFAULT:
        faulthandler.disable()
        ctypes.string_at(0)
    if order == HANG:
        time.sleep(1000)
    if order == SLOW:
        time.sleep(0.4)
    if order == UNPICKLABLE:
        remark[k] = threading.Lock()


class Cell:
    """A bank of cells at work."""

    def __init__(
        self, rows: int = 6, workers: int = 3, isolated: bool = False, method: str = "fork", processes: bool = True
    ) -> None:
        self.cells, topology = Cells(rows), Topology()
        topology.add("cells", self.cells)
        topology.external(self.cells.order)
        topology.external(self.cells.question)
        options = ProcessOptions(method) if processes else None
        self.execution = Execution(topology, compile(topology, workers, isolated), options)
        self.order = self.execution.input(self.cells.order)
        self.question = self.execution.input(self.cells.question)

    def read(self, port: OutputPort) -> list[Any]:
        values: list[Any] = self.execution.read(port).tolist()
        return values

    def step(self, **orders: int) -> list[Any]:
        self.order[:] = 0
        for row, order in orders.items():
            self.order[int(row[1:])] = order
        self.execution.advance()
        return self.read(self.cells.count)


@pytest.fixture
def make() -> Iterator[Callable[..., Cell]]:
    made: list[Cell] = []

    def make_one(*arguments: Any, **named: Any) -> Cell:
        made.append(Cell(*arguments, **named))
        return made[-1]

    yield make_one
    for cell in made:
        cell.execution.close(terminate=True)
    assert multiprocessing.active_children() == []


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("isolated", [False, True])
def test_rows_live_in_the_processes_of_their_workers(make: Callable[..., Cell], method: str, isolated: bool) -> None:
    cell = make(6, 3, isolated, method)
    for count in range(1, 8):
        assert cell.step() == [count] * 6
        thirds = [{"row": row, "third": count} if count % 3 == 0 else None for row in range(6)]
        assert cell.read(cell.cells.remark) == thirds
    pids = cell.read(cell.cells.pid)
    assert len(set(pids)) == (2 if isolated else 3)
    assert (os.getpid() in pids) is not isolated
    assert [len(cell.execution.rows_of(worker)) for worker in range(3)] == ([0, 3, 3] if isolated else [2, 2, 2])


def test_objects_cross_with_a_command_and_stay_away_afterwards(make: Callable[..., Cell]) -> None:
    cell = make(4, 2)
    cell.step()
    for value in ("short", b"x" * 3_000_000, {"key": [1, 2]}, None):
        cell.question[:] = [None, value, None, value]
        cell.execution.command("ask")
        expected = None if value is None else value
        found = cell.read(cell.cells.answer)
        assert found == [None, expected and (1, value, 1), None, expected and (3, value, 1)]
    cell.step()
    cell.step()
    assert cell.read(cell.cells.remark)[3] == {"row": 3, "third": 3}
    cell.question[:] = None
    cell.execution.command("ask")
    cell.step()
    cell.step()
    assert cell.read(cell.cells.remark) == [None] * 4


@pytest.mark.parametrize("row", [0, 5])
def test_an_exception_crosses_with_type_attributes_and_traceback(make: Callable[..., Cell], row: int) -> None:
    cell = make()
    cell.step()
    with pytest.raises(OddError, match=f"row {row}: asked to") as raised:
        cell.step(**{f"r{row}": RAISE})
    assert raised.value.row == row
    assert "misbehave" in [entry.name for entry in raised.traceback]
    assert any("cells.step" in note for note in getattr(raised.value, "__notes__", ["cells.step"]))
    assert cell.read(cell.cells.count) == [1] * 6
    cell.step()


def test_the_first_of_several_exceptions_is_raised(make: Callable[..., Cell]) -> None:
    cell = make()
    for _ in range(5):
        with pytest.raises(OddError, match="row 2"):
            cell.step(r5=RAISE, r2=RAISE, r4=RAISE)


def test_what_cannot_be_pickled_is_refused_by_name(make: Callable[..., Cell]) -> None:
    cell = make()
    with pytest.raises(TypeError, match="pickle") as raised:
        cell.step(r5=UNPICKLABLE)
    assert any("cells.step" in note for note in getattr(raised.value, "__notes__", ["cells.step"]))
    cell.question[5] = threading.Lock()
    with pytest.raises(TypeError, match="pickle"):
        cell.execution.command("ask")
    cell.question[:] = None
    cell.step()


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
    with pytest.raises(OddError, match="does not start"):
        cell.execution.replace(1)


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
from tests.test_processes import Cell, HANG
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
    root = Path(__file__).parents[1]
    environment = {**os.environ, "PYTHONPATH": str(root)}
    command = [sys.executable, str(script), method, doing]
    with subprocess.Popen(command, cwd=root, env=environment, stdout=subprocess.PIPE, text=True) as parent:
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


def test_objects_that_would_cross_within_a_tag_are_refused() -> None:
    class Reader(Reactor):
        remarks = InputPort((4,), object)

        @reaction(triggers=[remarks])
        def read(self, remarks: Any) -> None:
            """Nothing."""

    cells, reader, topology = Cells(4), Reader(), Topology()
    topology.add("cells", cells)
    topology.add("reader", reader)
    topology.external(cells.order)
    topology.external(cells.question)
    topology.connect(cells.remark, reader.remarks)
    with pytest.raises(TopologyError, match=r"cells.remark carries Python objects from cells.step to reader.read"):
        Execution(topology, compile(topology, 2), FORK)
    Execution(topology, compile(topology, 2)).close()
