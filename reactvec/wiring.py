"""Which slab each port of a topology reads or writes. Every mistake of a topology is found here, by name."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

from reactvec.topology import (
    NOTHING,
    STARTUP,
    STEP,
    Connection,
    InputPort,
    OutputPort,
    Port,
    Presence,
    Reaction,
    Reactor,
    Topology,
    TopologyError,
)

OWN: Final = "own"
ALL: Final = "all"


@dataclass(slots=True)
class Source:
    """What a port reads or writes: the slab of `port`, `delay` tags ago, as rows of its own or whole."""

    port: Port
    delay: int
    rows: str
    row_shape: tuple[int, ...] | None


@dataclass
class Wiring:
    """The checked connections of a topology."""

    topology: Topology
    sources: dict[Port, Source] = field(default_factory=dict)
    owners: dict[Port, int] = field(default_factory=dict)  # port with a slab -> index of the slab, insertion order
    depth: dict[Port, int] = field(default_factory=dict)  # ... -> longest delay of its readers
    initial: dict[Port, Any] = field(default_factory=dict)
    late: dict[Port, int] = field(default_factory=dict)  # ... -> longest delay without an initial value
    writers: dict[tuple[Port, str], Reaction] = field(default_factory=dict)


def wire(topology: Topology) -> Wiring:
    """Check a topology and resolve its ports to slabs.

    Raises:
        TopologyError: naming reactor, port and remedy.
    """
    wiring = Wiring(topology)
    external = set(topology.externals)
    for port in _ports(topology):
        if isinstance(port, OutputPort) or port in external:
            wiring.owners[port] = len(wiring.owners)
            wiring.depth[port] = 0
            own = port.reactor is not None and port.reactor.bank is not None
            wiring.sources[port] = Source(port, 0, OWN, port.shape if own else None)
    for connection in topology.connections:
        _connect(wiring, connection)
    _check_externals(topology)
    for reactor in topology.reactors.values():
        for entry in reactor.reactions:
            _check_reaction(wiring, reactor, entry)
    _check_fed(wiring)
    _check_initials(wiring)
    for reactor in topology.reactors.values():
        for entry in reactor.reactions:
            _check_written(wiring, reactor, entry)
    return wiring


def _ports(topology: Topology) -> Iterator[Port]:
    for reactor in topology.reactors.values():
        yield from reactor.ports.values()


def _check_member(topology: Topology, port: Port) -> Reactor:
    reactor = port.reactor
    if reactor is None or topology.reactors.get(reactor.name) is not reactor:
        owner = "a reactor class" if reactor is None else f"{type(reactor).__name__}, which is not in the topology"
        raise TopologyError(f"port {port.name!r} is of {owner}: connect ports of reactors that were added")
    return reactor


def _connect(wiring: Wiring, connection: Connection) -> None:
    source, target, delay = connection.source, connection.target, connection.delay
    for port in (source, target):
        _check_member(wiring.topology, port)
    if target in wiring.sources:
        other = wiring.sources[target].port
        what = "is fed by the caller" if other is target else f"already receives {other}"
        raise TopologyError(f"two writers of {target}: it {what}, and now {source}; give each an input of its own")
    rows, row_shape = _relate(source, target)
    if source.dtype != target.dtype:
        raise TopologyError(
            f"{source} -> {target}: dtype {source.dtype} does not fit {target.dtype}; declare the same dtype"
        )
    wiring.sources[target] = Source(source, delay, rows, row_shape)
    wiring.depth[source] = max(wiring.depth[source], delay)
    if connection.initial is not NOTHING:
        _set_initial(wiring, connection)
    else:
        wiring.late[source] = max(wiring.late.get(source, 0), delay)


def _relate(source: OutputPort, target: InputPort) -> tuple[str, tuple[int, ...] | None]:
    """Which rows of the source's slab the target sees; see `Topology.connect`."""
    assert source.reactor is not None
    assert target.reactor is not None
    many, few = source.reactor.bank, target.reactor.bank
    if many == few and source.shape == target.shape:  # row by row, or one to one
        return OWN, target.shape if few is not None else None
    if many is not None and few is None and target.shape == (many, *source.shape):  # gather
        return ALL, source.shape
    if many is None and few is not None and source.shape == (few, *target.shape):  # scatter
        return OWN, target.shape
    if many is None and few is not None and source.shape == target.shape:  # broadcast
        return ALL, None
    raise TopologyError(f"{source} -> {target}: {_misfit(source, target, many, few)}")


