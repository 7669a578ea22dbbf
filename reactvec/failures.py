"""Which of the failures of a command is the one to raise, and what it says."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeAlias

from reactvec.arena import Arena
from reactvec.binding import view
from reactvec.schedule import Schedule, ScheduledReaction
from reactvec.topology import Topology

# tag, reaction, rows [lo, hi), what a kernel returned, and the exception or None
Failure: TypeAlias = "tuple[int, int, int, int, int, BaseException | None]"


def first_error(failures: Iterable[Failure], topology: Topology, schedule: Schedule, arena: Arena) -> BaseException:
    """The one that comes first in logical time and in the order of the schedule; a note names the reaction."""

    def moment(failure: Failure) -> tuple[int, ...]:
        tag, index, lo, *_ = failure
        return tag, schedule.reactions[index].level, index, lo

    tag, index, lo, hi, code, error = min(failures, key=moment)
    reaction = schedule.reactions[index]
    if error is None:
        error = _fault(reaction, tag, code, topology, arena)
    rows = "" if reaction.bank is None else f" rows {lo} to {hi - 1}"
    note(error, f"in reaction {reaction}{rows} at tag {tag}")
    return error


def note(error: BaseException, text: str) -> None:
    """Add a line to what an exception says."""
    if hasattr(error, "add_note"):  # CPython >= 3.11
        error.add_note(text)


def _fault(reaction: ScheduledReaction, tag: int, code: int, topology: Topology, arena: Arena) -> BaseException:
    """What a reactor says about the code that its kernel returned."""
    reactor = topology.reactors[reaction.reactor]
    entry = next(entry for entry in reactor.reactions if entry.name == reaction.name)
    ports = [view(arena, access, reaction, slice(0, reactor.rows), tag) for access in reaction.accesses]
    return reactor.fault(entry, code, ports)
