"""Exceptions, faults of kernels, Ctrl-C, close, fork: named, never hung, and nothing stays behind."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import threading
import time
import traceback
import weakref
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from reactvec import Execution, InputPort, OutputPort, Reactor, Topology, compile, reaction
from tests.native.kernels import capsule, kernel
from tests.test_execution import Counter, Native, loop

ROOT = Path(__file__).parents[1]


class Fragile(Reactor):
    """A bank whose rows count; `broken` maps (row, count) to what is raised."""

    x = InputPort((), np.int64)
    y = OutputPort((), np.int64)

    def __init__(self, bank: int, broken: dict[tuple[int, int], BaseException]) -> None:
        super().__init__(bank=bank)
        self.broken = broken

    @reaction(triggers=[x], effects=[y])
    def work(self, rows, x, y):
        for place, row in enumerate(rows):
            if (row, int(x[place])) in self.broken:
                raise self.broken[row, int(x[place])]
            y[place] = x[place] + 1


def fragile(workers: int, broken: dict[tuple[int, int], BaseException]) -> tuple[Execution, Fragile]:
    topology = Topology()
    reactor = topology.add("fragile", Fragile(4, broken))
    topology.connect(reactor.y, reactor.x, delay=1, initial=0)
    return Execution(topology, compile(topology, workers)), reactor


def worker_threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("reactvec-")]


@pytest.mark.parametrize("workers", [1, 2, 4])
@pytest.mark.parametrize("row", [0, 3])
def test_an_exception_comes_back_whole_and_its_tag_is_run_anew(workers: int, row: int) -> None:
    broken: dict[tuple[int, int], BaseException] = {(row, 3): KeyError("three")}
    execution, reactor = fragile(workers, broken)
    with execution:
        for _ in range(3):
            execution.advance()
        with pytest.raises(KeyError, match="three") as caught:
            execution.advance()
        assert traceback.extract_tb(caught.value.__traceback__)[-1].name == "work"
        if sys.version_info >= (3, 11):
            note = caught.value.__notes__[0]
            lo, hi = _rows(note)
            assert lo <= row <= hi
            assert note.startswith("in reaction fragile.work rows ")
            assert note.endswith(" at tag 3")
        assert execution.tag == 3
        assert execution.read(reactor.y).tolist() == [3] * 4
        assert not execution.closed
        broken.clear()
        execution.advance(2)
        assert execution.read(reactor.y).tolist() == [5] * 4


def _rows(note: str) -> tuple[int, int]:
    words = note.split()
    return int(words[words.index("rows") + 1]), int(words[words.index("to") + 1])


@pytest.mark.parametrize("tags", [2, 30])
def test_of_several_exceptions_the_first_in_logical_time_is_raised(tags: int) -> None:
    """Whichever comes first on the clock: rows 1 and 3 fail at tag 1, row 0 at tag 2, each on its own worker."""
    for _ in range(40):
        broken = {(0, 2): KeyError(0), (1, 1): KeyError(1), (3, 1): KeyError(3)}
        execution, _ = fragile(4, broken)
        with execution, pytest.raises(KeyError, match="1"):
            execution.advance(tags)


def test_one_worker_fails_at_the_right_tag_of_many() -> None:
    for tags in (10, 1000):
        counter = Native(fail_at=8, code=3)
        with loop(counter) as execution:
            with pytest.raises(RuntimeError, match=r"counter\.increment: kernel failed with code 3"):
                execution.advance(tags)
            assert execution.tag == 7
            assert execution.read(counter.next_count) == 7


def test_a_reactor_names_the_fault_of_its_kernel() -> None:
    class Named(Native):
        def fault(self, entry, code, ports):
            return ArithmeticError(f"{entry.name} {code} {[port.tolist() for port in ports]}")

    with loop(Named(fail_at=2, code=9)) as execution:
        execution.advance()
        with pytest.raises(ArithmeticError, match=r"increment 9 \[1, 2\]"):
            execution.advance()


@pytest.mark.parametrize("returned", [None, 5, capsule(8, b"another.kernel.1")])
def test_a_native_reaction_must_return_a_kernel(returned: Any) -> None:
    class Wrong(Counter):
        @reaction(triggers=[Counter.count], effects=[Counter.next_count], native=True)
        def increment(self):
            return returned

    with pytest.raises(TypeError, match=r"counter\.increment is native, so it must return a capsule named"):
        loop(Wrong())
    gc.collect()


def test_a_keyboard_interrupt_in_a_reaction() -> None:
    execution, reactor = fragile(1, {(1, 2): KeyboardInterrupt()})
    with execution:
        execution.advance(2)
        with pytest.raises(KeyboardInterrupt):
            execution.advance()
        reactor.broken.clear()
        execution.advance()
        assert execution.read(reactor.y).tolist() == [3] * 4


def test_startup_that_fails_leaves_no_thread() -> None:
    class Stillborn(Counter):
        @reaction(on="startup")
        def begin(self):
            raise OSError("no such device")

    topology = Topology()
    counter = topology.add("counter", Stillborn())
    topology.connect(counter.next_count, counter.count, delay=1, initial=0)
    with pytest.raises(OSError, match="no such device"):
        Execution(topology, compile(topology, 3))
    assert worker_threads() == []


def test_when_threads_run_out_none_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    start, started = threading.Thread.start, []

    def few(thread: threading.Thread) -> None:
        if len(started) == 2:
            raise RuntimeError("can't start new thread")
        started.append(thread)
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", few)
    with pytest.raises(RuntimeError, match="can't start new thread"):
        fragile(4, {})
    assert len(started) == 2
    assert worker_threads() == []


@pytest.mark.parametrize("workers", [1, 3])
def test_use_after_close(workers: int) -> None:
    execution, reactor = fragile(workers, {})
    execution.advance(2)
    execution.close()
    for use in (execution.advance, execution.begin, lambda: execution.advance(100)):
        with pytest.raises(RuntimeError, match="closed; make a new one"):
            use()
    assert execution.closed
    assert execution.read(reactor.y).tolist() == [2] * 4


class Slow(Reactor):
    y = OutputPort((), np.int64)

    @reaction(effects=[y])
    def work(self, y):
        time.sleep(0.3)


def test_two_threads_cannot_advance_at_once() -> None:
    topology = Topology()
    topology.add("slow", Slow())
    with Execution(topology, compile(topology)) as execution:
        other = threading.Thread(target=execution.advance)
        other.start()
        time.sleep(0.1)
        with pytest.raises(RuntimeError, match="running already; run it from one thread, one command at a time"):
            execution.advance()
        other.join()
        execution.advance()
        assert execution.tag == 2


@pytest.mark.parametrize("failed", [False, True])
def test_collected_without_close(failed: bool) -> None:
    execution, reactor = fragile(3, {(2, 0): ValueError("once")} if failed else {})
    if failed:
        with pytest.raises(ValueError, match="once"):
            execution.advance()
        reactor.broken.clear()  # the exception holds its traceback, and that this frame
    assert len(worker_threads()) == 2
    gone = weakref.ref(execution)
    del execution
    gc.collect()
    assert gone() is None
    assert worker_threads() == []


def test_many_executions_leave_nothing_behind() -> None:
    def resources() -> tuple[int, int]:
        gc.collect()
        pages = int(Path("/proc/self/statm").read_text().split()[1]) if sys.platform == "linux" else 0
        descriptors = len(os.listdir("/proc/self/fd")) if sys.platform == "linux" else 0
        return descriptors, pages * os.sysconf("SC_PAGE_SIZE")

    def cycle(times: int) -> None:
        for _ in range(times):
            execution, _ = fragile(3, {})
            execution.advance()
            execution.close()

    cycle(30)
    descriptors, memory = resources()
    cycle(300)
    after, memory_after = resources()
    assert worker_threads() == []
    assert after == descriptors
    assert memory_after - memory < 8 << 20


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
def test_a_forked_child_refuses_and_exits() -> None:
    script = """
