"""What a topology means, in the plainest way: one row at a time, one tag at a time, all of the past kept.

Written from the docstrings of `reactvec.topology` alone; it shares no code with the compiler or the engine.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from reactvec.topology import (
    NOTHING,
    InputPort,
    OutputPort,
    Port,
    Presence,
    Reaction,
    Reactor,
    Timing,
    Topology,
)

Value = tuple["npt.NDArray[Any]", "npt.NDArray[np.bool_]"]  # of a port at a tag: [rows, *shape], present [rows]


ALWAYS = -(1 << 62)  # when what an aside wrote is there


class ReadsAbsentError(Exception):
    """A reaction reads an input that is absent and does not ask whether it is present."""

    def __init__(self, port: Port) -> None:
        super().__init__(str(port))
        self.port = port


def fires(timing: Timing, tag: int) -> int:
    """How many of offset, offset + period, offset + 2 * period, ... lie in (tag - 1, tag]."""
    count, moment = 0, timing.offset
    while moment <= tag:
        count += moment > tag - 1
        moment += timing.period
    return count


class Reference:
    """Runs a topology of Python reactions."""

    def __init__(self, topology: Topology) -> None:
        self.topology = topology
        self.connection = {connection.target: connection for connection in topology.connections}
        self.past: dict[tuple[Port, int], Value] = {}
        self.external = {port: np.zeros((port.reactor.rows, *port.shape), port.dtype) for port in topology.externals}
        self.asides = self._find_asides()
        self.timeless = {port for name in self.asides for port, _ in self._touched(name)}
        self.tag = -1
        self._run("startup")

    def advance(self, tags: int) -> None:
        for _ in range(tags):
            for port in self._outputs() - self.timeless:
                self.past[port, self.tag] = self._blank(port)
            self._run("step")

    def command(self, name: str) -> None:
        if name not in self.asides:
            for port in self._outputs() - self.timeless:
                values, present = self.at(port, self.tag - 1)
                self.past[port, self.tag] = values.copy(), present.copy()
        self._run(name)

    def _find_asides(self) -> set[str]:
        """Commands that read external inputs, or undelayed what asides wrote, and write what only asides touch."""
        commands = {entry.on for reactor in self.topology.reactors.values() for entry in reactor.reactions}
        asides = commands - {"startup", "step", "shutdown"}
        while True:
            taken = {port for name in commands - asides for port, _ in self._touched(name)}
            spoilt = {name for name in asides if any(d or port in taken for port, d in self._touched(name))}
            if not spoilt:
                return asides
            asides -= spoilt

    def _touched(self, name: str) -> set[tuple[OutputPort, int]]:
        """The outputs that a command writes or reads, with the delays."""
        found = set()
        for reactor in self.topology.reactors.values():
            for entry in reactor.reactions:
                for use in entry.uses if entry.on == name else ():
                    port = reactor.ports[name_of(use)]
                    if isinstance(port, OutputPort):
                        found.add((port, 0))
                    elif port not in self.external:
                        found.add((self.connection[port].source, self.connection[port].delay))
        return found

    def at(self, port: OutputPort, tag: int) -> Value:
        """What an output held at a tag, also before the first."""
        tag = ALWAYS if port in self.timeless else tag
        if (port, tag) in self.past:
            return self.past[port, tag]
        values, present = self._blank(port)
        for connection in self.topology.connections:
            if connection.source is port and connection.initial is not NOTHING:
                values[...] = connection.initial
                present[...] = True
        return values, present

    def _outputs(self) -> set[OutputPort]:
        reactors = self.topology.reactors.values()
        return {port for reactor in reactors for port in reactor.ports.values() if isinstance(port, OutputPort)}

    def _blank(self, port: Port) -> Value:
        rows = port.reactor.rows
        return np.zeros((rows, *port.shape), port.dtype), np.zeros(rows, np.bool_)

    def _run(self, command: str) -> None:
        waiting = [
            (reactor, entry)
            for reactor in self.topology.reactors.values()
            for entry in reactor.reactions
            if entry.on == command
        ]
        while waiting:
            reactor, entry = next(pair for pair in waiting if not self._must_wait(*pair, waiting))
            waiting.remove((reactor, entry))
            if command != "step" or fires(reactor.timing(entry), self.tag):
                for row in range(reactor.rows):
                    self._run_row(reactor, entry, row, command)
        self.tag += command not in self.asides

    def _must_wait(self, reactor: Reactor, entry: Reaction, waiting: list[tuple[Reactor, Reaction]]) -> bool:
        order = reactor.reactions
        for other, another in waiting:
            if other is reactor and order.index(another) < order.index(entry):
                return True
            written = {other.ports[name_of(use)] for use in another.effects}
            for use in entry.triggers + entry.sources:
                connection = self.connection.get(reactor.ports[name_of(use)])
                if connection is not None and connection.delay == 0 and connection.source in written:
                    return True
        return False

    def _run_row(self, reactor: Reactor, entry: Reaction, row: int, command: str) -> None:
        seen = {use: self._see(reactor, reactor.ports[name_of(use)], row) for use in entry.triggers + entry.sources}
        if command == "step" and entry.triggers and not any(seen[use][1].any() for use in entry.triggers):
            return
        arguments: list[Any] = [] if reactor.bank is None else [range(row, row + 1)]
        asked = {use.port.name for use in entry.triggers + entry.sources if isinstance(use, Presence)}
        for use, (values, present) in seen.items():
            if isinstance(use, Port) and not present.all() and use.name not in asked:
                raise ReadsAbsentError(reactor.ports[use.name])
            arguments.append(present if isinstance(use, Presence) else values)
        own = slice(row, row + 1) if reactor.bank is not None else 0
        for use in entry.effects:
            port = reactor.ports[name_of(use)]
            moment = ALWAYS if port in self.timeless else self.tag
            values, present = self.past.setdefault((port, moment), self._blank(port))
            if isinstance(use, Port):
                present[row] = True
            arguments.append(present[own, ...] if isinstance(use, Presence) else values[own, ...])
        getattr(reactor, entry.name)(*arguments)

    def _see(self, reactor: Reactor, port: InputPort, row: int) -> Value:
        """What a row gets of an input, and its presence, both as the body of a reaction gets them."""
        many = reactor.bank is not None
        if port in self.external:
            values, present = self.external[port], np.ones(reactor.rows, np.bool_)
            return (values[row : row + 1], present[row : row + 1]) if many else (values[0, ...], present[0, ...])
        connection = self.connection[port]
        values, present = self.at(connection.source, self.tag - connection.delay)
        source_many = connection.source.reactor.bank is not None
        if many and source_many:  # row by row
            return values[row : row + 1], present[row : row + 1]
        if source_many:  # gathered
            return values, present
        if many and connection.source.shape != port.shape:  # scattered
            return values[0][row : row + 1], present[0, ...]
        return values[0, ...], present[0, ...]  # one to one, or broadcast


def name_of(use: Port | Presence) -> str:
    return (use.port if isinstance(use, Presence) else use).name
