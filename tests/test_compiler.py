"""Order within a tag, causality loops, and where slabs lie."""

from __future__ import annotations

import itertools
import time

import numpy as np
import pytest

from reactvec import (
    CausalityLoop,
    Execution,
    InputPort,
    OutputPort,
    Reactor,
    Schedule,
    Topology,
    TopologyError,
    compile,
    reaction,
)


class Relay(Reactor):
    x = InputPort((), np.int64)
    y = OutputPort((), np.int64)

    @reaction(triggers=[x], effects=[y])
    def pass_on(self, x, y):
        y[()] = x + 1


class Early(Reactor):
    """Writes y, which leads back to what an earlier reaction reads."""

    x = InputPort((), np.int64)
    y = OutputPort((), np.int64)

    @reaction(sources=[x])
    def first(self, x):
        del x

    @reaction(effects=[y])
    def second(self, y):
        y[()] = 1


def chain(length: int, *, close: bool = False, delay: int = 0) -> tuple[Topology, list[Relay]]:
    topology = Topology()
    relays = [topology.add(f"r{index}", Relay()) for index in range(length)]
    for one, other in itertools.pairwise(relays):
        topology.connect(one.y, other.x)
    if close:
        topology.connect(relays[-1].y, relays[0].x, delay=delay)
    else:
        topology.external(relays[0].x)
    return topology, relays


@pytest.mark.parametrize(
    ("length", "path"),
    [
        (1, r"cycle: r0\.y -> r0\.x \(r0\.pass_on before r0\.pass_on\); break it with delay=1"),
        (2, r"cycle: r.\.y -> r.\.x .*, r.\.y -> r.\.x .*; break it with delay=1 on one of these connections"),
        (3, r"cycle: (r.\.y -> r.\.x \(r.\.pass_on before r.\.pass_on\)(, |; )){3}break it with delay=1"),
    ],
)
def test_a_causality_loop_says_its_path(length: int, path: str) -> None:
    topology, _ = chain(length, close=True)
    with pytest.raises(CausalityLoop, match=path):
        compile(topology)


def test_what_lies_behind_a_loop_is_not_part_of_its_path() -> None:
    topology, relays = chain(2, close=True)
    behind = topology.add("behind", Relay())
    topology.connect(relays[1].y, behind.x)
    with pytest.raises(CausalityLoop, match=r"r0\.y -> r1\.x") as caught:
        compile(topology)
    assert "behind" not in str(caught.value)


def test_a_loop_through_the_order_of_reactions() -> None:
    topology = Topology()
    early, relay = topology.add("early", Early()), topology.add("relay", Relay())
    topology.connect(early.y, relay.x)
    topology.connect(relay.y, early.x)
    with pytest.raises(CausalityLoop) as caught:
        compile(topology)
    message = str(caught.value)
    assert "early.first before early.second (declared in this order)" in message
    assert "early.y -> relay.x (early.second before relay.pass_on)" in message
    assert "relay.y -> early.x (relay.pass_on before early.first)" in message


@pytest.mark.parametrize("delay", [1, 2, 5])
def test_a_delay_breaks_a_loop(delay: int) -> None:
    topology, relays = chain(3, close=True, delay=delay)
    with Execution(topology, compile(topology)) as execution:
        execution.advance(4 * delay)
        assert execution.is_present(relays[2].y).tolist() is False


def test_levels_follow_the_connections_whatever_the_order_of_adding() -> None:
    topology = Topology()
    last, middle, first = (topology.add(name, Relay()) for name in ("last", "middle", "first"))
    topology.connect(first.y, middle.x)
    topology.connect(middle.y, last.x)
    topology.external(first.x)
    schedule = compile(topology)
    assert {entry.reactor: entry.level for entry in schedule.reactions} == {"last": 2, "middle": 1, "first": 0}
    with Execution(topology, schedule) as execution:
        execution.input(first.x)[...] = 5
        execution.advance()
        assert [int(execution.read(relay.y)) for relay in (first, middle, last)] == [6, 7, 8]


@pytest.mark.parametrize("workers", [0, -1, 1.0, True, "2"])
def test_a_schedule_needs_a_worker(workers: object) -> None:
    with pytest.raises(TopologyError, match=r"workers=.* must be a whole number >= 1"):
        compile(Topology(), workers)


def test_an_empty_topology_does_nothing() -> None:
    for workers in (1, 3):
        with Execution(Topology(), compile(Topology(), workers)) as execution:
            execution.advance(100)
            assert execution.tag == 100


def places(schedule: Schedule) -> list[tuple[int, int]]:
    blocks = []
    for slab in schedule.slabs:
        blocks += [(slab.offset, slab.offset + slab.slots * slab.stride)] if slab.offset >= 0 else []
        blocks += [(slab.flags, slab.flags + slab.slots * slab.rows)] if slab.flags >= 0 else []
    return sorted(blocks)


@pytest.mark.parametrize(("delay", "slots"), [(0, 2), (1, 2), (2, 4), (3, 4), (4, 8), (5, 8)])
def test_an_output_keeps_one_slot_more_than_its_longest_delay(delay: int, slots: int) -> None:
    topology, relays = chain(2)
    late = topology.add("late", Relay())
    topology.connect(relays[0].y, late.x, delay=delay)
    schedule = compile(topology)
    assert {slab.name: slab.slots for slab in schedule.slabs}["r0.y"] == slots > delay
    blocks = places(schedule)
    assert all(end <= begin for (_, end), (begin, _) in itertools.pairwise(blocks))
    assert blocks[-1][1] <= schedule.arena_bytes
    assert all(begin % 128 == 0 for begin, _ in blocks)


def test_the_same_topology_gives_the_same_schedule() -> None:
    one, other = (compile(chain(20, close=True, delay=2)[0], 3) for _ in range(2))
    assert (one.explain(), one.reactions, one.slabs) == (other.explain(), other.reactions, other.slabs)


def test_compiling_grows_near_linearly() -> None:
    seconds = {}
    for length in (500, 5000):
        topology, _ = chain(length)
        begin = time.perf_counter()
        compile(topology)
        seconds[length] = time.perf_counter() - begin
    assert seconds[5000] < 40 * seconds[500]
