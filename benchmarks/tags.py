"""What a tag costs: inside `advance(n)`, from Python, with a synchronisation each way, and beside xronos.

The kernels do nothing, so that what is left is the schedule. The raw ping-pong is two pinned threads and two
cache lines, measured in the same turns and on the same two cores.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import machine, native_code
from benchmarks.harness import Case, Report, main, peer, ratio
from benchmarks.xronos_loop import xronos_cases
from reactvec import Execution, InputPort, OutputPort, Reactor, Topology, compile, reaction

ADVANCE, CROSSINGS, SYNCED, PYTHON = 1_000_000, 200_000, 200_000, 100_000
QUICK_SHARE = 10
INSIDE, CROSSING = "a tag inside advance(n), native no-op", "advance(1) from Python, native no-op"
TWO_WORKERS, PING_PONG = "a tag with one sync each way, two workers", "raw ping-pong, one round trip"
TYPED, BOXED = "reactvec, int64 port", "reactvec, port of Python ints"


class NoopLoop(Reactor):
    """A native reaction that triggers itself one tag later."""

    value = InputPort((), np.int64)
    next_value = OutputPort((), np.int64)

    @reaction(triggers=[value], effects=[next_value], native=True)
    def run(self) -> object:
        return native_code.noop_capsule()


class Source(Reactor):
    """Runs on the caller's worker, before the bank."""

    out = OutputPort((), np.int64)

    @reaction(effects=[out], native=True)
    def run(self) -> object:
        return native_code.noop_capsule()


class Rows(Reactor):
    """A bank of two rows, one per worker."""

    value = InputPort((), np.int64)
    out = OutputPort((), np.int64)

    @reaction(triggers=[value], effects=[out], native=True)
    def run(self) -> object:
        return native_code.noop_capsule()


class Sink(Reactor):
    """Runs on the caller's worker, after the bank."""

    values = InputPort((2,), np.int64)

    @reaction(triggers=[values], native=True)
    def run(self) -> object:
        return native_code.noop_capsule()


class Counter(Reactor):
    """The program that xronos runs too: one Python reaction that adds one to what it said a tag ago."""

    count = InputPort((), np.int64)
    next_count = OutputPort((), np.int64)

    @reaction(triggers=[count], effects=[next_count])
    def increment(self, count: Any, next_count: Any) -> None:
        next_count[()] = count[()] + 1


def noop_loop() -> Topology:
    """One native reaction per tag."""
    topology = Topology()
    loop = topology.add("loop", NoopLoop())
    topology.connect(loop.next_value, loop.value, delay=1, initial=0)
    return topology


def diamond() -> Topology:
    """Source -> two rows on two workers -> sink: each tag needs one synchronisation each way."""
    topology = Topology()
    source = topology.add("source", Source())
    rows = topology.add("rows", Rows(bank=2))
    sink = topology.add("sink", Sink())
    topology.connect(source.out, rows.value)
    topology.connect(rows.out, sink.values)
    return topology


def executed(stack: ExitStack, topology: Topology, workers: int = 1) -> Execution:
    """An execution that the stack closes."""
    return stack.enter_context(Execution(topology, compile(topology, workers=workers)))


def advancing(execution: Execution, tags: int) -> Callable[[], int]:
    """All tags with one crossing from Python."""

    def run() -> int:
        execution.advance(tags)
        return tags

    return run


def crossing(execution: Execution, tags: int) -> Callable[[], int]:
    """One crossing from Python per tag."""

    def run() -> int:
        advance = execution.advance
        for _ in range(tags):
            advance(1)
        return tags

    return run


def ping_pong(cores: tuple[int, int], rounds: int) -> Callable[[], int]:
    """The raw ping-pong as a case: threads are started within the time, which many rounds make up for."""

    def run() -> int:
        native_code.pingpong(cores, rounds)
        return rounds

    return run


def threads_of_this_process() -> set[int]:
    """The kernel's ids of all threads; nothing where the system does not tell."""
    tasks = Path("/proc/self/task")
    return {int(task.name) for task in tasks.iterdir()} if tasks.exists() else set()


