"""Which commands stand beside logical time, and which values the others start from: nothing else is copied."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from reactvec.schedule import Access, Slab
from reactvec.topology import SHUTDOWN, STARTUP, STEP

if TYPE_CHECKING:
    from reactvec.compiler import Node

Commands = Mapping[str, Sequence[int]]


def find_asides(nodes: Sequence[Node], commands: Commands, external: Collection[int]) -> frozenset[str]:
    """The asides: commands that touch external inputs and slabs which no other command touches, all without delay.

    What they leave there is not of any tag, so they take none. They may share slabs among each other.
    """
    asides, candidates = frozenset[str](), frozenset(commands) - {STARTUP, STEP, SHUTDOWN}
    while asides != candidates:  # each round finds one at least that is none
        asides = candidates
        taken = touched(nodes, commands, commands.keys() - asides).difference(external)
        candidates = frozenset(
            name
            for name in asides
            if not any(access.delay or access.slab in taken for access in _accesses(nodes, commands[name]))
        )
    return asides


def touched(nodes: Sequence[Node], commands: Commands, names: Iterable[str]) -> set[int]:
    """The slabs that these commands read or write."""
    return {access.slab for name in names for access in _accesses(nodes, commands[name])}


def find_carried(
    nodes: Sequence[Node], commands: Commands, slabs: Sequence[Slab], asides: Collection[str]
) -> dict[str, tuple[int, ...]]:
    """The slabs that each command starts from the values of the tag before: those that it may leave unwritten."""
    carried = {}
    for name, members in commands.items():
        written = {
            access.slab
            for index in members
            if nodes[index].entry.whole
            for access in nodes[index].accesses
            if access.role == "effect"
        }
        starts_empty = name in (STARTUP, STEP) or name in asides
        carried[name] = tuple(
            index for index, slab in enumerate(slabs) if slab.slots > 1 and index not in written and not starts_empty
        )
    return carried


def _accesses(nodes: Sequence[Node], members: Iterable[int]) -> Iterator[Access]:
    for index in members:
        yield from nodes[index].accesses
