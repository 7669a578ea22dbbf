"""What a worker process does: its part of every command, over memory that it shares with the caller."""

from __future__ import annotations

import pickle
import signal
from dataclasses import dataclass
from typing import Any

import cloudpickle

from reactvec._shared_engine import SharedEngine
from reactvec.arena import Arena
from reactvec.binding import load
from reactvec.failures import note
from reactvec.leash import Leash
from reactvec.mail import Mail
from reactvec.parcels import Parcels
from reactvec.remote_error import pack_error
from reactvec.schedule import Schedule
from reactvec.shared_block import SharedBlock
from reactvec.topology import STARTUP, STEP, Topology

PackedFailure = tuple[int, int, int, int, int, bytes | None]  # tag, reaction, lo, hi, code, exception


class ByValue:
    """A value that is pickled whole, lambdas and classes of `__main__` included, where it is pickled at all."""

    def __init__(self, value: Any) -> None:
        self.value = value

    def __getstate__(self) -> bytes:
        data: bytes = cloudpickle.dumps(self.value)
        return data

    def __setstate__(self, data: bytes) -> None:
        self.value = pickle.loads(data)


@dataclass
class Seat:
    """All that a worker process needs: its number, the program, the memory, and where the others stand.

    `standing` (issued, bases, tag) is that of a process that takes another's place, as the one that was started `times`
    times; None where all begin.
    """

    worker: int
    schedule: Schedule
    topology: ByValue
    control: SharedBlock
    arena: SharedBlock
    inboxes: Mail
    outboxes: Mail
    leash: Leash
    may_spin: bool
    standing: tuple[int, list[int], int] | None = None
    times: int = 0


def serve(seat: Seat) -> None:
    """Take a seat and serve commands until the caller aborts; the body of a worker process."""
    settle(seat.leash)
    ProcessWorker(seat).serve()


def settle(leash: Leash) -> None:
    """What every process does first: it ends when its parent does, and leaves Ctrl-C to it."""
    leash.bind()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})


class ProcessWorker:
    """A worker of a schedule that has a process of its own."""

    def __init__(self, seat: Seat) -> None:
        schedule, topology = seat.schedule, seat.topology.value
        assert isinstance(topology, Topology)
        self._seat = seat
        self._names = list(schedule.programs)
        self._arena = Arena(schedule, seat.arena.memory, fills=False)
        self._parcels = Parcels(schedule, self._arena)
        self._engine = SharedEngine(schedule.workers, len(self._names), seat.may_spin, seat.control.memory, seat.worker)
        for block in (seat.control, seat.arena):  # which go to nobody from here
            block.close()
        load(self._engine, topology, schedule, self._arena, [seat.worker])
        step = self._names.index(STEP)
        self._engine.serve_plainly(step, self._parcels.left_by(step, seat.worker))

    def serve(self) -> None:
        """Serve commands until an abort."""
        engine, worker = self._engine, self._seat.worker
        if self._seat.standing is not None:
            engine.take_over(worker, *self._seat.standing)
            engine.come_up(worker, self._seat.times, self._start_anew())
        while (command := engine.await_command(worker)) >= 0:
            failures = [] if engine.executed else self._receive(command)
            if not failures:
                if not engine.executed and not engine.execute(worker):
                    return
                failures = self._failures()
            engine.complete(worker, self._answer(command, failures))

    def _start_anew(self) -> int:
        """Run the startup reactions alone, out of turn; what they could not do waits in the outbox."""
        failures = [
            self._packed(failure) for failure in self._engine.run_alone(self._seat.worker, self._names.index(STARTUP))
        ]
        return self._seat.outboxes.put(self._seat.worker, ([], failures)) if failures else 0

    def _receive(self, command: int) -> list[PackedFailure]:
        """Take the objects that come with a command, and start from those of the tag before."""
        try:
            if size := self._engine.inbox(self._seat.worker):
                self._parcels.unpack(self._seat.inboxes.take(self._seat.worker, size), 0)
        except Exception as error:
            return [self._failed(command, error)]
        self._parcels.carry(command, self._engine.tag)
        return []

    def _answer(self, command: int, failures: list[PackedFailure]) -> int:
        """Put what the caller must know into the outbox; how many bytes."""
        rows = [] if failures else self._parcels.outbound(command, self._seat.worker, self._engine.last_tag)
        if not rows and not failures:
            return 0
        try:
            return self._seat.outboxes.put(self._seat.worker, (rows, failures))
        except Exception as error:
            return self._seat.outboxes.put(self._seat.worker, ([], [self._failed(command, error)]))

    def _failures(self) -> list[PackedFailure]:
        return [self._packed(failure) for failure in self._engine.take_failures()]

    def _packed(self, failure: tuple[int, int, int, int, int, BaseException | None]) -> PackedFailure:
        *where, error = failure
        return (*where, None if error is None else pack_error(error))  # type: ignore[return-value]

    def _failed(self, command: int, error: Exception) -> PackedFailure:
        """Objects that cannot cross are a failure of the reaction that they belong to."""
        engine = self._engine
        engine.fail(engine.tag)
        note(error, "what crosses between processes must be picklable: requests, infos, answers")
        where = self._seat.schedule.first_reaction(self._names[command], self._seat.worker)
        return engine.tag, *where, 0, pack_error(error)
