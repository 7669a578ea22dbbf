"""The life and death of worker processes, and what they and the caller hand each other."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import time
import weakref
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import chain
from multiprocessing import forkserver, resource_tracker, util
from multiprocessing.process import BaseProcess
from typing import Any

from reactvec._shared_engine import SharedEngine
from reactvec.arena import Arena
from reactvec.descriptors import enough_descriptors
from reactvec.failures import Failure, note
from reactvec.held_signals import held_signals
from reactvec.leash import Leash
from reactvec.mail import Mail
from reactvec.parcels import Parcels
from reactvec.process_worker import ByValue, Seat, serve
from reactvec.remote_error import unpack_error
from reactvec.schedule import Op, Schedule
from reactvec.shared_block import SharedBlock
from reactvec.topology import STEP, Topology

GRACE_S = 5.0  # how long a worker that is inside a reaction may take to end
LONGEST_S = 1e9  # no timeout is longer
AT_START = (
    'It died while it started; under "spawn" and "forkserver" a script must guard what it runs by '
    "`if __name__ == '__main__':`."
)


@dataclass(frozen=True)
class ProcessOptions:
    """How worker processes start: `context` is "fork", "forkserver", "spawn" or None for the interpreter's default."""

    context: str | None = None
    daemon: bool = True


class WorkerDiedError(RuntimeError):
    """A worker process ended in the middle of its work; `workers` are their numbers, `ends` how each ended."""

    def __init__(self, ends: dict[int, str]) -> None:
        super().__init__("; ".join(f"worker {worker} {end}" for worker, end in ends.items()))
        self.workers = list(ends)
        self.ends = ends


class WorkerDeath(WorkerDiedError):
    """The same, of a worker of the execution that raises it, and not of one that a reaction has come across."""


