"""Ports that hold a value at some tags only, and reactions that run when one of their triggers does."""

from __future__ import annotations

import numpy as np
import pytest

from reactvec import Execution, InputPort, OutputPort, Reactor, Topology, TopologyError, compile, present, reaction


class Even(Reactor):
    """Has a value at even tags."""

    y = OutputPort((), np.int64)
    tag = -1

    @reaction(effects=[y, present(y)])
    def write(self, y, flag):
        self.tag += 1
        y[()] = self.tag
        flag[()] = self.tag % 2 == 0


class Listener(Reactor):
    x = InputPort((), np.int64)
    y = OutputPort((), np.int64)

    def __init__(self) -> None:
        super().__init__()
        self.heard: list[int] = []

    @reaction(triggers=[x], effects=[y])
    def hear(self, x, y):
        self.heard.append(int(x))
        y[()] = x


class Asker(Listener):
    @reaction(sources=[Listener.x, present(Listener.x)], effects=[Listener.y])
    def hear(self, x, here, y):
        self.heard.append(int(x) if here else -1)
        y[()] = x


@pytest.mark.parametrize("delay", [0, 1, 2, 3])
def test_a_reaction_runs_when_its_trigger_is_present(delay: int) -> None:
    topology = Topology()
    even, listener, asker = (
        topology.add(name, reactor) for name, reactor in (("even", Even()), ("l", Listener()), ("a", Asker()))
    )
    after = topology.add("after", Listener())
    topology.connect(even.y, listener.x, delay=delay)
    topology.connect(even.y, asker.x, delay=delay)
    topology.connect(listener.y, after.x)
    with Execution(topology, compile(topology)) as execution:
        for tag in range(9):
            execution.advance()
            assert bool(execution.is_present(even.y)) is (tag % 2 == 0)
            assert bool(execution.is_present(listener.y)) is (tag >= delay and (tag - delay) % 2 == 0)
            assert bool(execution.is_present(asker.y))
    evens = [tag for tag in range(9 - delay) if tag % 2 == 0]
    assert listener.heard == after.heard == evens
    assert asker.heard == [-1] * delay + [tag if tag % 2 == 0 else -1 for tag in range(9 - delay)]


def test_what_is_not_due_is_absent() -> None:
    class Seldom(Reactor):
        y = OutputPort((), np.int64)

        @reaction(effects=[y], period=3, offset=1)
        def write(self, y):
            y[()] += 1

    topology = Topology()
    seldom, listener = topology.add("seldom", Seldom()), topology.add("listener", Listener())
    topology.connect(seldom.y, listener.x)
    with Execution(topology, compile(topology)) as execution:
        here = []
        for _ in range(8):
            execution.advance()
            here.append(bool(execution.is_present(seldom.y)))
    assert here == [False, True, False, False, True, False, False, True]
    assert len(listener.heard) == 3


def test_one_present_trigger_of_several_is_enough() -> None:
    class Two(Reactor):
        a = InputPort((), np.int64)
        b = InputPort((), np.int64)
        runs = 0

        @reaction(triggers=[a, b])
        def run(self, a, b):
            self.runs += 1

    topology = Topology()
    even, always, two = topology.add("even", Even()), topology.add("always", Even()), topology.add("two", Two())
    topology.connect(even.y, two.a)
    topology.connect(always.y, two.b, delay=1)
    with Execution(topology, compile(topology)) as execution:
        execution.advance(10)
    assert two.runs == 10


class Rows(Reactor):
    """Row r has a value at every tag that r + 1 divides."""

    y = OutputPort((), np.int64)
    tag = -1

    @reaction(on="startup")
    def begin(self, rows):
        self.tags = np.full(self.rows, -1)

    @reaction(effects=[y, present(y)])
    def write(self, rows, y, flags):
        for place, row in enumerate(rows):
            self.tags[row] += 1
            y[place] = self.tags[row]
            flags[place] = self.tags[row] % (row + 1) == 0


class Heard(Reactor):
    x = InputPort((), np.int64)
    y = OutputPort((), np.int64)

    @reaction(triggers=[x], effects=[y])
    def hear(self, rows, x, y):
        self.count[rows.start : rows.stop] += 1
        y[...] = x


@pytest.mark.parametrize("workers", [1, 2, 3, 6])
@pytest.mark.parametrize("delay", [0, 1])
def test_a_bank_runs_row_by_row_for_any_number_of_workers(workers: int, delay: int) -> None:
    topology = Topology()
    rows, heard = topology.add("rows", Rows(bank=6)), topology.add("heard", Heard(bank=6))
    heard.count = np.zeros(6, int)
    topology.connect(rows.y, heard.x, delay=delay)
    with Execution(topology, compile(topology, workers)) as execution:
        execution.advance(13 + delay)
        assert execution.is_present(heard.y).tolist() == [12 % (row + 1) == 0 for row in range(6)]
    assert heard.count.tolist() == [len(range(0, 13, row + 1)) for row in range(6)]


def test_periods_belong_to_steps() -> None:
    class Odd(Reactor):
        @reaction(on="reset", period=2)
        def run(self):
            raise AssertionError("never compiled")

    topology = Topology()
    topology.add("odd", Odd())
    with pytest.raises(TopologyError, match=r"odd\.run: on='reset' runs once per command; leave out period"):
        compile(topology)


def test_what_is_always_present_has_no_flags() -> None:
    topology = Topology()
    listener, other = topology.add("listener", Listener()), topology.add("other", Listener())
    topology.connect(listener.y, other.x)
    topology.connect(other.y, listener.x, delay=1, initial=0)
    schedule = compile(topology)
    assert [slab.flags for slab in schedule.slabs] == [-1, -1]
    assert [entry.guards for entry in schedule.reactions] == [(), ()]
