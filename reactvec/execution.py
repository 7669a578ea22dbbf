"""Runs a Schedule in this process: memory, kernels, worker threads, and the errors that come back."""

from __future__ import annotations

import operator
import os
import weakref
from collections.abc import Callable
from types import TracebackType
from typing import Any

import numpy as np
import numpy.typing as npt

from reactvec._sched import Engine
from reactvec.arena import Arena
from reactvec.binding import bind, view
from reactvec.placement import usable_cores
from reactvec.schedule import Op, Schedule, ScheduledReaction
from reactvec.topology import SHUTDOWN, STARTUP, STEP, InputPort, Port, Topology, TopologyError
from reactvec.workers import WorkerThreads


class ClosedExecutionError(RuntimeError):
    """The execution was closed, or ended by an interrupt."""


class Execution:
    """A topology at work: `advance(n)` runs n tags, `command(name)` the reactions of another command, as one tag.

    The schedule must be compiled from this topology. Startup reactions run at construction (tag -1), shutdown
    reactions at `close`, and where startup failed. The calling thread is worker 0; the others are threads that live
    until `close`.

    An exception of a reaction is raised by `advance` or `command` with its type and traceback; its tag is not
    committed, `read` still gives the values of the tag before, and the next call runs that tag anew. Where several
    workers run several tags in one `advance`, some may be past that tag already, so there the execution is closed.
    """

    def __init__(self, topology: Topology, schedule: Schedule) -> None:
        strangers = {reaction.reactor for reaction in schedule.reactions} - topology.reactors.keys()
        if strangers:
            raise TopologyError(f"the schedule is of another topology: {min(strangers)!r} is not in this one")
        self.topology = topology
        self.schedule = schedule
        self._torn = False
        self._arena = Arena(schedule)
        self._slabs = {slab.name: index for index, slab in enumerate(schedule.slabs)}
        self._commands = {name: index for index, name in enumerate(schedule.programs)}
        workers = schedule.workers
        self._engine = Engine(workers, len(self._commands), 1 < workers <= usable_cores())
        self._load()
        self._threads = WorkerThreads(self._engine, range(1, workers))
        self._finalizer = weakref.finalize(self, WorkerThreads.stop, self._threads)
        _executions.add(self)
        try:
            self._run(STARTUP)
        except BaseException as error:
            self._close_after(error)
            raise

    def advance(self, tags: int = 1) -> None:
        """Run this many tags of the step reactions; one crossing from Python."""
        if self._engine.run(self._commands[STEP], operator.index(tags)):
            self._raise(ahead=tags > 1 and self.schedule.workers > 1)

    def begin(self, name: str = STEP) -> None:
        """Start one tag of a command: the other workers begin at once; `finish` must follow."""
        if self._engine.begin(self._command(name), 1, None if name == STEP else self._carry):
            self._raise()

    def finish(self) -> None:
        """Run the caller's part of the tag that `begin` started, and wait for the others."""
        if self._engine.finish():
            self._raise()

    def command(self, name: str) -> None:
        """Run the reactions declared with `on=name`, as one tag. A port that they do not write keeps its value."""
        if self._engine.run(self._command(name), 1, self._carry):
            self._raise()

    def input(self, port: InputPort) -> npt.NDArray[Any]:
        """The slab of an external port, to write into before the next tag: `[N, *shape]` of a bank, else `[*shape]`."""
        return self._committed(port, 0)

    def read(self, port: Port) -> npt.NDArray[Any]:
        """What an output port (or an external one) held at the last tag: a read-only view, valid for one more tag.

        Raises:
            ClosedExecutionError: after a failure that left the workers at different tags.
        """
        if self._torn:
            raise ClosedExecutionError("workers were at different tags when a reaction failed; make a new execution")
        index = self._index(port)
        committed = self._committed(port, (self.tag - 1) % self.schedule.slabs[index].slots)[...]
        committed.flags.writeable = False
        return committed

    def slots(self, port: Port) -> list[npt.NDArray[Any]]:
        """The slabs of an output port, as `read` returns them: that of tag t is at t modulo their number."""
        values = self._arena.values[self._index(port)]
        return [values[slot] if self._bank(port) else values[slot][0, ...] for slot in range(len(values))]

    def is_present(self, port: Port) -> npt.NDArray[np.bool_]:
        """Whether each row of a port had a value at the last tag: bool `[N]` of a bank, else 0-d."""
        index = self._index(port)
        slab, flags = self.schedule.slabs[index], self._arena.flags[index]
        rows = np.ones(slab.rows, np.bool_) if flags is None else flags[(self.tag - 1) % slab.slots].copy()
        return rows if self._bank(port) else rows[0, ...]

    def close(self) -> None:
        """Run the shutdown reactions and end the worker threads; closing again does nothing."""
        if not self._finalizer.alive:
            return
        try:
            if self.begun:
                self.finish()
        finally:
            try:
                if not self._engine.aborted:
                    self._run(SHUTDOWN, self._carry)
            finally:
                self._finalizer()

    @property
    def tag(self) -> int:
        """The tag that runs next."""
        return self._engine.tag

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

    def _run(self, name: str, prepare: Callable[[], None] | None = None) -> None:
        if self._engine.run(self._commands[name], 1, prepare):
            self._raise()

    def _raise(self, ahead: bool = False) -> None:
        """Raise the failure that comes first in logical time and in the order of the schedule; where workers may be
        `ahead` of it, close the execution."""
        failures = self._engine.failures()
        if not failures:
            raise ClosedExecutionError("this execution is closed; make a new one")
        tag, index, lo, hi, code, error = min(failures, key=self._moment)
        self._engine.tag = min((tag for tag, index, *_ in failures if index >= 0), default=tag)
        if index >= 0:
            reaction = self.schedule.reactions[index]
            if error is None:
                error = self._fault(reaction, tag, code)
            _note(error, f"in reaction {reaction}{_rows(reaction, lo, hi)} at tag {tag}")
            if ahead:
                self._torn = True
                self._close_after(error)
        assert error is not None
        try:
            raise error
        finally:
            del error, failures  # its traceback holds this frame: a circle, which would keep the execution alive

    def _close_after(self, error: BaseException) -> None:
        try:
            self.close()
        except Exception as later:
            _note(error, f"and shutting down after it failed: {later!r}")

    def _moment(self, failure: tuple[Any, ...]) -> tuple[int, ...]:
        """Its place in logical time and in the order of the schedule; what a signal handler raised comes first."""
        tag, index, lo, *_ = failure
        return (-1,) if index < 0 else (0, tag, self.schedule.reactions[index].level, index, lo)

    def _fault(self, reaction: ScheduledReaction, tag: int, code: int) -> BaseException:
        reactor = self.topology.reactors[reaction.reactor]
        entry = next(entry for entry in reactor.reactions if entry.name == reaction.name)
        ports = [view(self._arena, access, reaction, slice(0, reactor.rows), tag) for access in reaction.accesses]
        return reactor.fault(entry, code, ports)

    def _index(self, port: Port) -> int:
        index = self._slabs.get(str(port))
        if index is None:
            raise ValueError(f"{port} has no slab of its own: read an output port, or an external input")
        return index

    def _bank(self, port: Port) -> bool:
        return port.reactor is not None and port.reactor.bank is not None

    def _committed(self, port: Port, slot: int) -> npt.NDArray[Any]:
        values: npt.NDArray[Any] = self._arena.values[self._index(port)][slot]
        return values if self._bank(port) else values[0, ...]

    def _carry(self) -> None:
        """Start a command from the values of the tag before."""
        for slab, values, flags in zip(self.schedule.slabs, self._arena.values, self._arena.flags, strict=True):
            values[self.tag % slab.slots] = values[(self.tag - 1) % slab.slots]
            if flags is not None:
                flags[self.tag % slab.slots] = flags[(self.tag - 1) % slab.slots]

    def _method(self, index: int) -> Callable[..., Any]:
        reaction = self.schedule.reactions[index]
        method: Callable[..., Any] = getattr(self.topology.reactors[reaction.reactor], reaction.name)
        return method

    def _load(self) -> None:
        for name, program in self.schedule.programs.items():
            for worker, code in enumerate(program.code):
                bindings = [
                    bind(self._arena, self.schedule.reactions[index], self._method(index), lo, hi)
                    for op, (index, lo, hi, *_) in self.schedule.instructions(name, worker)
                    if op is Op.EXEC
                ]
                self._engine.load(self._commands[name], worker, code, bindings, program.publishes)


def _rows(reaction: ScheduledReaction, lo: int, hi: int) -> str:
    return "" if reaction.bank is None else f" rows {lo} to {hi - 1}"


def _note(error: BaseException, text: str) -> None:
    if hasattr(error, "add_note"):  # CPython >= 3.11
        error.add_note(text)


# Worker threads do not survive a fork: the child's copies are closed, so that they refuse to run instead of hanging.
_executions: weakref.WeakSet[Execution] = weakref.WeakSet()


def _close_in_child() -> None:
    for execution in list(_executions):
        execution._finalizer.detach()
        execution._engine.abort()


os.register_at_fork(after_in_child=_close_in_child)