class WorkerProcesses:
    """One process per worker but the caller, over memory that all share; each serves commands until `stop`."""

    def __init__(
        self,
        topology: Topology,
        schedule: Schedule,
        blocks: tuple[SharedBlock, SharedBlock],
        engine: SharedEngine,
        arena: Arena,
        options: ProcessOptions,
        may_spin: bool,
    ) -> None:
        self._context = multiprocessing.get_context(options.context)
        self._daemon, self._may_spin = options.daemon, may_spin
        self._topology, self._schedule, self._blocks, self._engine = (
            ByValue(_away(topology, schedule)),
            schedule,
            blocks,
            engine,
        )
        self._names = list(schedule.programs)
        self._step = self._names.index(STEP)
        self._parcels = Parcels(schedule, arena)
        self._slots = max((slab.slots for slab in schedule.slabs), default=1)
        self._filled: set[tuple[int, int]] = set()  # (worker, slot) where objects may lie
        self._workers = range(1, schedule.workers)
        self._inboxes, self._outboxes = Mail(schedule.workers), Mail(schedule.workers)
        self._waiting: dict[int, int] = {}  # worker: how many bytes in its outbox, taken by `collect` alone
        self._over = False
        self._processes: dict[int, BaseProcess] = {}
        self._leashes: dict[int, Leash] = {}
        self._lives: dict[int, int] = {}
        self._comings: dict[int, int] = {}  # how often a process has come up in a place, once it has
        _crews.add(self)
        # Before multiprocessing waits for its children, in this process alone; cancelled by `stop`.
        self._at_exit = util.Finalize(None, WorkerProcesses.stop, (self,), exitpriority=100)
        try:
            with enough_descriptors(len(self._workers), starting=len(self._workers)):
                for worker in self._workers:
                    self._start(worker)
        except BaseException:
            self.stop(terminate=True)
            raise

    @property
    def processes(self) -> list[BaseProcess]:
        """Those that run, in order."""
        return [self._processes[worker] for worker in sorted(self._processes)]

    def brings_objects(self, name: str) -> bool:
        """Whether a command brings objects to a worker, see `post`."""
        return self._parcels.brings(self._names.index(name))

    def post(self, command: int) -> None:
        """Send the objects that a command brings."""
        if self._parcels.brings(command) and not self._over:
            for worker in self._workers:
                self._engine.post(worker, self._inboxes.put(worker, self._parcels.inbound(command, worker)))

    def collect(self, among: Iterable[int] | None = None) -> list[Failure]:
        """Take what the workers, or those `among` them, sent at the end of a command: objects go into the slabs,
        failures are returned."""
        failures: list[Failure] = []
        self._look_for_mail()
        if self._over or not (self._waiting or self._filled):
            return failures
        command = self._engine.command
        step = command == self._step
        tag = self._engine.last_tag
        slot = tag % self._slots
        for worker in self._workers if among is None else among:
            if step and (worker, slot) in self._filled:
                self._parcels.clear(command, worker, tag)
                self._filled.discard((worker, slot))
            if size := self._waiting.pop(worker, 0):
                failures += self._open(worker, size, tag)
                self._filled.add((worker, slot))
        if not step and self._names[command] not in self._schedule.asides:
            self._filled |= {(worker, slot) for worker in self._workers for slot in range(self._slots)}
        return failures

    def _open(self, worker: int, size: int, tag: int) -> list[Failure]:
        """Take what one worker sent; what cannot be read here is a failure of what it ran."""
        try:
            rows, failed = self._outboxes.take(worker, size)
            self._parcels.unpack(rows, tag)
        except Exception as error:
            note(error, f"what worker {worker} sent cannot be unpickled here")
            return [(tag, *self._schedule.first_reaction(self._names[self._engine.command], worker), 0, error)]
        return [(*where, None if error is None else unpack_error(error)) for *where, error in failed]

    def times_ns(self) -> tuple[int, int]:
        """How long commands took since the last look, and how long all workers together were at work in them."""
        return self._engine.times_ns()

    def ends(self) -> dict[int, str]:
        """The workers whose processes died and were not replaced, and how each ended."""
        return {worker: self.end_of(worker) for worker in self._engine.fallen}

    def end_of(self, worker: int) -> str:
        """How a process ended, in words."""
        process = self._processes.get(worker)
        return "could not be started again" if process is None else end_in_words(process)

    def replace(self, worker: int) -> None:
        """Start another process in the place of one that died; `await_ready` must follow."""
        self._comings[worker] = (self._engine.readiness(worker) + 1) & 0xFFFFFFFF
        self._forget(worker)
        self._engine.post(worker, 0)  # what the dead one left in its boxes, either way, is never taken
        self._look_for_mail()
        self._waiting.pop(worker, None)
        with enough_descriptors(len(self._workers), starting=1):
            self._start(worker, self._engine.standing(), self._comings[worker])

    def await_ready(self, worker: int, timeout: float | None) -> bool:
        """Wait until a process that took another's place has run the startup reactions; False after `timeout` seconds,
        or where a signal came.

        `take_up` must follow.

        Raises:
            WorkerDiedError: it died.
        """
        ready = self._engine.await_ready(worker, self._comings[worker], nanoseconds(timeout))
        if not ready and worker in self._engine.fallen:
            raise WorkerDeath({worker: self.end_of(worker)})
        return ready

    def take_up(self, worker: int) -> list[Failure]:
        """What failed while a process came up that took another's place."""
        failures = self.collect([worker])
        # What the caller puts in the place of rows that were lost is cleared like what a worker sends.
        self._filled |= {(worker, slot) for slot in range(self._slots)}
        return failures

    def stop(self, terminate: bool = False) -> None:
        """End all processes; one that is inside a reaction is killed after `GRACE_S`, or at once."""
        self._at_exit.cancel()
        self._engine.abort()
        until = time.monotonic() + (0 if terminate else GRACE_S)
        for process in self._processes.values():
            process.join(max(0.0, until - time.monotonic()))
            if process.is_alive():
                process.kill()
                process.join()
        for worker in list(self._processes):
            self._forget(worker)
        self._over = True
        for shared in (self._inboxes, self._outboxes, *self._blocks):
            shared.close()

    def disown(self) -> None:
        """In a forked child: the processes are not its own; it must not end them when it ends, nor write to them."""
        self._over = True
        self._at_exit.cancel()
        forget_children(self._processes.values())
        for fd in [*self._lives.values(), *chain(*map(pipes_of, self._processes.values()))]:
            os.close(fd)
        self._processes.clear()
        self._lives.clear()

    def _look_for_mail(self) -> None:
        sizes = self._engine.outboxes()
        if sizes is not None:
            self._waiting.update((worker, size) for worker, size in enumerate(sizes) if size)

    def _start(self, worker: int, standing: tuple[int, list[int], int] | None = None, times: int = 0) -> None:
        leash = Leash()
        seat = Seat(
            worker,
            self._schedule,
            self._topology,
            *self._blocks,
            self._inboxes,
            self._outboxes,
            leash,
            self._may_spin,
            standing,
            times,
        )
        process = self._context.Process(  # type: ignore[attr-defined]
            target=serve, args=(seat,), name=f"reactvec-{worker}", daemon=self._daemon
        )
        try:
            start_quietly(process, self._context.get_start_method())
            life = os.pidfd_open(process.pid)
        except BaseException:
            leash.close()
            if process.pid is not None:
                process.kill()
                process.join()
                process.close()
            raise
        leash.handed_over()
        self._processes[worker], self._leashes[worker], self._lives[worker] = process, leash, life
        self._engine.watch_life(worker, life)

    def _forget(self, worker: int) -> None:
        """Let go of what belongs to a process that ended."""
        let_go(self._processes.pop(worker))
        self._leashes.pop(worker).close()
        os.close(self._lives.pop(worker))