def pin(threads: set[int], cores: Iterable[int]) -> None:
    """Keep threads of this process on these cores; 0 is the calling thread."""
    if hasattr(os, "sched_setaffinity"):
        for thread in threads:
            os.sched_setaffinity(thread, cores)


def two_workers_case(cores: tuple[int, int], tags: int) -> Case:
    """The diamond, anew for each repetition (and so at other addresses), a thread pinned to each core."""
    open_now, executions, usable = ExitStack(), list[Execution](), machine.usable_cores()

    def prepare() -> None:
        before = threads_of_this_process()
        executions[:] = [executed(open_now, diamond(), workers=2)]
        pin(threads_of_this_process() - before, {cores[1]})
        pin({0}, {cores[0]})

    def run() -> int:
        executions[0].advance(tags)
        return tags

    def close() -> None:
        open_now.close()
        pin({0}, usable)

    return Case(TWO_WORKERS, run, prepare, close)


def counter_case(stack: ExitStack, name: str, dtype: type, tags: int) -> Case:
    """One Python reaction per tag; checks that it ran once in each."""
    topology = Topology()
    loop = topology.add("counter", Counter(count=((), dtype), next_count=((), dtype)))
    topology.connect(loop.next_count, loop.count, delay=1, initial=0)
    execution = executed(stack, topology)

    def check() -> None:
        ran = execution.read(loop.next_count)[()] if execution.tag else 0
        if ran != execution.tag:
            raise AssertionError(f"{name}: ran {ran} times in {execution.tag} tags")

    return Case(name, advancing(execution, tags), check)


def measure_one_worker(report: Report, share: int) -> None:
    """The cost of a tag without synchronisation."""
    with ExitStack() as stack:
        execution = executed(stack, noop_loop())
        cases = [
            Case(INSIDE, advancing(execution, ADVANCE // share)),
            Case(CROSSING, crossing(execution, CROSSINGS // share)),
        ]
        samples = report.measure(cases)
    report.table("one worker", samples, per_step=True)
    report.bar(INSIDE, samples[INSIDE].nanoseconds.median, at_most=200, unit="ns")
    report.bar(CROSSING, samples[CROSSING].nanoseconds.median, at_most=1000, unit="ns")


def measure_two_workers(report: Report, share: int) -> None:
    """The cost of a synchronisation each way beside the raw round trip."""
    cores, value = machine.two_cores(), None
    if cores:
        cases = [
            two_workers_case(cores, SYNCED // share),
            Case(PING_PONG, ping_pong(cores, SYNCED // share)),
        ]
        samples = report.measure(cases)
        report.table(f"two workers on cores {cores}", samples, baseline=PING_PONG, per_step=True)
        value = ratio(samples[PING_PONG], samples[TWO_WORKERS])
    report.bar("a tag with one sync each way: x raw round trip", value, at_most=2.0)


def measure_python(report: Report, share: int) -> None:
    """One Python reaction per tag beside xronos; both sides carry Python ints, ours an int64 too."""
    tags = PYTHON // share
    xronos = peer("xronos")
    with ExitStack() as stack:
        cases = [counter_case(stack, BOXED, object, tags), counter_case(stack, TYPED, np.int64, tags)]
        peers = xronos_cases(xronos, tags) if xronos else []
        samples = report.measure(cases + peers)
    same = samples[peers[0].name] if peers else None
    report.table("one Python self-loop reaction per tag", samples, peers[0].name if peers else "", per_step=True)
    value = None if same is None else ratio(samples[BOXED], same)
    report.bar("one Python self-loop reaction per tag: x xronos", value, at_least=5.0)


def run(report: Report) -> None:
    """Measure every kind of tag."""
    report.controls()
    share = QUICK_SHARE if report.quick else 1
    measure_one_worker(report, share)
    measure_two_workers(report, share)
    measure_python(report, share)


if __name__ == "__main__":
    main("tags", run)