def _misfit(source: Port, target: Port, many: int | None, few: int | None) -> str:
    if many is not None and few is not None and many != few:
        return f"a bank of {many} cannot feed a bank of {few}; give both the same bank"
    if many is not None and few is None:
        return f"shape {target.shape} cannot gather a bank of {many}; declare {(many, *source.shape)}"
    wanted = f"{source.shape}"
    if many is None and few is not None:
        wanted += f" (each row gets it all), or give the source {(few, *target.shape)} (each row gets its own)"
    return f"shape {source.shape} does not fit {target.shape}; declare the target {wanted}"


def _set_initial(wiring: Wiring, connection: Connection) -> None:
    source = connection.source
    assert source.reactor is not None
    try:
        if source.dtype != object:
            np.broadcast_to(np.asarray(connection.initial, source.dtype), (source.reactor.rows, *source.shape))
    except (TypeError, ValueError) as error:
        raise TopologyError(
            f"{source} -> {connection.target}: initial value does not fit {source.shape} {source.dtype}: {error}"
        ) from None
    known = wiring.initial.setdefault(source, connection.initial)
    if known is not connection.initial and not _same(known, connection.initial):
        raise TopologyError(
            f"{source} -> {connection.target}: another connection of {source} declares another initial value; "
            "put a reactor that copies the value between"
        )


def _same(one: Any, other: Any) -> bool:
    try:
        return bool(np.array_equal(one, other))
    except (TypeError, ValueError):
        return False


def _check_externals(topology: Topology) -> None:
    seen: set[InputPort] = set()
    for port in topology.externals:
        _check_member(topology, port)
        if port in seen:
            raise TopologyError(f"external({port}): declared twice; declare it once")
        seen.add(port)


def _check_reaction(wiring: Wiring, reactor: Reactor, entry: Reaction) -> None:
    for use in entry.uses:
        name = (use.port if isinstance(use, Presence) else use).name
        if name not in reactor.ports:
            raise TopologyError(f"{reactor.name}.{entry.name} names {name!r}, which is no port of {reactor.name}")
    for use in entry.triggers + entry.sources:
        port = reactor.ports[(use.port if isinstance(use, Presence) else use).name]
        if isinstance(port, OutputPort):
            raise TopologyError(f"{reactor.name}.{entry.name} reads {port}, an output; name it among its effects")
    for use in entry.effects:
        port = reactor.ports[(use.port if isinstance(use, Presence) else use).name]
        if isinstance(port, InputPort):
            raise TopologyError(f"{reactor.name}.{entry.name} writes {port}, an input; name it among its sources")
        if isinstance(use, Port):
            other = wiring.writers.setdefault((port, entry.on), entry)
            if other is not entry:
                raise TopologyError(
                    f"two writers of {port}: {reactor.name}.{other.name} and {reactor.name}.{entry.name}; "
                    "write it in one reaction, or give each an output of its own"
                )


def _check_fed(wiring: Wiring) -> None:
    written = {port for port, _ in wiring.writers}
    for connection in wiring.topology.connections:
        if connection.source not in written:
            raise TopologyError(
                f"{connection.source} is connected to {connection.target}, but no reaction writes it; "
                "name it among the effects of a reaction"
            )
    for port in _ports(wiring.topology):
        if port not in wiring.sources:
            raise TopologyError(f"{port} is not connected: connect an output to it, or declare it external")


def _check_initials(wiring: Wiring) -> None:
    """A source has one past, which all its delayed readers see: they declare the same initial value, or none."""
    for connection in wiring.topology.connections:
        if connection.delay and connection.initial is NOTHING and connection.source in wiring.initial:
            raise TopologyError(
                f"{connection.source} -> {connection.target}: another connection of {connection.source} declares an "
                "initial value; declare the same one here"
            )


def _check_written(wiring: Wiring, reactor: Reactor, entry: Reaction) -> None:
    """What a step reads must be written at steps: a value of startup or a command is gone a few tags later."""
    for use in entry.triggers + entry.sources if entry.on == STEP else ():
        port = reactor.ports[(use.port if isinstance(use, Presence) else use).name]
        source = wiring.sources[port].port
        if isinstance(source, OutputPort) and (source, STEP) not in wiring.writers:
            raise TopologyError(
                f"{reactor.name}.{entry.name} reads {source} at every step, but no step reaction writes it; "
                "write it in one too, or keep the value in the reactor"
            )


def started(wiring: Wiring, port: Port) -> int:
    """How many tags before the first one have a value from a startup reaction: 1 or 0."""
    return int((port, STARTUP) in wiring.writers)