def _away(topology: Topology, schedule: Schedule) -> Topology:
    """The reactors that the worker processes run; the others, such as a learner's, are none of their business."""
    numbers = {
        index
        for name in schedule.programs
        for worker in range(1, schedule.workers)
        for op, (index, *_) in schedule.instructions(name, worker)
        if op is Op.EXEC
    }
    names = {schedule.reactions[index].reactor for index in numbers}
    away = Topology()
    away.reactors = {name: reactor for name, reactor in topology.reactors.items() if name in names}
    return away


def start_quietly(process: BaseProcess, method: str) -> None:
    """Start a process in which Ctrl-C makes no noise before it can ignore it, see `settle`."""
    if method == "forkserver":
        forkserver.ensure_running()  # which must not inherit what is held
    elif method == "spawn":
        resource_tracker.ensure_running()  # which, where it starts, lets Ctrl-C through again
    with held_signals({signal.SIGINT}):
        process.start()


def let_go(process: BaseProcess) -> None:
    """Wait for the end of a process, and free what it holds here."""
    process.join()
    try:
        process.close()
    except ValueError:  # whoever reaps all children of this process has taken its end, so it seems to run for ever
        forget_children([process])


def forget_children(processes: Iterable[BaseProcess]) -> None:
    """Let multiprocessing not wait for them when this process ends."""
    children: set[Any] = getattr(multiprocessing.process, "_children", set())
    children.difference_update(processes)


def pipes_of(process: BaseProcess) -> tuple[int, ...]:
    """The descriptors that multiprocessing keeps of a child. A forked child inherits those of all others, and no
    public way leads to them; where there is none at all, they stay open there."""
    finalizer = getattr(getattr(process, "_popen", None), "finalizer", None)
    return getattr(finalizer, "_args", None) or ()


def end_in_words(process: BaseProcess) -> str:
    """How a process ended, which it has or soon will."""
    process.join(GRACE_S)
    code = process.exitcode
    if code is not None and code < 0:
        with contextlib.suppress(ValueError):
            return f"(process {process.pid}) was killed by {signal.Signals(-code).name}"
    return f"(process {process.pid}) exited with code {code}"


def nanoseconds(timeout: float | None) -> int:
    """A timeout in seconds as the engine takes it: 0 for none."""
    return 0 if timeout is None else max(1, int(min(max(timeout, 0), LONGEST_S) * 1e9))


def rows_of(schedule: Schedule, worker: int) -> range:
    """The rows of banks that a worker steps."""
    rows = [
        (lo, hi)
        for op, (index, lo, hi, *_) in schedule.instructions(STEP, worker)
        if op is Op.EXEC and schedule.reactions[index].bank is not None
    ]
    return range(min(lo for lo, _ in rows), max(hi for _, hi in rows)) if rows else range(0)


_crews: weakref.WeakSet[WorkerProcesses] = weakref.WeakSet()


def _disown_in_child() -> None:
    for crew in list(_crews):
        crew.disown()


os.register_at_fork(after_in_child=_disown_in_child)
