"""Runs a Schedule: memory, kernels, workers (threads or processes), and the errors that come back."""

from __future__ import annotations

import operator
import os
import weakref
from collections.abc import Callable, Sequence
from functools import partial
from multiprocessing.process import BaseProcess
from types import TracebackType
from typing import Any

import numpy as np
import numpy.typing as npt

from reactvec._sched import DONE, FAILED, PENDING, Engine
from reactvec._shared_engine import SharedEngine, shared_bytes
from reactvec.arena import Arena
from reactvec.binding import load
from reactvec.failures import Failure, first_error, note
from reactvec.placement import usable_cores
from reactvec.processes import GRACE_S, ProcessOptions, WorkerDeath, WorkerProcesses, nanoseconds, rows_of
from reactvec.schedule import Op, Schedule
from reactvec.shared_block import SharedBlock
from reactvec.snapshot import Snapshot, fits, put, take
from reactvec.topology import SHUTDOWN, STARTUP, STEP, InputPort, Port, Topology, TopologyError
from reactvec.workers import WorkerThreads


class ClosedExecutionError(RuntimeError):
    """The execution was closed, or ended by an interrupt."""


class Execution:
    """A topology at work: `advance(n)` runs n tags, `command(name)` those of another command, as one tag or as an
    aside, which takes none.

    The schedule must be compiled from this topology. Startup reactions run at construction (tag -1), shutdown
    reactions at `close`, and where startup failed. The calling thread is worker 0; the others live until `close`: they
    are threads, or, given `processes`, processes. Such a process has its own copy of the reactors; ports of a numeric
    dtype lie in memory that all share, objects cross at the beginning and at the end of a command.

    An exception of a reaction is raised by `advance`, `command` or `finish` with its type and traceback; its tag is not
    committed, `read` still gives the values of the tag before, and the next call runs that tag anew. Where several
    workers run several tags in one `advance`, some may be past that tag already, so there the execution is closed.
    A worker process that died raises `WorkerDiedError`, likewise; `replace` puts another in its place.
    """

    def __init__(self, topology: Topology, schedule: Schedule, processes: ProcessOptions | None = None) -> None:
        strangers = {reaction.reactor for reaction in schedule.reactions} - topology.reactors.keys()
        if strangers:
            raise TopologyError(f"the schedule is of another topology: {min(strangers)!r} is not in this one")
        self.topology = topology
        self.schedule = schedule
        self._torn = False
        self._commands = {name: index for index, name in enumerate(schedule.programs)}
        self._step = self._commands[STEP]
        self._steps_with_objects = False
        if processes is not None and schedule.workers > 1:
            self._start_processes(processes)
        else:
            self._start_threads()
        _executions.add(self)
        try:
            self._run(STARTUP)
        except BaseException as error:
            self._close_after(error)
            raise

    def _start_threads(self) -> None:
        workers = self.schedule.workers
        self._crew: WorkerProcesses | None = None
        self._arena = Arena(self.schedule)
        self._engine = Engine(workers, len(self._commands), 1 < workers <= usable_cores())
        load(self._engine, self.topology, self.schedule, self._arena, range(workers))
        threads = WorkerThreads(self._engine, range(1, workers))
        self._finalizer = weakref.finalize(self, threads.stop)

    def _start_processes(self, options: ProcessOptions) -> None:
        workers = self.schedule.workers
        may_spin = workers <= usable_cores()
        blocks = SharedBlock(shared_bytes(workers)), SharedBlock(self.schedule.arena_bytes)
        self._arena = Arena(self.schedule, blocks[1].memory)
        self._engine = engine = SharedEngine(workers, len(self._commands), may_spin, blocks[0].memory, 0)
        load(engine, self.topology, self.schedule, self._arena, [0])
        self._crew = WorkerProcesses(self.topology, self.schedule, blocks, engine, self._arena, options, may_spin)
        self._steps_with_objects = self._crew.brings_objects(STEP)
        self._finalizer = weakref.finalize(self, self._crew.stop)

    def advance(self, tags: int = 1) -> None:
        """Run this many tags of the step reactions; one crossing from Python."""
        outcome = self._engine.run(self._commands[STEP], operator.index(tags))
        self._conclude(outcome, ahead=tags > 1 and self.schedule.workers > 1)

    def begin(self, name: str = STEP) -> None:
        """Start one tag of a command: the other workers begin at once; `finish` must follow."""
        plain = name == STEP and not self._steps_with_objects
        command = self._step if plain else self._command(name)
        if self._engine.begin(command, 1, None if plain else self._preparation(name)) == FAILED:
            self._raise()

    def finish(self, timeout: float | None = None) -> bool:
        """Run the caller's part of the tag that `begin` started, and wait for the others.

        Where they are processes, this wait ends after `timeout` seconds (False: the tag is still begun) or at a signal
        (whose exception is raised; the tag is still begun); `finish` again goes on. What the caller itself runs has no
        limit, nor has a wait in the middle of that.
        """
        return self._conclude(self._engine.finish(nanoseconds(timeout)))

    def command(self, name: str) -> None:
        """Run the reactions declared with `on=name`, as one tag, or as an aside, which takes none. A port that they do
        not write keeps its value."""
        if name == STEP and not self._steps_with_objects:
            outcome = self._engine.run(self._step, 1)
        else:
            outcome = self._engine.run(self._command(name), 1, self._preparation(name))
        if outcome != DONE or self._crew is not None:
            self._conclude(outcome)

    def replace(self, worker: int) -> None:
        """Start another process in the place of one that died: its reactors are copies of the caller's, as they are
        now, after the startup reactions. Its rows hold the values of the tag before. `await_replaced` must follow.

        Raises:
            TopologyError: workers await each other within a tag, so that others may have read what the dead one wrote.
        """
        assert self._crew is not None
        if any(
            op is Op.AWAIT
            for other in range(self.schedule.workers)
            for op, _ in self.schedule.instructions(STEP, other)
        ):
            raise TopologyError("a worker whose rows others read within a tag cannot be replaced; make a new execution")
        tag = self._engine.last_tag
        for slab, slots in zip(self.schedule.slabs, self._arena.values, strict=True):
            rows = self.rows_of(worker)
            if len(slots) > 1 and slab.rows >= rows.stop:
                slots[tag % len(slots)][rows.start : rows.stop] = slots[(tag - 1) % len(slots)][rows.start : rows.stop]
        self._crew.replace(worker)

    def await_replaced(self, worker: int, timeout: float | None = None) -> bool:
        """Wait until what took a dead one's place has run the startup reactions; False after `timeout` seconds.

        Raises:
            WorkerDiedError: that process died too.
            Exception: what a startup reaction raised, a RuntimeError of what is no Exception.
            BaseException: what a signal handler raised; wait again.
        """
        assert self._crew is not None
        if not self._crew.await_ready(worker, timeout):
            self._interrupted()
            if self.closed:
                raise ClosedExecutionError("this execution is closed; make a new one")
            return False
        failures = self._crew.take_up(worker)
        if failures:
            self._engine.forget_failures()
            error = first_error(failures, self.topology, self.schedule, self._arena)
            raise error if isinstance(error, Exception) else RuntimeError(f"a startup reaction raised {error!r}")
        return True

    def commit(self) -> None:
        """Count the tag in which workers died as run, once they are replaced."""
        self._engine.commit()

    def rows_of(self, worker: int) -> range:
        """The rows of banks that a worker steps."""
        return rows_of(self.schedule, worker)

    def work_ns(self) -> tuple[int, int]:
        """Since the last look, in nanoseconds: how long commands took, and how long all worker processes together and
        the caller were at work in them."""
        return self._crew.times_ns() if self._crew is not None else (0, 0)

    def input(self, port: InputPort) -> npt.NDArray[Any]:
        """The slab of an external port, to write into before the next tag: `[N, *shape]` of a bank, else `[*shape]`."""
        return self._arena.of(port, 0)

    def read(self, port: Port) -> npt.NDArray[Any]:
        """What an output port (or an external one) held at the last tag: a read-only view, valid for one more tag.

        Raises:
            ClosedExecutionError: after a failure that left the workers at different tags.
        """
        if self._torn:
            raise ClosedExecutionError("workers were at different tags when a reaction failed; make a new execution")
        committed = self._arena.of(port, self.tag - 1)[...]
        committed.flags.writeable = False
        return committed

    def slots(self, port: Port) -> list[npt.NDArray[Any]]:
        """The slabs of an output port, as `read` returns them: that of tag t is at t modulo their number, what asides
        wrote in the only one."""
        return self._arena.slots(port)

    def snapshot(self) -> Snapshot:
        """What is under way now, between two tags."""
        return take(self.schedule, self._arena, self.tag)

    def fits(self, state: Snapshot) -> bool:
        """Whether a snapshot is of a program with the same ports."""
        return fits(self.schedule, self._arena, state)

    def go_on(self, state: Snapshot) -> None:
        """Let the tag of a snapshot that fits run next, from what was under way then. What reactors keep is theirs."""
        put(self.schedule, self._arena, state)
        self._engine.tag = state.tag

    def is_present(self, port: Port) -> npt.NDArray[np.bool_]:
        """Whether each row of a port had a value at the last tag: bool `[N]` of a bank, else 0-d."""
        return self._arena.presence(port, self.tag - 1)

    def close(self, timeout: float | None = None, terminate: bool = False) -> None:
        """Run the shutdown reactions and end the workers; closing again does nothing.

        Worker processes are killed at once with `terminate`, or when they take longer than `timeout` seconds.
        """
        if not self._finalizer.alive:
            return
        terminate = terminate and self._crew is not None
        try:
            if not terminate and self.begun:
                terminate = not self.finish(timeout)
        finally:
            self._shut_down(timeout, terminate or self.begun)

    def _shut_down(self, timeout: float | None, terminate: bool) -> None:
        done, failures = False, []
        try:
            if terminate and not self._engine.aborted:  # the caller's own part alone
                failures = self._engine.run_alone(0, self._commands[SHUTDOWN])
            elif not self._engine.aborted:
                self._engine.begin(self._commands[SHUTDOWN], 1, self._preparation(SHUTDOWN))
                done = self.finish(timeout)
        except WorkerDeath:
            done = True
        finally:
            if self._crew is not None and (terminate or self.begun) and not done:
                self._crew.stop(terminate=True)
            self._finalizer()
        if failures:
            self._raise(failures)

    def abandon(self) -> None:
        """End the workers without the shutdown reactions; their reactors live on elsewhere."""
        if self._crew is not None:
            self._crew.stop(terminate=True)
        self._finalizer()

    @property
    def processes(self) -> list[BaseProcess]:
        """The worker processes, in order; empty where there are none, or no more."""
        return [] if self._crew is None else self._crew.processes

    @property
    def tag(self) -> int:
        """The tag that runs next."""
        return self._engine.tag

    @property
    def running(self) -> bool:
        """Whether some thread runs a command just now."""
        return self._engine.busy and not self._engine.begun

    @property
    def begun(self) -> bool:
        """Whether a tag was begun and waits for `finish`."""
        return self._engine.begun

    @property
    def closed(self) -> bool:
        """Whether it was closed, or ended by an interrupt."""
        return self._engine.aborted

    def __enter__(self) -> Execution:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _command(self, name: str) -> int:
        if name not in self._commands or name in (STARTUP, SHUTDOWN):
            known = [command for command in self._commands if command not in (STARTUP, SHUTDOWN)]
            raise ValueError(f"no reaction has on={name!r}; commands: {known}")
        return self._commands[name]

    def _run(self, name: str) -> None:
        self._conclude(self._engine.run(self._commands[name], 1, self._preparation(name)))

    def _preparation(self, name: str) -> Callable[[], None] | None:
        """What must happen before a command is issued."""
        if name == STEP and not self._steps_with_objects:
            return None
        return partial(self._prepare, name)

    def _prepare(self, name: str) -> None:
        for index in self.schedule.carried[name]:  # a command starts from the values of the tag before
            self._arena.carry(index, self.tag)
        if self._crew is not None:
            self._crew.post(self._commands[name])

    def _conclude(self, outcome: int, ahead: bool = False) -> bool:
        """What became of a command: True, False where it is still begun, or what it raised."""
        if outcome == PENDING:
            self._interrupted()
            return False
        failures = self._crew.collect() if self._crew is not None else []
        if failures or outcome != DONE:
            self._raise(failures, ahead)
        return True

    def _interrupted(self, cause: WorkerDeath | None = None) -> None:
        """Raise what a signal handler raised, if one did."""
        error = self._engine.interruption()
        if error is not None:
            raise error from cause

    def _raise(self, failures: Sequence[Failure] = (), ahead: bool = False) -> None:
        """Raise the failure that comes first in logical time and in the order of the schedule; where workers may be
        `ahead` of it, close the execution."""
        failures = [*failures, *self._engine.take_failures()]
        self._engine.forget_failures()
        self._engine.tag = min((tag for tag, *_ in failures), default=self.tag)
        dead = self._death() if not failures else None
        self._interrupted(dead)
        if dead is not None:
            raise dead
        if not failures:
            raise ClosedExecutionError("this execution is closed; make a new one")
        error = first_error(failures, self.topology, self.schedule, self._arena)
        if ahead:
            self._torn = True
            self._close_after(error)
        try:
            raise error
        finally:
            del error, failures  # its traceback holds this frame: a circle, which would keep the execution alive

    def _death(self) -> WorkerDeath | None:
        ends = self._crew.ends() if self._crew is not None else {}
        return WorkerDeath(ends) if ends else None

    def _close_after(self, error: BaseException) -> None:
        try:
            self.close(None if isinstance(error, Exception) else GRACE_S)  # who interrupts a hang does not wait for it
        except Exception as later:
            note(error, f"and shutting down after it failed: {later!r}")


# Worker threads do not survive a fork: the child's copies are closed, so that they refuse to run instead of hanging.
_executions: weakref.WeakSet[Execution] = weakref.WeakSet()


def _close_in_child() -> None:
    for execution in list(_executions):
        execution._finalizer.detach()
        execution._engine.disown()


os.register_at_fork(after_in_child=_close_in_child)
