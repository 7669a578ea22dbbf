"""What can be said about reactors, ports, reactions and time, and what is refused at once."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reactvec import (
    Execution,
    InputPort,
    OutputPort,
    Reactor,
    Timing,
    Topology,
    TopologyError,
    compile,
    present,
    reaction,
)
from tests.reference import fires

durations = st.fractions(0, 12, max_denominator=7)
periods = st.fractions(Fraction(1, 7), 12, max_denominator=7)


class Relay(Reactor):
    x = InputPort((2,), np.float32)
    y = OutputPort((2,), np.float32)

    @reaction(triggers=[x], effects=[y])
    def copy(self, x, y):
        y[...] = x


@given(periods, durations, st.integers(-1, 60))
def test_timing_counts_the_moments_since_the_tag_before(period: Fraction, offset: Fraction, tag: int) -> None:
    timing = Timing(period, offset)
    assert timing.count(tag) == fires(timing, tag)
    assert timing.due(tag) == sum(fires(timing, earlier) for earlier in range(tag + 1))


def test_timing_of_the_docstring() -> None:
    timing = Timing(Fraction(5, 2))
    assert [tag for tag in range(12) if timing.count(tag)] == [0, 3, 5, 8, 10]
    assert [Timing(Fraction(1, 3)).count(tag) for tag in range(3)] == [1, 3, 3]


@given(periods, durations)
def test_the_engine_fires_when_timing_says(period: Fraction, offset: Fraction) -> None:
    fired: list[int] = []

    class Ticker(Reactor):
        @reaction(period=period, offset=offset)
        def tick(self):
            fired.append(execution.tag)

    topology = Topology()
    topology.add("ticker", Ticker())
    with Execution(topology, compile(topology)) as execution:
        for _ in range(30):
            execution.advance()
    assert fired == [tag for tag in range(30) if Timing(period, offset).count(tag)]


def test_a_period_may_name_an_attribute() -> None:
    class Slow(Reactor):
        def __init__(self, every: Fraction) -> None:
            super().__init__()
            self.every, self.runs = every, 0

        @reaction(period="every", offset="every")
        def run(self):
            self.runs += 1

    topology = Topology()
    slow = topology.add("slow", Slow(Fraction(3)))
    with Execution(topology, compile(topology)) as execution:
        execution.advance(10)
    assert slow.runs == 3
    assert slow.timing(slow.reactions[0]) == Timing(Fraction(3), Fraction(3))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"period": 0}, r"reaction: period=0 must be above 0 \(tags\)"),
        ({"period": -1}, r"reaction: period=-1 must be above 0"),
        ({"period": Fraction(-1, 2)}, r"reaction: period=-1/2 must be above 0"),
        ({"offset": -1}, r"reaction: offset=-1 must be 0 or more \(tags\)"),
        ({"period": 1.5}, r"reaction: period=1.5 must be a whole number of tags or a Fraction"),
        ({"period": True}, r"reaction: period=True must be a whole number"),
        ({"offset": None}, r"reaction: offset=None must be a whole number"),
    ],
)
def test_a_reaction_refuses_what_is_no_duration(arguments: dict[str, object], message: str) -> None:
    with pytest.raises(TopologyError, match=message):
        reaction(**arguments)


@pytest.mark.parametrize("every", [0, -2, 2.5, Fraction(0.1), 10**15])
def test_an_attribute_that_is_no_duration_is_named_with_its_reaction(every: object) -> None:
    class Late(Reactor):
        def __init__(self) -> None:
            super().__init__()
            self.every = every

        @reaction(period="every")
        def run(self):
            raise AssertionError("never compiled")

    topology = Topology()
    topology.add("late", Late())
    with pytest.raises(TopologyError, match=r"late\.run: period="):
        compile(topology)


@pytest.mark.parametrize("bank", [0, -3, 2.0, True, "4"])
def test_a_bank_is_a_whole_number_from_one(bank: object) -> None:
    with pytest.raises(TopologyError, match=r"Relay: bank=.* must be a whole number >= 1, or None"):
        Relay(bank=bank)


@pytest.mark.parametrize("delay", [-1, 0.5, True, None])
def test_a_delay_is_a_whole_number_of_tags(delay: object) -> None:
    topology = Topology()
    one, other = topology.add("one", Relay()), topology.add("other", Relay())
    with pytest.raises(TopologyError, match=r"one\.y -> other\.x: delay=.* whole number of tags, 0 or more"):
        topology.connect(one.y, other.x, delay=delay)


def test_an_initial_value_needs_a_delay() -> None:
    topology = Topology()
    one, other = topology.add("one", Relay()), topology.add("other", Relay())
    with pytest.raises(TopologyError, match=r"one\.y -> other\.x: an initial value needs delay >= 1"):
        topology.connect(one.y, other.x, initial=0)


def test_connect_and_external_want_ports_of_the_right_direction() -> None:
    topology = Topology()
    one, other = topology.add("one", Relay()), topology.add("other", Relay())
    with pytest.raises(TopologyError, match=r"connect\(one\.x, other\.y\): connect an output port to an input"):
        topology.connect(one.x, other.y)
    with pytest.raises(TopologyError, match=r"connect\(one\.y, 3\): connect an output port to an input port"):
        topology.connect(one.y, 3)
    for wrong in (one.y, 3):
        with pytest.raises(TopologyError, match=r"external\(.*\): only an input port can be fed by the caller"):
            topology.external(wrong)


def test_names_are_unique_and_a_reactor_is_added_once() -> None:
    topology = Topology()
    relay = topology.add("relay", Relay())
    with pytest.raises(TopologyError, match="two reactors named 'relay': give each a name of its own"):
        topology.add("relay", Relay())
    with pytest.raises(TopologyError, match="again: this reactor is already in a topology, as 'relay'"):
        topology.add("again", relay)


def test_a_reactor_must_call_its_base() -> None:
    class Careless(Relay):
        def __init__(self) -> None:
            self.speed = 1

    with pytest.raises(TopologyError, match=r"x: Careless\.__init__ must call super\(\)\.__init__\(\)"):
        Topology().add("x", Careless())


def test_port_types_may_be_given_late_and_must_exist() -> None:
    late = Relay(x=((3, 3), np.int8))
    assert (late.x.shape, late.x.dtype) == ((3, 3), np.int8)
    assert Relay.x.shape == (2,)
    with pytest.raises(TopologyError, match=r"Relay has no port 'z'; it has \['x', 'y'\]"):
        Relay(z=((), np.int8))


def test_a_port_has_no_negative_size() -> None:
    with pytest.raises(TopologyError, match=r"port shape \(2, -1\): give sizes >= 0"):
        InputPort((2, -1))


def test_reactors_have_ports_and_reactions_of_their_own_class_and_its_bases() -> None:
    class Wider(Relay):
        z = OutputPort((), np.int8)

        @reaction(effects=[z])
        def extra(self, z):
            z[()] = 1

        @reaction(triggers=[Relay.x], effects=[Relay.y])
        def copy(self, x, y):
            y[...] = 2 * x

    one, other = Wider(), Wider()
    assert [entry.name for entry in Wider.reactions] == ["copy", "extra"]
    assert list(one.ports) == ["x", "y", "z"]
    assert one.x is not other.x
    assert (str(Wider.x), repr(Wider.x)) == ("?.x", "<InputPort ?.x: (2,) float32>")
    assert Relay.reactions[0] is not Wider.reactions[0]


def test_presence_of_the_same_port_is_the_same() -> None:
    assert present(Relay.x) == present(Relay.x) != present(Relay.y)


def test_a_delay_is_bounded() -> None:
    class Relay(Reactor):
        x, y = InputPort(), OutputPort()

        @reaction(triggers=[x], effects=[y])
        def copy(self, x: object, y: object) -> None:
            del x, y

    topology = Topology()
    relay = topology.add("relay", Relay())
    with pytest.raises(TopologyError, match="above 65,536; keep a ring"):
        topology.connect(relay.y, relay.x, delay=10**6, initial=0)


def test_a_port_cannot_hide_what_every_reactor_has() -> None:
    for name in ("rows", "bank", "name", "timing"):
        with pytest.raises(TopologyError, match=rf"Odd.{name} hides"):
            type("Odd", (Reactor,), {name: InputPort()})
    with pytest.raises(TopologyError, match="no size"):
        InputPort((), str)
