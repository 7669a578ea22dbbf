"""Which ports can be absent at a tag, and which reactions that guards: found once, so that the rest costs nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from reactvec.topology import STEP, Timing, TopologyError
from reactvec.wiring import Wiring, started

if TYPE_CHECKING:
    from reactvec.compiler import Node

Guards = tuple[tuple[int, int], ...]


def find_absent(
    wiring: Wiring, nodes: Sequence[Node], commands: Mapping[str, Sequence[int]]
) -> tuple[set[int], dict[int, Guards]]:
    """The slabs that need presence flags, and per reaction (index of node) the triggers that guard it.

    A slab can be absent when its writer does not run at every tag, when a reaction handles its flags, or when a
    reader is delayed past what is known before the first tag. A reaction is guarded when all its triggers can be
    absent.
    """
    absent = {wiring.owners[port] for port, delay in wiring.late.items() if delay > started(wiring, port)} | {
        access.slab for node in nodes for access in node.accesses if access.flags
    }
    _check_timings(nodes)
    steps = commands[STEP]
    sporadic = {index for index in steps if nodes[index].reactor.timing(nodes[index].entry) != Timing()}
    known = -1
    while len(absent) > known:  # each round adds a slab; only loops through delays need more than two rounds
        known = len(absent)
        for index in steps:
            triggers = _triggers(nodes[index])
            if index in sporadic or (triggers and all(slab in absent for slab, _ in triggers)):
                absent.update(access.slab for access in nodes[index].accesses if access.role == "effect")
    guards = {index: _triggers(nodes[index]) for index in steps}
    return absent, {
        index: triggers
        for index, triggers in guards.items()
        if triggers and all(slab in absent for slab, _ in triggers)
    }


def _triggers(node: Node) -> Guards:
    return tuple((access.slab, access.delay) for access in node.accesses if access.role == "trigger")


def _check_timings(nodes: Sequence[Node]) -> None:
    for node in nodes:
        if node.entry.on != STEP and node.reactor.timing(node.entry) != Timing():
            raise TopologyError(f"{node}: on={node.entry.on!r} runs once per command; leave out period and offset")
