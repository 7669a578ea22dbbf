"""Topology -> precedence graph -> levels -> partition -> Schedule: pure functions; every error is raised here.

wire        check ports and connections, find the slab of each port            wiring.py
levels      order the reactions of one tag (acyclic precedence graph, Kahn)    here
asides      find the commands that take no tag, and what the others carry over asides.py
presence    find the ports that can be absent, and the reactions they guard    presence.py
place       give each slab its slots and its place in the arena                here
partition   spread banks over workers, put in sync points                      partition.py
"""

from __future__ import annotations

import gc
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import pairwise

from reactvec.asides import find_asides, find_carried, touched
from reactvec.partition import partition, ranges
from reactvec.presence import find_absent
from reactvec.schedule import ALIGNMENT, Access, Schedule, ScheduledReaction, Slab
from reactvec.topology import (
    SHUTDOWN,
    STARTUP,
    STEP,
    CausalityLoop,
    InputPort,
    Port,
    Presence,
    Reaction,
    Reactor,
    Topology,
    TopologyError,
)
from reactvec.wiring import Wiring, wire


@dataclass(slots=True)
class Node:
    """A reaction on its way into the schedule."""

    reactor: Reactor
    entry: Reaction
    accesses: tuple[Access, ...]
    before: list[int] = field(default_factory=list)  # nodes that must have run before, in the same tag
    level: int = 0

    def __str__(self) -> str:
        return f"{self.reactor.name}.{self.entry.name}"


def compile(topology: Topology, workers: int = 1, isolated: bool = False) -> Schedule:
    """Compile a topology for a number of workers (the calling thread is worker 0, which `isolated` keeps out of banks).

    Raises:
        TopologyError: mistakes of the topology, naming reactor, port and remedy; `CausalityLoop` names its path.
    """
    if not isinstance(workers, int) or isinstance(workers, bool) or workers < 1:
        raise TopologyError(f"workers={workers!r} must be a whole number >= 1 (the caller is one of them)")
    if isolated and workers < 2:
        raise TopologyError("isolated=True leaves the rows of banks to the other workers; give workers >= 2")
    collecting = gc.isenabled()
    gc.disable()  # all that is made here stays; looking through it again and again would be quadratic
    try:
        return _compile(topology, workers, isolated)
    finally:
        if collecting:
            gc.enable()


def _compile(topology: Topology, workers: int, isolated: bool) -> Schedule:
    wiring = wire(topology)
    nodes = _nodes(wiring)
    commands: dict[str, list[int]] = {STARTUP: [], STEP: [], SHUTDOWN: []}
    for index, node in enumerate(nodes):
        commands.setdefault(node.entry.on, []).append(index)
    for members in commands.values():
        _precede(wiring, nodes, members)
        _set_levels(nodes, members)
        members.sort(key=lambda index: nodes[index].level)
    absent, guards = find_absent(wiring, nodes, commands)
    external = {index for port, index in wiring.owners.items() if isinstance(port, InputPort)}
    asides = find_asides(nodes, commands, external)
    timeless = external | touched(nodes, commands, asides)
    slabs, arena_bytes = _place(wiring, absent, timeless, partial(_lead, workers=workers, isolated=isolated))
    reactions = tuple(_scheduled(node, guards.get(index, ())) for index, node in enumerate(nodes))
    return Schedule(
        workers=workers,
        reactions=reactions,
        slabs=slabs,
        initial={wiring.owners[port]: value for port, value in wiring.initial.items()},
        programs={
            name: partition(name, reactions, slabs, members, workers, isolated) for name, members in commands.items()
        },
        arena_bytes=arena_bytes,
        asides=asides,
        carried=find_carried(nodes, commands, slabs, asides),
    )


def _nodes(wiring: Wiring) -> list[Node]:
    return [
        Node(reactor, entry, tuple(_accesses(wiring, reactor, entry)))
        for reactor in wiring.topology.reactors.values()
        for entry in reactor.reactions
    ]


def _accesses(wiring: Wiring, reactor: Reactor, entry: Reaction) -> list[Access]:
    accesses = []
    for role, uses in (("trigger", entry.triggers), ("source", entry.sources), ("effect", entry.effects)):
        for use in uses:
            flags = isinstance(use, Presence)
            source = wiring.sources[reactor.ports[(use.port if isinstance(use, Presence) else use).name]]
            accesses.append(
                Access(wiring.owners[source.port], source.delay, role, source.rows, source.row_shape, flags)
            )
    return accesses


