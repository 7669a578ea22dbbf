"""What crosses between worker processes and the caller: rows, objects, exceptions; and what is refused."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from reactvec import Execution, InputPort, Reactor, Topology, TopologyError, compile, reaction
from reactvec.processes import ProcessOptions
from tests.processes.cells import METHODS, RAISE, UNPICKLABLE, Cell, Cells, OddError

FORK = ProcessOptions("fork")


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


class Keeper(Reactor):
    """Adds up the counts of a bank in the caller, with something that no other process can have."""

    counts = InputPort((4,), np.int64)

    def __init__(self) -> None:
        super().__init__()
        self.lock, self.total = threading.Lock(), 0

    @reaction(sources=[counts])
    def keep(self, counts: Any) -> None:
        self.total += int(counts.sum())


@pytest.mark.parametrize("method", METHODS)
def test_worker_processes_get_the_reactors_that_they_run_alone(method: str) -> None:
    topology = Topology()
    cells, keeper = topology.add("cells", Cells(4)), topology.add("keeper", Keeper())
    for port in (cells.question, cells.order):
        topology.external(port)
    topology.connect(cells.count, keeper.counts)
    with Execution(topology, compile(topology, 2), ProcessOptions(method)) as execution:
        execution.advance(3)
    assert keeper.total == 4 * (1 + 2 + 3)