import os, sys
from tests.test_execution_faults import fragile
execution, reactor = fragile(3, {})
execution.advance(5)
child = os.fork()
try:
    execution.advance()
except RuntimeError as error:
    assert child == 0 and "closed" in str(error), error
    assert execution.read(reactor.y).tolist() == [5] * 4
    execution.close()
    sys.exit(7)
_, status = os.waitpid(child, 0)
execution.close()
sys.exit(os.waitstatus_to_exitcode(status) + 1)
"""
    assert run_script(script).returncode == 8


def run_script(script: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-W", "ignore", "-c", script]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)


class Lingering(Reactor):
    """Row 1 keeps its worker for a while at each tag; row 0 does not."""

    y = OutputPort((), np.int64)

    def __init__(self, milliseconds: int, **arguments: Any) -> None:
        super().__init__(**arguments)
        self.milliseconds, self.keep = milliseconds, list[Any]()

    @reaction(effects=[y], native=True)
    def work(self):
        return kernel("linger", salt=self.milliseconds, keep=self.keep)


INTERRUPTED = """
import os, signal, sys, threading, time
from reactvec import Execution, Topology, compile
from tests.test_execution_faults import Lingering, worker_threads
topology = Topology()
reactor = topology.add("lingering", Lingering({milliseconds}, bank={bank}))
execution = Execution(topology, compile(topology, {workers}))
threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT)).start()
begin = time.monotonic()
try:
    while True:
        execution.advance({tags})
except KeyboardInterrupt:
    took = time.monotonic() - begin
last = execution.tag
assert last > 0 and took < 5, (last, took)
assert execution.read(reactor.y).tolist() == [last - 1] * {bank}, (last, execution.read(reactor.y))
execution.advance(3)
assert execution.tag == last + 3
execution.close()
assert worker_threads() == []
print("interrupted")
"""


@pytest.mark.parametrize("tags", [1, 10, 1_000_000])
@pytest.mark.parametrize("workers", [1, 2])
def test_ctrl_c_ends_advance_between_tags(tags: int, workers: int) -> None:
    done = run_script(INTERRUPTED.format(milliseconds=5, bank=2, workers=workers, tags=tags))
    assert (done.stdout, done.stderr) == ("interrupted\n", "")


def test_ctrl_c_twice_leaves_a_reaction_that_hangs() -> None:
    script = """
import os, signal, threading, time
from reactvec import Execution, Topology, compile
from tests.test_execution_faults import Counter, Slow
import tests.test_execution_faults as faults
class Hung(Slow):
    from reactvec import reaction
    @reaction(effects=[Slow.y])
    def work(self, rows, y):
        if threading.current_thread() is not threading.main_thread():
            time.sleep(4)
topology = Topology()
topology.add("hung", Hung(bank=2))
execution = Execution(topology, compile(topology, 2))
for after in (0.2, 0.6):
    threading.Timer(after, os.kill, (os.getpid(), signal.SIGINT)).start()
begin = time.monotonic()
try:
    execution.advance()
except KeyboardInterrupt:
    assert 0.2 < time.monotonic() - begin < 3
    assert execution.closed
    print("left")
"""
    done = run_script(script)
    assert (done.stdout, done.stderr) == ("left\n", "")
