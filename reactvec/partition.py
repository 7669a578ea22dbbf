"""Spread the rows of banks over workers, and put a sync point wherever one worker needs what another does.

A bank of N rows is cut into contiguous ranges, the same for all banks of N, so chains from row to row stay on one
worker and need no sync ("fused"). Everything that is no bank runs on worker 0. What remains are crossings: gather,
scatter and broadcast, and the reuse of a slot before all its readers have passed.

A sync point is left out when vector clocks show that the worker already knows: it heard so earlier, in this tag or the
last, perhaps through a third worker.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from reactvec.schedule import COLUMNS, Op, Program, ScheduledReaction, Slab
from reactvec.topology import STEP

Needs = dict[tuple[int, int], int]  # (worker, back) -> position of its last item that must be done `back` tags ago
Awaits = dict[tuple[int, int], list[tuple[int, int, int]]]  # (worker, position) -> (worker, back, position)
NEVER = -(1 << 60)
ROUNDS = 6


@dataclass
class _Plan:
    """The items (reaction, lo, hi) of each worker in the order in which it runs them, and what they wait for."""

    items: list[list[tuple[int, int, int]]]
    levels: list[list[int]]
    needs: dict[tuple[int, int], Needs] = field(default_factory=dict)  # of the item at (worker, position)


def ranges(bank: int | None, workers: int, isolated: bool = False) -> list[tuple[int, int]]:
    """The rows of each worker: contiguous, sizes differ by at most one, worker 0 first; a plain reactor is one row.
    `isolated` leaves no row of a bank to worker 0."""
    if bank is None:
        return [(0, 1)] + [(0, 0)] * (workers - 1)
    if isolated:
        return [(0, 0), *ranges(bank, workers - 1)]
    return [(-(-bank * worker // workers), -(-bank * (worker + 1) // workers)) for worker in range(workers)]


def partition(
    command: str,
    reactions: Sequence[ScheduledReaction],
    slabs: Sequence[Slab],
    members: Sequence[int],
    workers: int,
    isolated: bool = False,
) -> Program:
    """The program of each worker for one tag of a command; `members` are its reactions in level order."""
    plan = _plan(reactions, slabs, members, workers, isolated, repeats=command == STEP)
    awaits = _reduce(plan, workers)
    numbers, publishes = _number_publishes(plan, awaits, workers)
    code = tuple(_assemble(worker, plan, awaits, numbers, reactions) for worker in range(workers))
    return Program(command, code, tuple(publishes))


def _plan(
    reactions: Sequence[ScheduledReaction],
    slabs: Sequence[Slab],
    members: Sequence[int],
    workers: int,
    isolated: bool,
    repeats: bool,
) -> _Plan:
    plan = _Plan([[] for _ in range(workers)], [[] for _ in range(workers)])
    where: dict[int, dict[int, int]] = {}  # reaction -> worker -> position
    for index in members:
        where[index] = {}
        for worker, (lo, hi) in enumerate(ranges(reactions[index].bank, workers, isolated)):
            if lo < hi:
                where[index][worker] = len(plan.items[worker])
                plan.items[worker].append((index, lo, hi))
                plan.levels[worker].append(reactions[index].level)
    if workers == 1:
        return plan
    crossings = _crossings(reactions, slabs, members, repeats)
    for index in crossings:
        for worker, position in where[index].items():
            needs = plan.needs.setdefault((worker, position), {})
            for other, back in crossings[index]:
                for there, at in where[other].items():
                    if there != worker:
                        needs[there, back] = max(needs.get((there, back), -1), at)
    return plan


def _crossings(
    reactions: Sequence[ScheduledReaction], slabs: Sequence[Slab], members: Iterable[int], repeats: bool
) -> dict[int, list[tuple[int, int]]]:
    """Per reaction the others, partitioned differently, that must have run `back` tags ago: the writers of what it
    reads, and the readers of the slot that it is about to overwrite."""
    writer: dict[int, int] = {}
    readers: dict[int, list[tuple[int, int]]] = {}
    for index in members:
        for access in reactions[index].accesses:
            if access.role == "effect":
                writer[access.slab] = index
            else:
                readers.setdefault(access.slab, []).append((index, access.delay))
    crossings: dict[int, list[tuple[int, int]]] = {}
    for slab, source in writer.items():
        for reader, delay in readers.get(slab, ()):
            if reactions[reader].bank == reactions[source].bank:
                continue
            if delay == 0 or repeats:
                crossings.setdefault(reader, []).append((source, delay))
            if repeats:
                crossings.setdefault(source, []).append((reader, slabs[slab].slots - delay))
    return crossings


def _reduce(plan: _Plan, workers: int) -> Awaits:
    """The needs that a worker cannot already know to be met. What it knows at the start of a tag is what the tag
    before taught it; that is found by repetition, from knowing nothing, until nothing changes."""
    start = [[NEVER] * workers for _ in range(workers)]
    heard: dict[tuple[int, int], list[int]] = {}
    first, known_start, heard = _simulate(plan, start, heard)
    awaits = first
    for _ in range(ROUNDS):
        again, next_start, next_heard = _simulate(plan, known_start, heard)
        grown = _covers(next_start, known_start) and _covers(
            next_heard.values(), (heard.get(item, next_heard[item]) for item in next_heard)
        )
        heard = next_heard
        if again == awaits and grown:
            return again
        awaits, known_start = again, next_start
    return first


def _covers(clocks: Iterable[list[int]], others: Iterable[list[int]]) -> bool:
    """Whether each clock knows at least as much as its counterpart."""
    return all(
        new >= old for news, olds in zip(clocks, others, strict=True) for new, old in zip(news, olds, strict=True)
    )


def _simulate(
    plan: _Plan, start: list[list[int]], before: dict[tuple[int, int], list[int]]
) -> tuple[Awaits, list[list[int]], dict[tuple[int, int], list[int]]]:
    """One tag with vector clocks. `known[w][v]` is how many items of v, counted from the start of the tag, w knows to
    be done; `heard` what each awaited item's worker knew when it was done, for those who wait for it."""
    lengths = [len(items) for items in plan.items]
    known = [list(row) for row in start]
    wanted = {(there, at) for needs in plan.needs.values() for (there, _), at in needs.items()}
    events = sorted(wanted | plan.needs.keys(), key=lambda event: (plan.levels[event[0]][event[1]], event))
    awaits: Awaits = {}
    heard: dict[tuple[int, int], list[int]] = {}
    for worker, position in events:
        for (there, back), at in sorted(plan.needs.get((worker, position), {}).items()):
            reached = at + 1 - back * lengths[there]
            if known[worker][there] >= reached:
                continue
            awaits.setdefault((worker, position), []).append((there, back, at))
            clock = heard.get((there, at)) if back == 0 else before.get((there, at))
            for other, count in enumerate(clock or ()):
                known[worker][other] = max(known[worker][other], count - back * lengths[other])
            known[worker][there] = max(known[worker][there], reached)
        if (worker, position) in wanted:
            known[worker][worker] = position + 1
            heard[worker, position] = list(known[worker])
    ends = [[count - length for count, length in zip(row, lengths, strict=True)] for row in known]
    return awaits, ends, heard


