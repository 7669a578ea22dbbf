"""At any speed of the workers, a write comes before its reads, and those before the next write to the slot."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random

import numpy as np
import pytest

from reactvec import Execution, InputPort, OutputPort, Reactor, Schedule, Topology, compile, reaction
from reactvec.partition import ranges
from reactvec.schedule import Op, Program
from tests.random_topologies import build, draw_program

TAGS = 14
Moment = tuple[int, int]  # worker, and how many instructions it had run
Clock = list[int]  # per worker, how many of its instructions are known to be done
Run = tuple[int, int, int, int]  # reaction, tag, lo, hi


def simulate(schedule: Schedule, program: Program) -> dict[Run, tuple[Moment, Clock]]:
    """Run the programs on paper: when each reaction ran, and what its worker knew to be done by then."""
    workers = range(schedule.workers)
    script = [[(tag, row.tolist()) for tag in range(TAGS) for row in program.code[worker]] for worker in workers]
    clocks = [[0] * schedule.workers for _ in workers]
    published: dict[tuple[int, int, int], Clock] = {}
    runs: dict[Run, tuple[Moment, Clock]] = {}
    moved = True
    while moved:
        moved = False
        for worker in workers:
            clock = clocks[worker]
            while clock[worker] < len(script[worker]):
                tag, (op, first, second, third, *_) = script[worker][clock[worker]]
                if op == Op.AWAIT and tag >= third:
                    known = published.get((first, tag - third, second))
                    if known is None:
                        break
                    clocks[worker] = clock = [max(pair) for pair in zip(clock, known, strict=True)]
                clock[worker] += 1
                moved = True
                if op == Op.EXEC:
                    runs[first, tag, second, third] = (worker, clock[worker]), list(clock)
                elif op == Op.PUBLISH:
                    published[worker, tag, first] = list(clock)
    stuck = [worker for worker in workers if clocks[worker][worker] < len(script[worker])]
    assert not stuck, f"workers {stuck} wait for ever"
    return runs


def unordered(schedule: Schedule, runs: dict[Run, tuple[Moment, Clock]]) -> Iterator[tuple[Run, Run]]:
    """Pairs of runs of which the first must be done before the second begins, but need not be."""
    at: dict[tuple[int, int], list[Run]] = {}
    for run in runs:
        at.setdefault(run[:2], []).append(run)
    for one, other, tags, by_row in constraints(schedule):
        for tag in range(TAGS):
            for first in at.get((one, tag), ()):
                for second in at.get((other, tag + tags), ()):
                    apart = by_row and (first[3] <= second[2] or second[3] <= first[2])
                    (worker, count), clock = runs[first][0], runs[second][1]
                    if not apart and clock[worker] < count:
                        yield first, second


def constraints(schedule: Schedule) -> Iterator[tuple[int, int, int, bool]]:
    """(reaction, reaction, tags later, row by row): the first before the second."""
    steps = [(index, entry) for index, entry in enumerate(schedule.reactions) if entry.on == "step"]
    for index, entry in steps:
        for other, another in steps:
            if entry.reactor == another.reactor and index != other:
                yield index, other, int(index > other), True
            written = {access.slab for access in entry.accesses if access.role == "effect"}
            for access in another.accesses:
                if access.role != "effect" and access.slab in written:
                    by_row = entry.bank == another.bank
                    yield index, other, access.delay, by_row
                    yield other, index, schedule.slabs[access.slab].slots - access.delay, by_row


@pytest.mark.parametrize("workers", [1, 2, 3, 5, 9])
def test_no_two_workers_meet_unordered(workers: int) -> None:
    crossings = 0
    for seed in range(40):
        topology = build(draw_program(Random(seed)), native=False)
        schedule = compile(topology, workers)
        program = schedule.programs["step"]
        assert list(unordered(schedule, simulate(schedule, program))) == []
        crossings += sum(int((code[:, 0] == Op.AWAIT).sum()) for code in program.code)
    assert (crossings > 40) == (workers > 1)


def test_each_sync_point_is_needed() -> None:
    """Without any one of them some pair is unordered; few are superfluous by what other tags wait for."""
    needed = superfluous = 0
    for seed in range(60):
        schedule = compile(build(draw_program(Random(seed)), native=False), 3)
        program = schedule.programs["step"]
        for worker, code in enumerate(program.code):
            for row in np.flatnonzero(code[:, 0] == Op.AWAIT):
                shorter = (*program.code[:worker], np.delete(code, row, axis=0), *program.code[worker + 1 :])
                runs = simulate(schedule, Program("step", shorter, program.publishes))
                if any(unordered(schedule, runs)):
                    needed += 1
                else:
                    superfluous += 1
    assert needed > 100
    assert superfluous <= needed // 10


@pytest.mark.parametrize("bank", [1, 2, 3, 7, 64])
@pytest.mark.parametrize("workers", [1, 2, 3, 8, 100])
def test_ranges_are_contiguous_and_even(bank: int, workers: int) -> None:
    parts = ranges(bank, workers)
    assert [row for lo, hi in parts for row in range(lo, hi)] == list(range(bank))
    sizes = [hi - lo for lo, hi in parts]
    assert max(sizes) - min(sizes) <= 1


def test_what_is_no_bank_belongs_to_the_caller() -> None:
    assert ranges(None, 3) == [(0, 1), (0, 0), (0, 0)]


class Row(Reactor):
    count = InputPort((), np.int64)
    next_count = OutputPort((), np.int64)

    @reaction(triggers=[count], effects=[next_count])
    def increment(self, rows, count, next_count):
        next_count[...] = count + 1


def bank_of(rows: int) -> tuple[Topology, Row]:
    topology = Topology()
    row = topology.add("row", Row(bank=rows))
    topology.connect(row.next_count, row.count, delay=1, initial=0)
    return topology, row


def test_rows_that_only_know_themselves_need_no_sync() -> None:
    topology, _ = bank_of(4)
    program = compile(topology, 2).programs["step"]
    assert [code[:, 0].tolist() for code in program.code] == [[Op.EXEC, Op.ADVANCE]] * 2
    assert program.publishes == (0, 0)


@pytest.mark.parametrize("rows", [1, 2, 3])
def test_a_bank_smaller_than_the_number_of_workers(rows: int) -> None:
    topology, row = bank_of(rows)
    with Execution(topology, compile(topology, 5)) as execution:
        execution.advance(10)
        assert execution.read(row.next_count).tolist() == [10] * rows
