"""Snapshot: what is under way between the tags of a program, so that another execution of it may go on from there."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy.typing as npt

from reactvec.arena import Arena
from reactvec.schedule import Schedule, Slab


class Snapshot(NamedTuple):
    """The tag that runs next, and what connections with a delay have not delivered yet."""

    tag: int
    values: dict[str, npt.NDArray[Any]]
    """By port: its slots `[slots, rows, *shape]`. By port and a question mark: which rows are present, bool."""


def take(schedule: Schedule, arena: Arena, tag: int) -> Snapshot:
    """Copies of what is under way before `tag`; Python objects in ports are left out."""
    values = {}
    for index, slab in _delayed(schedule):
        values[slab.name] = arena.values[index].copy()
        flags = arena.flags[index]
        if flags is not None:
            values[f"{slab.name}?"] = flags.copy()
    return Snapshot(tag, values)


def put(schedule: Schedule, arena: Arena, snapshot: Snapshot) -> None:
    """The inverse of `take`, for a snapshot that `fits`."""
    for index, slab in _delayed(schedule):
        arena.values[index][...] = snapshot.values[slab.name]
        flags = arena.flags[index]
        if flags is not None:
            flags[...] = snapshot.values[f"{slab.name}?"]


def fits(schedule: Schedule, arena: Arena, snapshot: Snapshot) -> bool:
    """Whether a snapshot has the ports of this program, by name, shape and dtype."""
    own = take(schedule, arena, snapshot.tag).values
    return own.keys() == snapshot.values.keys() and all(
        (array.shape, array.dtype) == (snapshot.values[name].shape, snapshot.values[name].dtype)
        for name, array in own.items()
    )


def _delayed(schedule: Schedule) -> list[tuple[int, Slab]]:
    """The slabs that a connection with a delay reads."""
    read = {access.slab for reaction in schedule.reactions for access in reaction.accesses if access.delay}
    return [(index, schedule.slabs[index]) for index in sorted(read) if not schedule.slabs[index].dtype.hasobject]
