"""Random programs commit the same values for any number of workers, and those that the reference gives."""

from __future__ import annotations

from random import Random
from typing import Any

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reactvec import Execution, OutputPort, Topology, compile
from reactvec.processes import ProcessOptions
from tests.random_topologies import Program, build, draw_program
from tests.reference import ReadsAbsentError, Reference

Action = tuple[str, Any]


def draw_actions(random: Random, program: Program) -> list[Action]:
    """A few advances, and in between commands and new values for external ports."""
    commands = sorted({body.on for node in program.nodes for body in node.bodies} & {"reset", "ask"})
    actions: list[Action] = [("feed", 1)] + [("command", name) for name in commands if name == "ask"]
    if "reset" in commands and random.random() < 0.5:
        actions.append(("command", "reset"))
    actions += [("advance", 1), ("look", 0)]
    for _ in range(random.randint(2, 5)):
        actions += [
            ("advance", random.choice([0, 1, 1, 2, 3, 7, 20])),
            ("look", 0),
            ("feed", random.getrandbits(30)),
        ]
        for name in commands:
            if random.random() < 0.5:
                actions += [("command", name), ("look", 0)]
    return actions


def outputs(topology: Topology) -> list[OutputPort]:
    ports = [port for reactor in topology.reactors.values() for port in reactor.ports.values()]
    return [port for port in ports if isinstance(port, OutputPort)]


def committed(values: Any, flags: Any) -> tuple[list[bool], list[Any]]:
    rows = np.atleast_1d(flags).tolist()
    table = values if np.ndim(flags) else values[None]
    return rows, [row.tolist() for row, flag in zip(table, rows, strict=True) if flag]


def run_reference(program: Program, actions: list[Action]) -> list[Any]:
    """What is committed when looked at, and states at the end; inputs that can be absent become checked."""
    while True:
        topology = build(program, native=False)
        try:
            reference, seen = Reference(topology), []
            for what, number in actions:
                if what == "advance":
                    reference.advance(number)
                elif what == "command":
                    reference.command(number)
                elif what == "feed":
                    for port in topology.externals:
                        reference.external[port][...] = number
                else:
                    for port in outputs(topology):
                        values, flags = reference.at(port, reference.tag - 1)
                        seen.append((str(port), reference.tag, committed(values, flags)))
            return [*seen, *states(topology)]
        except ReadsAbsentError as error:
            node = program.nodes[int(str(error.port.reactor.name)[1:])]
            node.inputs[int(error.port.name[1:])].checked = True


def states(topology: Topology) -> list[Any]:
    return sorted((name, reactor.state.tolist()) for name, reactor in topology.reactors.items())


def run_engine(
    program: Program,
    actions: list[Action],
    workers: int,
    native: bool,
    isolated: bool = False,
    processes: ProcessOptions | None = None,
) -> list[Any]:
    topology = build(program, native=native)
    seen: list[Any] = []
    with Execution(topology, compile(topology, workers, isolated), processes) as execution:
        for what, number in actions:
            if what == "advance":
                execution.advance(number)
            elif what == "command":
                execution.command(number)
            elif what == "feed":
                for port in topology.externals:
                    execution.input(port)[...] = number
            else:
                for port in outputs(topology):
                    found = committed(execution.read(port), execution.is_present(port))
                    seen.append((str(port), execution.tag, found))
    return seen if processes else [*seen, *states(topology)]  # a process has its own copy of the reactors


@settings(max_examples=120, suppress_health_check=[HealthCheck.too_slow])
@given(st.integers(0, 1 << 32))
def test_any_number_of_workers_commits_what_the_reference_does(seed: int) -> None:
    random = Random(seed)
    program = draw_program(random)
    actions = draw_actions(random, program)
    expected = run_reference(program, actions)
    assert run_engine(program, actions, 1, native=False) == expected
    for workers in (1, 2, 3, 4):
        assert run_engine(program, actions, workers, native=True) == expected
        if workers > 1:
            assert run_engine(program, actions, workers, native=True, isolated=True) == expected


@settings(max_examples=25, suppress_health_check=[HealthCheck.too_slow])
@given(st.integers(0, 1 << 32), st.integers(2, 4), st.booleans(), st.booleans())
def test_worker_processes_commit_the_same(seed: int, workers: int, native: bool, isolated: bool) -> None:
    random = Random(seed)
    program = draw_program(random)
    actions = draw_actions(random, program)
    expected = [entry for entry in run_reference(program, actions) if len(entry) == 3]
    processes = ProcessOptions("fork")
    assert run_engine(program, actions, workers, native, isolated, processes) == expected
