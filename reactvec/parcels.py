"""Which rows of object ports cross between processes, and when."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from reactvec.arena import Arena
from reactvec.schedule import Access, Op, Schedule, ScheduledReaction
from reactvec.topology import STEP, TopologyError

Piece = tuple[int, int, int]  # slab, and the rows [lo, hi)
Rows = list[tuple[int, int, list[Any]]]  # slab, first row, values


class Parcels:
    """Which rows of object slabs a command brings to each worker process, and which it brings back."""

    def __init__(self, schedule: Schedule, arena: Arena) -> None:
        self._schedule, self._arena = schedule, arena
        _check_crossings(schedule)
        self._inbound = {name: self._pieces(name, _is_inbound) for name in schedule.programs}
        self._outbound = {name: self._pieces(name, _is_outbound) for name in schedule.programs}
        self._commands = list(schedule.programs)

    def inbound(self, command: int, worker: int) -> Rows:
        """What the caller sends: rows of the external ports that the worker's reactions read."""
        return list(self._take(self._inbound[self._commands[command]][worker], 0))

    def outbound(self, command: int, worker: int, tag: int) -> Rows:
        """What the worker wrote at a tag; of a step, which starts from empty rows, only where there is something."""
        pieces = self._take(self._outbound[self._commands[command]][worker], tag)
        if self._commands[command] != STEP:
            return list(pieces)
        return [piece for piece in pieces if any(value is not None for value in piece[2])]

    def left_by(self, command: int, worker: int) -> list[list[tuple[int, int]]]:
        """Where the worker's objects lie: per slot the address and length of each array that the command writes."""
        pieces = self._outbound[self._commands[command]][worker]
        cycle = max((slab.slots for slab in self._schedule.slabs), default=1)
        arrays = [
            [self._arena.values[index][slot % len(self._arena.values[index])][lo:hi] for index, lo, hi in pieces]
            for slot in range(cycle)
        ]
        return [[(array.ctypes.data, array.size) for array in slot] for slot in arrays]

    def brings(self, command: int) -> bool:
        """Whether a command brings anything to a worker."""
        return any(self._inbound[self._commands[command]][1:])

    def unpack(self, rows: Rows, tag: int) -> None:
        """Put rows into this process's slabs, at a tag."""
        for index, lo, values in rows:
            slots = self._arena.values[index]
            target = slots[tag % len(slots)]
            for row, value in enumerate(values, lo):
                target[row : row + 1].fill(value)

    def clear(self, command: int, worker: int, tag: int) -> None:
        """Put None where the worker writes at a tag."""
        for index, lo, hi in self._outbound[self._commands[command]][worker]:
            slots = self._arena.values[index]
            slots[tag % len(slots)][lo:hi] = None

    def carry(self, command: int, tag: int) -> None:
        """Start a command from the objects of the tag before, as far as it may leave them as they are."""
        for index in self._schedule.carried[self._commands[command]]:
            if self._schedule.slabs[index].offset < 0:
                slots = self._arena.values[index]
                slots[tag % len(slots)] = slots[(tag - 1) % len(slots)]

    def _take(self, pieces: list[Piece], tag: int) -> Iterator[tuple[int, int, list[Any]]]:
        for index, lo, hi in pieces:
            slots = self._arena.values[index]
            yield index, lo, list(slots[tag % len(slots)][lo:hi])

    def _pieces(self, command: str, wanted: Any) -> list[list[Piece]]:
        return [
            [
                (access.slab, lo, hi)
                if access.rows == "own"
                else (access.slab, 0, self._schedule.slabs[access.slab].rows)
                for op, (index, lo, hi, *_) in self._schedule.instructions(command, worker)
                if op is Op.EXEC
                for access in self._schedule.reactions[index].accesses
                if wanted(self._schedule, access)
            ]
            for worker in range(self._schedule.workers)
        ]


def _is_inbound(schedule: Schedule, access: Access) -> bool:
    slab = schedule.slabs[access.slab]
    return slab.external and slab.offset < 0 and access.role != "effect"


def _is_outbound(schedule: Schedule, access: Access) -> bool:
    return schedule.slabs[access.slab].offset < 0 and access.role == "effect"


def _check_crossings(schedule: Schedule) -> None:
    """Objects cross at the end of a command alone, so within a tag they must stay where they are written."""
    writers = {
        access.slab: reaction
        for reaction in schedule.reactions
        for access in reaction.effects
        if schedule.slabs[access.slab].offset < 0
    }
    for reaction in schedule.reactions:
        for access in reaction.accesses:
            writer = writers.get(access.slab)
            if access.role != "effect" and writer is not None and not _together(writer, reaction, access):
                raise TopologyError(
                    f"{schedule.slabs[access.slab].name} carries Python objects from {writer} to {reaction}, which may "
                    "run in another process; give the port a numeric dtype, or run on threads"
                )


def _together(writer: ScheduledReaction, reader: ScheduledReaction, access: Access) -> bool:
    return writer.bank == reader.bank and (writer.bank is None or access.rows == "own")