def _number_publishes(plan: _Plan, awaits: Awaits, workers: int) -> tuple[dict[tuple[int, int], int], list[int]]:
    """The PUBLISH that covers each awaited item, counted from 1 per worker and tag, and how many there are.

    Neighbours of one level share the PUBLISH after the last of them: nothing between them can wait for the first.
    """
    awaited = {(there, at) for waits in awaits.values() for there, _, at in waits}
    numbers: dict[tuple[int, int], int] = {}
    counts = [0] * workers
    for worker, at in sorted(awaited):
        numbers[worker, at] = counts[worker] + 1
        levels = plan.levels[worker]
        if (worker, at + 1) not in awaited or levels[at] != levels[at + 1]:
            counts[worker] += 1
    return numbers, counts


def _assemble(
    worker: int,
    plan: _Plan,
    awaits: Awaits,
    numbers: dict[tuple[int, int], int],
    reactions: Sequence[ScheduledReaction],
) -> npt.NDArray[np.int64]:
    rows: list[tuple[int, ...]] = []
    for position, (index, lo, hi) in enumerate(plan.items[worker]):
        for there, back, at in awaits.get((worker, position), ()):
            rows.append((Op.AWAIT, there, numbers[there, at], back, 0, 0, 0))
        timing = reactions[index].timing
        unit = math.lcm(timing.period.denominator, timing.offset.denominator)
        rows.append((Op.EXEC, index, lo, hi, int(timing.period * unit), int(timing.offset * unit), unit))
        number = numbers.get((worker, position))
        if number is not None and numbers.get((worker, position + 1)) != number:
            rows.append((Op.PUBLISH, number, 0, 0, 0, 0, 0))
    rows.append((Op.ADVANCE, 0, 0, 0, 0, 0, 0))
    return np.array(rows, np.int64).reshape(-1, COLUMNS)
