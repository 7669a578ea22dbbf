"""Commands that stand beside logical time: what makes one, and that nothing but their own answers changes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from reactvec import Execution, InputPort, OutputPort, Reactor, Topology, compile, present, reaction
from reactvec.processes import WorkerDiedError
from tests.processes.cells import EXIT, RAISE, SLOW, Cell, OddError

PLACES = {
    "inline": {"workers": 1},
    "threads": {"workers": 3, "processes": False},
    "processes": {"workers": 3},
    "isolated": {"workers": 3, "isolated": True},
}
Make = Callable[..., Cell]


@pytest.fixture
def make() -> Iterator[Make]:
    made: list[Cell] = []

    def make_one(place: str) -> Cell:
        made.append(Cell(6, **PLACES[place]))
        return made[-1]

    yield make_one
    for cell in made:
        cell.execution.close(terminate=True)


@pytest.fixture(params=PLACES)
def cell(request: pytest.FixtureRequest, make: Make) -> Cell:
    return make(request.param)


def state(cell: Cell) -> list[Any]:
    """All that a step left, slot by slot, and the tag."""
    cells, execution = cell.cells, cell.execution
    ports = (cells.count, cells.pid, cells.remark)
    slots = [[slot.tolist() for slot in execution.slots(port)] for port in ports]
    return [execution.tag, slots, [execution.read(port).tolist() for port in ports]]


def ask(cell: Cell, *questions: Any) -> list[Any]:
    cell.question[:] = questions or ["?"] * 6
    cell.execution.command("ask")
    return cell.read(cell.cells.answer)


def test_an_aside_changes_nothing_but_its_answer(cell: Cell) -> None:
    for count in range(8):
        before = state(cell)
        for _ in range(3):
            assert ask(cell) == [(row, "?", count) for row in range(6)]
            assert state(cell) == before
        assert ask(cell, None, "!", *[None] * 4) == [None, (1, "!", count), *[None] * 4]
        assert cell.step() == [count + 1] * 6
        assert cell.read(cell.cells.answer)[1] == (1, "!", count)
        assert cell.read(cell.cells.remark)[5] == ({"row": 5, "third": count + 1} if count % 3 == 2 else None)


def test_views_stay_valid_across_asides(cell: Cell) -> None:
    cell.step()
    view = cell.execution.read(cell.cells.count)
    for _ in range(3):
        ask(cell)
    assert view.tolist() == [1] * 6
    cell.step()
    assert view.tolist() == [1] * 6


def test_an_aside_that_fails_leaves_all_but_its_answer(cell: Cell) -> None:
    cell.step()
    before = state(cell)
    for row in (0, 5, 2):
        questions: list[Any] = [None] * 6
        questions[row] = RAISE
        with pytest.raises(OddError, match=f"row {row}: asked to"):
            ask(cell, *questions)
        assert state(cell) == before
    assert ask(cell) == [(row, "?", 1) for row in range(6)]
    assert cell.step() == [2] * 6


def test_a_step_that_fails_between_asides_runs_anew(cell: Cell) -> None:
    cell.step()
    ask(cell)
    with pytest.raises(OddError, match="row 0"):
        cell.step(r0=RAISE)
    ask(cell)
    assert cell.execution.tag == 1
    assert cell.read(cell.cells.count) == [1] * 6
    cell.step()
    assert cell.execution.tag == 2


def test_an_aside_that_is_late_stays_begun(make: Make) -> None:
    cell = make("isolated")
    cell.step()
    before = state(cell)
    cell.question[:] = [None, None, None, SLOW, None, "?"]
    cell.execution.begin("ask")
    assert not cell.execution.finish(timeout=0.02)
    assert cell.execution.begun
    assert state(cell) == before
    assert cell.execution.finish()
    assert state(cell) == before
    assert cell.read(cell.cells.answer)[5] == (5, "?", 1)
    assert cell.step() == [2] * 6


@pytest.mark.parametrize("place", ["processes", "isolated"])
@pytest.mark.parametrize("steps", range(4))
def test_a_worker_that_dies_in_an_aside_is_replaced(make: Make, place: str, steps: int) -> None:
    cell = make(place)
    for _ in range(steps):
        cell.step()
    before = [cell.execution.tag, cell.read(cell.cells.count)]
    with pytest.raises(WorkerDiedError, match="exited with code 7"):
        ask(cell, "?", None, None, None, None, EXIT)
    cell.execution.replace(2)
    cell.execution.await_replaced(2)
    cell.execution.commit()
    assert [cell.execution.tag, cell.read(cell.cells.count)] == before
    others = [row for row in range(6) if row not in cell.execution.rows_of(2)]
    assert ask(cell)[others[-1]] == (others[-1], "?", steps)
    assert cell.step() == [steps + 1 if row in others else 1 for row in range(6)]


class Everything(Reactor):
    """Commands that are asides, and some that are almost."""

    given = InputPort((), np.int64)
    seen = InputPort((), np.int64)
    past = InputPort((), np.int64)
    chained = InputPort((), np.int64)
    count = OutputPort((), np.int64)
    answer = OutputPort((), np.int64)
    link = OutputPort((), np.int64)
    late = OutputPort((), np.int64)
    begun = OutputPort((), np.int64)

    @reaction(on="startup", effects=[count, begun])
    def begin(self, *ports: Any) -> None:
        """Nothing."""

    @reaction(triggers=[given], effects=[count])
    def step(self, *ports: Any) -> None:
        """Nothing."""

    @reaction(on="ask", triggers=[given], effects=[answer])
    def ask(self, *ports: Any) -> None:
        """Nothing."""

    @reaction(on="ask again", effects=[answer, present(answer)])
    def ask_again(self, *ports: Any) -> None:
        """Nothing."""

    @reaction(on="link", effects=[link])
    def write_link(self, *ports: Any) -> None:
        """Nothing."""

    @reaction(on="follow", sources=[chained])
    def follow(self, *ports: Any) -> None:
        """Nothing."""

    @reaction(on="look", sources=[seen])
    def look(self, *ports: Any) -> None:
        """Nothing."""

    @reaction(on="remember", sources=[past], effects=[late])
    def remember(self, *ports: Any) -> None:
        """Nothing."""

    @reaction(on="set", effects=[count])
    def set(self, *ports: Any) -> None:
        """Nothing."""

    @reaction(on="set all", effects=[count], whole=True)
    def set_all(self, *ports: Any) -> None:
        """Nothing."""

    @reaction(on="restart", effects=[begun])
    def restart(self, *ports: Any) -> None:
        """Nothing."""

    @reaction(on="nothing")
    def nothing(self, *ports: Any) -> None:
        """Nothing."""


def everything() -> tuple[Everything, Topology]:
    topology = Topology()
    reactor = topology.add("all", Everything())
    topology.external(reactor.given)
    topology.connect(reactor.count, reactor.seen)
    topology.connect(reactor.late, reactor.past, delay=1, initial=0)
    topology.connect(reactor.link, reactor.chained)
    return reactor, topology


def test_what_an_aside_is() -> None:
    schedule = compile(everything()[1])
    assert schedule.asides == {"ask", "ask again", "link", "follow", "nothing"}
    assert {slab.name: slab.slots for slab in schedule.slabs} == {
        "all.given": 1,
        "all.count": 2,
        "all.answer": 1,
        "all.link": 1,
        "all.late": 2,
        "all.begun": 2,
    }
    assert "\nask, an aside (takes no tag):\n" in schedule.explain()
    assert "\nlook:\n" in schedule.explain()


def test_what_a_command_carries() -> None:
    schedule = compile(everything()[1])
    names = {
        name: [schedule.slabs[index].name.partition(".")[2] for index in slabs]
        for name, slabs in schedule.carried.items()
    }
    assert names.pop("set all") == ["late", "begun"]
    for name in ("look", "remember", "set", "restart", "shutdown"):
        assert names.pop(name) == ["count", "late", "begun"]
    assert names.keys() == schedule.asides | {"startup", "step"}
    assert not any(names.values())


def test_asides_take_no_tag() -> None:
    topology = everything()[1]
    with Execution(topology, compile(topology)) as execution:
        execution.advance(3)
        for name in ("ask", "nothing", "look", "ask again"):
            execution.command(name)
        assert execution.tag == 4
