"""Seconds to compile a topology of 1,000, 10,000 and 100,000 reactions, and whether they grow linearly.

Three shapes: a chain of plain reactors, a chain of banks spread over two workers, a tree in which every
reactor gathers the outputs of four. Describing the topology is not timed. A quick run leaves out 100,000.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from benchmarks.harness import Case, Report, main
from reactvec import InputPort, OutputPort, Reactor, Topology, compile, reaction

SIZES = (1_000, 10_000, 100_000)
FAN_IN = 4
MOST_SECONDS, MOST_TIMES_LINEAR = 1.0, 1.5
REPEATS_OF_LARGEST = 3


class Link(Reactor):
    """One element of a chain, or of a bank."""

    value = InputPort((), np.float64)
    out = OutputPort((), np.float64)

    @reaction(triggers=[value], effects=[out])
    def step(self, value: object, out: object) -> None:
        """Never run."""


class Leaf(Reactor):
    """A beginning of the tree."""

    out = OutputPort((), np.float64)

    @reaction(effects=[out])
    def step(self, out: object) -> None:
        """Never run."""


class Join(Reactor):
    """A knot of the tree."""

    first = InputPort((), np.float64)
    second = InputPort((), np.float64)
    third = InputPort((), np.float64)
    fourth = InputPort((), np.float64)
    out = OutputPort((), np.float64)

    @reaction(triggers=[first, second, third, fourth], effects=[out])
    def step(self, *ports: object) -> None:
        """Never run."""


def chain(reactions: int, bank: int | None = None) -> Topology:
    """`reactions` links in a row."""
    topology = Topology()
    previous = topology.add("0", Link(bank=bank))
    topology.external(previous.value)
    for index in range(1, reactions):
        link = topology.add(str(index), Link(bank=bank))
        topology.connect(previous.out, link.value)
        previous = link
    return topology


def banks(reactions: int) -> Topology:
    """`reactions` banks of eight in a row."""
    return chain(reactions, bank=8)


def tree(reactions: int) -> Topology:
    """`reactions` reactors, each but the leaves gathering four: number i gathers 4i + 1 to 4i + 4."""
    topology = Topology()
    inner = max(1, (reactions - 1) // FAN_IN)
    reactors: list[Join | Leaf] = [
        topology.add(str(index), Join() if index < inner else Leaf()) for index in range(1 + FAN_IN * inner)
    ]
    for index, join in enumerate(reactors[:inner]):
        assert isinstance(join, Join)
        for place, port in enumerate((join.first, join.second, join.third, join.fourth)):
            topology.connect(reactors[FAN_IN * index + 1 + place].out, port)
    return topology


def compile_case(shape: Callable[[int], Topology], reactions: int) -> Case:
    """One compilation for two workers; the topology is described beforehand and dropped afterwards."""
    topologies: list[Topology] = []

    def run() -> int:
        return len(compile(topologies[0], workers=2).reactions)

    return Case(f"{reactions:,} reactions", run, lambda: topologies.append(shape(reactions)), topologies.clear)


def run_shape(report: Report, name: str, shape: Callable[[int], Topology]) -> None:
    """Measure the sizes of one shape and judge its bars."""
    sizes = SIZES[:-1] if report.quick else SIZES
    cases = [compile_case(shape, reactions) for reactions in sizes]
    samples = report.measure(cases[:2])
    samples |= report.measure(cases[2:], min(report.repeats, REPEATS_OF_LARGEST))
    report.table(f"compile {name}; nanoseconds per reaction", samples, per_step=True)
    per_reaction = [samples[case.name].nanoseconds.median for case in cases]
    seconds = per_reaction[1] * SIZES[1] / 1e9
    report.bar(f"compile {name} of 10,000 reactions", seconds, at_most=MOST_SECONDS, unit="s")
    growth = per_reaction[2] / per_reaction[1] if len(cases) > 2 else None
    report.bar(f"compile {name}: from 10,000 to 100,000", growth, at_most=MOST_TIMES_LINEAR, unit="x linear")


def run(report: Report) -> None:
    """Measure every shape."""
    for name, shape in {"a chain": chain, "banks": banks, "a tree": tree}.items():
        run_shape(report, name, shape)


if __name__ == "__main__":
    main("compile_time", run)