def _precede(wiring: Wiring, nodes: list[Node], members: Sequence[int]) -> None:
    """Fill in who must run before whom: writers before readers, and reactions of a reactor as declared."""
    writer: dict[int, int] = {}
    last: dict[str, int] = {}
    for index in members:
        node = nodes[index]
        if node.reactor.name in last:
            node.before.append(last[node.reactor.name])
        last[node.reactor.name] = index
        for access in node.accesses:
            if access.role == "effect":
                writer[access.slab] = index
    for index in members:
        node = nodes[index]
        for access in node.accesses:
            if access.role != "effect" and access.delay == 0 and access.slab in writer:
                node.before.append(writer[access.slab])


def _set_levels(nodes: list[Node], members: Sequence[int]) -> None:
    """Kahn's algorithm in insertion order; what remains lies on, or behind, a causality loop."""
    missing = {index: len(nodes[index].before) for index in members}
    after: dict[int, list[int]] = {index: [] for index in members}
    for index in members:
        for before in nodes[index].before:
            after[before].append(index)
    ready = [index for index in members if not missing[index]]
    done = 0
    for index in ready:  # grows while it is walked
        done += 1
        for follower in after[index]:
            nodes[follower].level = max(nodes[follower].level, nodes[index].level + 1)
            missing[follower] -= 1
            if not missing[follower]:
                ready.append(follower)
    if done < len(members):
        raise CausalityLoop(_describe_loop(nodes, {index for index in members if missing[index]}))


def _describe_loop(nodes: list[Node], stuck: set[int]) -> str:
    """Walk backwards inside the stuck part until a reaction repeats; say the loop forwards, port by port."""
    path = [next(iter(sorted(stuck)))]
    while path.count(path[-1]) < 2:
        path.append(next(before for before in nodes[path[-1]].before if before in stuck))
    loop = path[path.index(path[-1]) :][::-1]
    steps = [_link(nodes[one], nodes[other]) for one, other in pairwise(loop)]
    return f"cycle: {', '.join(steps)}; break it with delay=1 on one of these connections"


def _link(one: Node, other: Node) -> str:
    """How `one` precedes `other`: by the ports of a connection, or by their order in one reactor."""
    written = {
        access.slab: use for access, use in zip(one.accesses, one.entry.uses, strict=True) if access.role == "effect"
    }
    for access, use in zip(other.accesses, other.entry.uses, strict=True):
        if access.role != "effect" and access.delay == 0 and access.slab in written:
            return f"{_port(one, written[access.slab])} -> {_port(other, use)} ({one} before {other})"
    return f"{one} before {other} (declared in this order)"


def _port(node: Node, use: Port | Presence) -> str:
    return f"{node.reactor.name}.{(use.port if isinstance(use, Presence) else use).name}"


def _place(
    wiring: Wiring, absent: set[int], timeless: set[int], lead_of: Callable[[int | None, int], int]
) -> tuple[tuple[Slab, ...], int]:
    """Slots, strides and offsets. What is `timeless` has one slot; an output has one more than its longest delay, and
    at least two: the tag that runs never overwrites the one that was committed last."""
    slabs, end = [], 0
    for port, index in wiring.owners.items():
        assert port.reactor is not None
        external = isinstance(port, InputPort)
        rows = port.reactor.rows
        slots = 1 if index in timeless else 1 << max(1, wiring.depth[port].bit_length())
        stride = offset = 0
        if port.dtype.hasobject:
            offset = -1
        else:
            size = port.dtype.itemsize * math.prod(port.shape)
            lead, stride = lead_of(port.reactor.bank, size), _aligned(rows * size)
            offset, end = end + lead, _aligned(end + lead + slots * stride)
        flags = -1
        if index in absent:
            flags, end = end, end + _aligned(slots * rows)
        known = external or port in wiring.initial
        slabs.append(Slab(str(port), rows, port.shape, port.dtype, slots, offset, stride, flags, external, known))
    return tuple(slabs), end


def _lead(bank: int | None, size: int, workers: int, isolated: bool) -> int:
    """How far into a cache line a slab with rows of `size` bytes begins, so that the rows of a second worker begin
    a line: two workers, at least, do not write to one then."""
    begun = [lo for lo, hi in ranges(bank, workers, isolated) if 0 < lo < hi] if bank else []
    return -begun[0] * size % ALIGNMENT if begun else 0


def _aligned(size: int) -> int:
    return -(-size // ALIGNMENT) * ALIGNMENT


def _scheduled(node: Node, guards: tuple[tuple[int, int], ...]) -> ScheduledReaction:
    reactor, entry = node.reactor, node.entry
    return ScheduledReaction(
        reactor=reactor.name,
        name=entry.name,
        kernel=f"{type(reactor).__module__}:{type(reactor).__qualname__}.{entry.name}",
        native=entry.native,
        on=entry.on,
        bank=reactor.bank,
        level=node.level,
        timing=reactor.timing(entry),
        accesses=node.accesses,
        guards=guards,
    )
