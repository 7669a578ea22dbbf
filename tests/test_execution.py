"""What an execution gives back: values by tag, startup, commands, shutdown, objects, native reactions."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from reactvec import Execution, InputPort, OutputPort, Reactor, Topology, compile, reaction
from tests.native.kernels import kernel


class Clock(Reactor):
    """Writes its tag."""

    y = OutputPort((), np.int64)

    def __init__(self) -> None:
        super().__init__()
        self.tag = -1

    @reaction(effects=[y])
    def write(self, y):
        self.tag += 1
        y[()] = self.tag


class Started(Clock):
    @reaction(on="startup", effects=[Clock.y])
    def start(self, y):
        y[()] = -77


class Log(Reactor):
    x = InputPort((), np.int64)

    def __init__(self, **types: Any) -> None:
        super().__init__(**types)
        self.seen: list[Any] = []

    @reaction(triggers=[x])
    def read(self, x):
        self.seen.append(x[()])


class Counter(Reactor):
    count = InputPort((), np.int64)
    next_count = OutputPort((), np.int64)

    @reaction(triggers=[count], effects=[next_count])
    def increment(self, count, next_count):
        next_count[()] = count + 1


class Native(Counter):
    def __init__(self, bank: int | None = None, fail_at: int = 0, code: int = 0) -> None:
        super().__init__(bank=bank)
        self.keep: list[Any] = []
        self.fail_at, self.code = fail_at, code

    @reaction(triggers=[Counter.count], effects=[Counter.next_count], native=True)
    def increment(self):
        return kernel("count_up", salt=self.code, dawdles=self.fail_at, keep=self.keep)


def loop(counter: Counter) -> Execution:
    topology = Topology()
    topology.add("counter", counter)
    topology.connect(counter.next_count, counter.count, delay=1, initial=0)
    return Execution(topology, compile(topology))


@pytest.mark.parametrize("delay", range(6))
@pytest.mark.parametrize("clock", [Clock, Started])
def test_delays_deliver_what_was_written_that_many_tags_ago(delay: int, clock: type[Clock]) -> None:
    topology = Topology()
    source, log = topology.add("clock", clock()), topology.add("log", Log())
    topology.connect(source.y, log.x, delay=delay)
    with Execution(topology, compile(topology)) as execution:
        execution.advance(9)
    startup = [-77] if clock is Started and delay else []
    assert log.seen == startup + list(range(9 - delay))


@pytest.mark.parametrize("delay", range(1, 6))
def test_initial_values_come_before(delay: int) -> None:
    topology = Topology()
    source, log = topology.add("clock", Clock()), topology.add("log", Log())
    topology.connect(source.y, log.x, delay=delay, initial=-5)
    with Execution(topology, compile(topology)) as execution:
        execution.advance(9)
    assert log.seen == [-5] * delay + list(range(9 - delay))


def test_advance_counts_tags() -> None:
    for counter in (Counter(), Native()):
        with loop(counter) as execution:
            for tags, total in ((0, 0), (1, 1), (16, 17), (17, 34), (5000, 5034), (0, 5034)):
                execution.advance(tags)
                assert execution.tag == total
                assert total == 0 or execution.read(counter.next_count) == total


@pytest.mark.parametrize("tags", [-1, -17])
def test_tags_are_not_negative(tags: int) -> None:
    with loop(Counter()) as execution:
        execution.advance(3)
        with pytest.raises(ValueError, match=f"cannot run {tags} tags; give 0 or more"):
            execution.advance(tags)
        execution.advance()
        assert execution.tag == 4


def test_tags_beyond_32_bits() -> None:
    counter = Native()
    with loop(counter) as execution:
        execution.advance(2)
        execution._engine.tag = (1 << 31) - 6
        execution.advance(100)
        execution._engine.tag = (1 << 40) + 94
        execution.advance(100)
        assert execution.read(counter.next_count) == 202


@pytest.mark.parametrize("dtype", [np.dtype([("a", "f4", (2,)), ("b", "i8")]), np.dtype([("o", object)])])
def test_structured_ports(dtype: np.dtype) -> None:
    class Pack(Reactor):
        y = OutputPort((), dtype)

        @reaction(effects=[y])
        def write(self, y):
            for field in dtype.names:
                y[field] = 7

    topology = Topology()
    pack, log = topology.add("pack", Pack()), topology.add("log", Log(x=((), dtype)))
    topology.connect(pack.y, log.x)
    with Execution(topology, compile(topology)) as execution:
        execution.advance(2)
        assert execution.read(pack.y).dtype == dtype
    assert [np.ravel(log.seen[1][field])[0] for field in dtype.names] == [7] * len(dtype.names)


def test_object_ports_carry_python_values() -> None:
    class Tell(Reactor):
        y = OutputPort((), object)

        @reaction(effects=[y])
        def write(self, y):
            y[()] = {"at": execution.tag}

    topology = Topology()
    tell, log = topology.add("tell", Tell()), topology.add("log", Log(x=((), object)))
    topology.connect(tell.y, log.x, delay=1, initial=[1, 2])
    with Execution(topology, compile(topology)) as execution:
        for _ in range(3):
            execution.advance()
        assert execution.read(tell.y)[()] == {"at": 2}
    assert log.seen == [[1, 2], {"at": 0}, {"at": 1}]


@pytest.mark.parametrize("shape", [(0,), (3, 0)])
def test_ports_without_elements(shape: tuple[int, ...]) -> None:
    class Hollow(Reactor):
        x = InputPort(shape, np.float32)
        y = OutputPort(shape, np.float32)
        shapes: tuple[Any, ...] = ()

        @reaction(triggers=[x], effects=[y])
        def run(self, rows, x, y):
            self.shapes = (x.shape, y.shape)

    topology = Topology()
    hollow = topology.add("hollow", Hollow(bank=2))
    topology.connect(hollow.y, hollow.x, delay=1, initial=0)
    with Execution(topology, compile(topology)) as execution:
        execution.advance(3)
        assert execution.read(hollow.y).shape == (2, *shape)
    assert hollow.shapes == ((2, *shape), (2, *shape))


def test_inputs_are_read_only_and_external_ones_keep_their_value() -> None:
    class Double(Counter):
        @reaction(triggers=[Counter.count], effects=[Counter.next_count])
        def increment(self, count, next_count):
            assert not count.flags.writeable
            next_count[()] = 2 * count

    topology = Topology()
    double = topology.add("double", Double())
    topology.external(double.count)
    with Execution(topology, compile(topology)) as execution:
        for value in (3, 4):
            execution.input(double.count)[...] = value
            for _ in range(2):
                execution.advance()
                assert execution.read(double.next_count) == 2 * value
        assert execution.read(double.count) == 4
        assert execution.is_present(double.count)


def test_a_port_without_a_slab_cannot_be_read() -> None:
    counter = Counter()
    with (
        loop(counter) as execution,
        pytest.raises(ValueError, match=r"counter\.count has no slab of its own: read an output port"),
    ):
        execution.read(counter.count)


class Resettable(Counter):
    other = OutputPort((), np.int64)

    @reaction(effects=[other])
    def write(self, other):
        other[()] = 50 + execution_tags[0]

    @reaction(on="reset", effects=[Counter.next_count])
    def reset(self, next_count):
        next_count[()] = 100


execution_tags = [0]


def test_a_command_is_a_tag_in_which_other_ports_keep_their_values() -> None:
    counter = Resettable()
    with loop(counter) as execution:
        for tag in range(3):
            execution_tags[0] = tag
            execution.advance()
        execution.command("reset")
        assert execution.tag == 4
        assert [int(execution.read(port)) for port in (counter.next_count, counter.other)] == [100, 52]
        execution.advance()
        assert execution.read(counter.next_count) == 101


def test_a_command_that_nobody_declared() -> None:
    with loop(Resettable()) as execution:
        for name in ("rest", "startup", "shutdown"):
            with pytest.raises(ValueError, match=rf"no reaction has on='{name}'; commands: \['step', 'reset'\]"):
                execution.command(name)


class Last(Log):
    @reaction(on="shutdown", sources=[Log.x])
    def end(self, x):
        self.seen.append(("last", int(x)))


def test_shutdown_sees_the_last_values_once() -> None:
    for tags in (4, 5):
        topology = Topology()
        clock, last = topology.add("clock", Clock()), topology.add("last", Last())
        topology.connect(clock.y, last.x)
        execution = Execution(topology, compile(topology))
        execution.advance(tags)
        execution.close()
        execution.close()
        assert last.seen == [*range(tags), ("last", tags - 1)]


def test_what_slots_hold() -> None:
    counter = Counter()
    with loop(counter) as execution:
        execution.advance(5)
        assert [int(slot) for slot in execution.slots(counter.next_count)] == [5, 4]


@pytest.mark.parametrize("workers", [1, 2, 4])
def test_begin_and_finish_are_one_tag(workers: int) -> None:
    topology = Topology()
    counter = topology.add("counter", Native(bank=4))
    topology.connect(counter.next_count, counter.count, delay=1, initial=0)
    with Execution(topology, compile(topology, workers)) as execution:
        with pytest.raises(RuntimeError, match=r"finish\(\) without begin\(\)"):
            execution.finish()
        for _ in range(50):
            execution.begin()
            with pytest.raises(RuntimeError, match="running already"):
                execution.advance()
            execution.finish()
        assert execution.tag == 50
        assert execution.read(counter.next_count).tolist() == [50] * 4
