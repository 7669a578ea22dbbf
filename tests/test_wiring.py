"""Mistakes of a topology are found when it is compiled, by name and with the remedy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from reactvec import InputPort, OutputPort, Reactor, Topology, TopologyError, compile, present, reaction


class Source(Reactor):
    y = OutputPort((2,), np.float32)

    @reaction(effects=[y])
    def write(self, *arguments):
        arguments[-1][...] = 1


class Sink(Reactor):
    x = InputPort((2,), np.float32)

    @reaction(triggers=[x])
    def read(self, *arguments):
        del arguments


def pair(source: Source | None = None, sink: Sink | None = None) -> tuple[Topology, Source, Sink]:
    topology = Topology()
    return topology, topology.add("source", source or Source()), topology.add("sink", sink or Sink())


def refused(topology: Topology, message: str) -> None:
    with pytest.raises(TopologyError, match=message):
        compile(topology)


@pytest.mark.parametrize(
    ("many", "shape", "few", "target", "message"),
    [
        (None, (2,), None, (3,), r"shape \(2,\) does not fit \(3,\); declare the target \(2,\)"),
        (4, (2,), None, (2,), r"shape \(2,\) cannot gather a bank of 4; declare \(4, 2\)"),
        (4, (2,), None, (4,), r"shape \(4,\) cannot gather a bank of 4; declare \(4, 2\)"),
        (4, (2,), 3, (2,), r"a bank of 4 cannot feed a bank of 3; give both the same bank"),
        (4, (2,), 4, (3,), r"shape \(2,\) does not fit \(3,\); declare the target \(2,\)"),
        (
            None,
            (2,),
            4,
            (3,),
            r".*; declare the target \(2,\) \(each row gets it all\), or give the source \(4, 3\)",
        ),
        (1, (2,), None, (2,), r"shape \(2,\) cannot gather a bank of 1; declare \(1, 2\)"),
    ],
)
def test_shapes_that_do_not_fit(
    many: int | None, shape: tuple[int, ...], few: int | None, target: tuple[int, ...], message: str
) -> None:
    topology, source, sink = pair(Source(bank=many, y=(shape, np.float32)), Sink(bank=few, x=(target, np.float32)))
    topology.connect(source.y, sink.x)
    refused(topology, r"source\.y -> sink\.x: " + message)


@pytest.mark.parametrize("dtype", [np.float64, np.int32, object, [("a", np.float32)]])
def test_dtypes_that_differ(dtype: Any) -> None:
    topology, source, sink = pair(sink=Sink(x=((2,), dtype)))
    topology.connect(source.y, sink.x)
    refused(topology, r"source\.y -> sink\.x: dtype float32 does not fit .*; declare the same dtype")


def test_an_input_that_nothing_feeds() -> None:
    topology, *_ = pair()
    refused(topology, r"sink\.x is not connected: connect an output to it, or declare it external")


def test_two_connections_to_one_input() -> None:
    topology, source, sink = pair()
    other = topology.add("other", Source())
    topology.connect(source.y, sink.x)
    topology.connect(other.y, sink.x)
    refused(topology, r"two writers of sink\.x: it already receives source\.y, and now other\.y; give each")


def test_a_connection_to_what_the_caller_feeds() -> None:
    topology, source, sink = pair()
    topology.connect(source.y, sink.x)
    topology.external(sink.x)
    refused(topology, r"two writers of sink\.x: it is fed by the caller, and now source\.y; give each")


def test_two_reactions_that_write_one_output() -> None:
    class Torn(Source):
        @reaction(effects=[Source.y])
        def again(self, y):
            y[...] = 2

    topology = Topology()
    topology.add("torn", Torn())
    refused(topology, r"two writers of torn\.y: torn\.write and torn\.again; write it in one reaction")


def test_two_commands_may_write_one_output() -> None:
    class Reset(Source):
        @reaction(on="reset", effects=[Source.y])
        def again(self, y):
            y[...] = 2

    topology = Topology()
    topology.add("reset", Reset())
    assert set(compile(topology).programs) == {"startup", "step", "shutdown", "reset"}


def test_external_twice() -> None:
    topology, _, sink = pair()
    topology.external(sink.x)
    topology.external(sink.x)
    refused(topology, r"external\(sink\.x\): declared twice; declare it once")


@pytest.mark.parametrize("foreign", [Source.y, Source().y])
def test_ports_of_reactors_that_were_not_added(foreign: OutputPort) -> None:
    topology, _, sink = pair()
    topology.connect(foreign, sink.x)
    refused(topology, r"port 'y' is of (a reactor class|Source, which is not in the topology): connect ports of")


def test_a_port_of_a_namesake_in_another_topology() -> None:
    topology, _, sink = pair()
    _, stranger, _ = pair()
    topology.connect(stranger.y, sink.x)
    refused(topology, r"port 'y' is of Source, which is not in the topology")


def test_external_ports_of_reactors_that_were_not_added() -> None:
    topology = Topology()
    topology.external(Sink().x)
    refused(topology, r"port 'x' is of Sink, which is not in the topology")


@pytest.mark.parametrize("initial", [[1, 2, 3], "north", {"a": 1}, np.zeros((2, 2))])
def test_initial_values_that_do_not_fit(initial: Any) -> None:
    topology, source, sink = pair()
    topology.connect(source.y, sink.x, delay=1, initial=initial)
    refused(topology, r"source\.y -> sink\.x: initial value does not fit \(2,\) float32")


def test_initial_values_that_contradict_each_other() -> None:
    topology, source, sink = pair()
    topology.connect(source.y, sink.x, delay=1, initial=[1, 2])
    topology.connect(source.y, topology.add("other", Sink()).x, delay=2, initial=[1, 3])
    refused(topology, r"source\.y -> other\.x: another connection of source\.y declares another initial value; ")


def test_equal_initial_values_agree() -> None:
    topology, source, sink = pair()
    topology.connect(source.y, sink.x, delay=1, initial=[1, 2])
    topology.connect(source.y, topology.add("other", Sink()).x, delay=2, initial=np.array([1.0, 2.0]))
    assert compile(topology).initial == {0: [1, 2]}


def test_an_initial_value_for_one_reader_alone() -> None:
    topology, source, sink = pair()
    topology.connect(source.y, sink.x, delay=1, initial=0)
    topology.connect(source.y, topology.add("other", Sink()).x, delay=1)
    refused(topology, r"source\.y -> other\.x: another connection of source\.y declares an initial value; declare")


def test_an_output_that_no_reaction_writes() -> None:
    class Idle(Source):
        write = None

    topology, source, sink = pair(Idle())
    topology.connect(source.y, sink.x)
    refused(topology, r"source\.y is connected to sink\.x, but no reaction writes it; name it among the effects")


def test_a_step_that_reads_what_only_startup_writes() -> None:
    class Once(Source):
        @reaction(on="startup", effects=[Source.y])
        def write(self, y):
            y[...] = 1

    topology, source, sink = pair(Once())
    topology.connect(source.y, sink.x, delay=1)
    refused(topology, r"sink\.read reads source\.y at every step, but no step reaction writes it; write it in one")


def bad_reactor(**uses: Any) -> Topology:
    class Bad(Reactor):
        x = Sink.x
        y = Source.y

        @reaction(**uses)
        def act(self, *arguments):
            del arguments

    topology = Topology()
    bad = topology.add("bad", Bad(x=((), np.int8), y=((), np.int8)))
    topology.external(bad.x)
    return topology


def test_reactions_that_use_ports_the_wrong_way() -> None:
    refused(bad_reactor(sources=[Source.y]), r"bad\.act reads bad\.y, an output; name it among its effects")
    refused(bad_reactor(triggers=[present(Source.y)]), r"bad\.act reads bad\.y, an output")
    refused(bad_reactor(effects=[Sink.x]), r"bad\.act writes bad\.x, an input; name it among its sources")
    foreign = OutputPort((), np.int8)
    foreign.name = "foreign"
    refused(bad_reactor(effects=[foreign]), r"bad\.act names 'foreign', which is no port of bad")
