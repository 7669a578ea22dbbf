"""What an EXEC instruction means in one process: a kernel or a method, and where its ports lie at each slot."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from reactvec._sched import Engine
from reactvec.arena import Arena, Array, Flags
from reactvec.schedule import Access, Op, Schedule, ScheduledReaction
from reactvec.topology import Topology


@dataclass
class Binding:
    """What an EXEC instruction runs in this process, and on what; see `_sched.pyi`."""

    name: str
    kernel: Any
    callable: Callable[..., object] | None
    arguments: list[tuple[Any, ...]]
    row_arguments: list[tuple[Any, ...]]
    addresses: npt.NDArray[np.uintp]
    lengths: npt.NDArray[np.int64]
    ports: int
    guards: int
    level: int
    bank: bool
    memory: Arena


def load(engine: Engine, topology: Topology, schedule: Schedule, arena: Arena, workers: Iterable[int]) -> None:
    """Give an engine the programs of these workers, of every command."""

    def method(index: int) -> Callable[..., Any]:
        reaction = schedule.reactions[index]
        found: Callable[..., Any] = getattr(topology.reactors[reaction.reactor], reaction.name)
        return found

    workers = list(workers)
    for command, (name, program) in enumerate(schedule.programs.items()):
        for worker in workers:
            bindings = [
                bind(arena, schedule.reactions[index], method(index), lo, hi)
                for op, (index, lo, hi, *_) in schedule.instructions(name, worker)
                if op is Op.EXEC
            ]
            engine.load(command, worker, program.code[worker], bindings, program.publishes, name not in schedule.asides)


def bind(arena: Arena, reaction: ScheduledReaction, method: Callable[..., Any], lo: int, hi: int) -> Binding:
    """Make the tables of an EXEC of rows [lo, hi): whatever it will need at any tag is looked up here, once."""
    slots = max((len(arena.values[access.slab]) for access in reaction.accesses), default=1)
    flagged = [access.slab for access in reaction.effects if arena.flags[access.slab] is not None]
    addresses, lengths = [], []
    for tag in range(slots):
        flags = [_own_flags(arena, slab, delay, reaction, slice(lo, hi), tag) for slab, delay in reaction.guards]
        flags += [_own_flags(arena, slab, 0, reaction, slice(lo, hi), tag) for slab in flagged]
        ports = [arena.at(access, tag) for access in reaction.accesses]
        addresses.append([array.ctypes.data for array in (*ports, *flags)])
        lengths = [row.size for row in flags]
    python = range(slots) if not reaction.native else ()
    by_row = range(lo, hi) if reaction.guards and reaction.bank is not None else ()
    return Binding(
        name=str(reaction),
        kernel=method() if reaction.native else None,
        callable=None if reaction.native else method,
        arguments=[_arguments(arena, reaction, lo, hi, tag) for tag in python],
        row_arguments=[_arguments(arena, reaction, row, row + 1, tag) for tag in python for row in by_row],
        addresses=np.array(addresses, np.uintp).reshape(slots, -1),
        lengths=np.array(lengths, np.int64),
        ports=len(reaction.accesses),
        guards=len(reaction.guards),
        level=reaction.level,
        bank=reaction.bank is not None,
        memory=arena,
    )


def _arguments(arena: Arena, reaction: ScheduledReaction, lo: int, hi: int, tag: int) -> tuple[Any, ...]:
    views = [view(arena, access, reaction, slice(lo, hi), tag) for access in reaction.accesses]
    return tuple(views) if reaction.bank is None else (range(lo, hi), *views)


def view(arena: Arena, access: Access, reaction: ScheduledReaction, rows: slice, tag: int) -> Array:
    """What the body of a reaction gets for an access: its own rows, all rows, or the one row there is."""
    base = arena.at(access, tag)
    seen: Array = base[...]
    if access.flags:
        if reaction.bank is not None:
            seen = base[rows] if access.rows == "own" and len(base) == reaction.bank else base[0, ...]
        elif access.row_shape is None:
            seen = base[0, ...]
    elif access.row_shape is None:
        seen = base[0, ...]
    elif access.rows == "own":
        seen = base.reshape(reaction.bank or 1, *access.row_shape)[rows]
    if access.role != "effect":
        seen.flags.writeable = False
    return seen


def _own_flags(arena: Arena, slab: int, delay: int, reaction: ScheduledReaction, rows: slice, tag: int) -> Flags:
    """The presence flags that a range of a reaction depends on, or sets."""
    flags = arena.flags[slab]
    assert flags is not None
    all_rows: Flags = flags[(tag - delay) % len(flags)]
    if reaction.bank is None or len(all_rows) != reaction.bank:
        return all_rows
    own: Flags = all_rows[rows]
    return own
