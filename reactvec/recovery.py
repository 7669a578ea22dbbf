"""What becomes of environments whose worker process died: they are named, or they come back."""

from __future__ import annotations

import contextlib
import inspect
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from functools import partial
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
from gymnasium.vector import AutoresetMode

from reactvec.env_bank import EnvBank
from reactvec.execution import Execution
from reactvec.port_types import unpack_row
from reactvec.processes import AT_START, WorkerDeath, WorkerDiedError, rows_of
from reactvec.schedule import Schedule

Array: TypeAlias = "npt.NDArray[Any]"
Course: TypeAlias = (
    "Generator[BaseException | None, None, None]"  # yields None when it is late, or what a signal raised
)
RESTARTED = "worker_restarted"  # the info key of environments that came back
IN_A_ROW = 3  # so often the same worker may die before it is given up


class EnvironmentsLostError(WorkerDiedError):
    """Worker processes died and their environments are gone; `environments` are their indices."""

    def __init__(
        self, death: WorkerDiedError, rows: dict[int, range], remedy: str, stepped: Sequence[int] = ()
    ) -> None:
        super().__init__(death.ends)
        self.args = (
            "; ".join(_sentence(worker, end, rows, stepped) for worker, end in death.ends.items()) + f". {remedy}",
        )
        self.environments = [i for worker in death.workers for i in rows[worker]]


@contextlib.contextmanager
def naming_environments(schedule: Schedule) -> Iterator[None]:
    """Say which environments the workers had that died while they started."""
    try:
        yield
    except WorkerDeath as death:
        rows = {worker: rows_of(schedule, worker) for worker in death.workers}
        raise EnvironmentsLostError(death, rows, AT_START) from None


class Recovery:
    """Brings the environments of dead workers back, each with a seed drawn from the one that it was reset with last.

    It takes as many waits as it needs: `after_step` and `after_reset` begin it, `go_on` goes on with it until it is
    through or late. A worker that dies more than `IN_A_ROW` times, in one command or in one command after another, is
    given up, with a RuntimeError.
    """

    def __init__(self, bank: EnvBank, execution: Execution, request: Array, results: Sequence[Any]) -> None:
        self._bank, self._execution, self._request, self._slots = bank, execution, request, results
        self._seeds: list[int | None] = [None] * bank.rows
        self._restarts = [0] * bank.rows
        for running in execution.slots(bank.running):
            running.fill(-1)  # before the first step, too, for `in_step`
        self._deaths: dict[int, tuple[int, int]] = {}  # worker: the tag of its last death, how many came in a row
        self._course: Course | None = None
        self._until: float | None = None
        self.death: WorkerDiedError | None = None  # what it recovers from

    def remember(self, i: int, seed: int | None) -> None:
        """Note the seed that environment i is reset with."""
        if seed is not None:
            self._seeds[i] = seed

    def lost(self, death: WorkerDiedError, remedy: str) -> EnvironmentsLostError:
        """The error that names the environments."""
        rows = {worker: self._execution.rows_of(worker) for worker in death.workers}
        return EnvironmentsLostError(death, rows, remedy, self.in_step())

    def in_step(self) -> list[int]:
        """The environments that workers are stepping in the tag that is not committed, or were when they died."""
        running = self._execution.slots(self._bank.running)[self._execution.tag & 1]
        rows = map(self._execution.rows_of, range(1, self._execution.schedule.workers))
        return [int(running[own.start]) for own in rows if own and running[own.start] >= 0]

    def after_step(self, death: WorkerDiedError) -> None:
        """Complete a step in which workers died: the rows of the others are what they computed; those that came back
        have their last observation, reward 0, truncated=True, and an info."""
        self.death, self._course = death.with_traceback(None), self._complete_step(death.workers)

    def after_reset(self, death: WorkerDiedError) -> None:
        """Complete a reset in which workers died: all their environments are reset, those outside of the mask too."""
        self.death, self._course = death.with_traceback(None), self._complete_reset(death.workers)

    def go_on(self, timeout: float | None) -> bool:
        """Go on with what has begun, if anything has: True when it is through, False after `timeout` seconds.

        Raises:
            Exception: they cannot be brought back.
            KeyboardInterrupt, or what else a signal handler raises: `go_on` goes on all the same.
        """
        if self._course is None:
            return True
        self._until = None if timeout is None else time.monotonic() + timeout
        for signalled in self._course:
            if signalled is not None:
                raise signalled
            return False
        self._course = self.death = None
        return True

    @property
    def is_under_way(self) -> bool:
        """Whether something has begun and can go on: it is not through, and nothing was raised in it."""
        return self._course is not None and inspect.getgeneratorstate(self._course) != inspect.GEN_CLOSED

    def _wait(self, wait: Callable[[float | None], bool]) -> Course:
        """Wait for something; what a signal handler raises is handed out, so that it does not end the course."""
        done = False
        while not done:
            signalled = None
            try:
                done = wait(None if self._until is None else max(0.0, self._until - time.monotonic()))
            except Exception:
                raise
            except BaseException as error:
                signalled = error
            if not done:
                yield signalled

    def _complete_step(self, workers: Sequence[int]) -> Course:
        rows = yield from self._replace(workers)
        results = self._last()
        for i in rows:
            results.reward[i], results.terminated[i], results.truncated[i] = 0.0, False, True
            results.infos[i] = ({RESTARTED: True},)
        if self._bank.autoreset_mode is AutoresetMode.SAME_STEP:
            ends = {i: {"final_obs": self._observation(i), "final_info": {RESTARTED: True}} for i in rows}
            yield from self._reset_again(dict.fromkeys(rows, (None, None)), lambda i: (ends[i], {RESTARTED: True}))

    def _complete_reset(self, workers: Sequence[int]) -> Course:
        asked = self._request.tolist()
        rows = yield from self._replace(workers)
        yield from self._reset_again({i: asked[i] or (None, None) for i in rows}, lambda i: ({RESTARTED: True},))

    def _replace(self, workers: Sequence[int]) -> Generator[BaseException | None, None, list[int]]:
        """Put others in the place of dead workers, and count the tag; their rows."""
        rows = [i for worker in workers for i in self._execution.rows_of(worker)]
        for i in rows:
            self._restarts[i] += 1
            self._bank.expect(i, _next_seed(self._seeds[i], self._restarts[i]))
        for worker in workers:
            self._start(worker)
        for worker in workers:
            yield from self._come_up(worker)
        self._execution.commit()
        return rows

    def _start(self, worker: int) -> None:
        last, times = self._deaths.get(worker, (self._execution.tag, 0))
        times = times + 1 if last >= self._execution.tag - 1 else 1
        self._deaths[worker] = self._execution.tag, times
        if times > IN_A_ROW:
            raise RuntimeError(f"worker {worker} died {times} times in a row")
        self._execution.replace(worker)

    def _come_up(self, worker: int) -> Course:
        """Wait for a worker that was started; one that dies meanwhile is started again."""
        while True:
            try:
                yield from self._wait(partial(self._execution.await_replaced, worker))
                return
            except WorkerDeath:
                self._start(worker)

    def _reset_again(self, requests: dict[int, Any], before: Callable[[int], tuple[dict[str, Any], ...]]) -> Course:
        """Reset some rows; the infos of the others stay, those of these rows follow what `before` says."""
        kept = self._last().infos.copy()
        told: dict[int, Any] = {}
        left = requests
        while left:
            for i in range(self._bank.rows):
                self._request[i] = left.get(i)
            lost = yield from self._reset_once(left)
            told |= {i: self._last().infos[i] for i in left if i not in lost}
            left = {i: left[i] for i in lost}
        infos = self._last().infos
        for i in range(self._bank.rows):
            infos[i] = (*before(i), *(told[i] or ())) if i in requests else kept[i]

    def _reset_once(self, requests: dict[int, Any]) -> Generator[BaseException | None, None, list[int]]:
        """Reset the rows that have a request; those of them whose worker died meanwhile."""
        while True:
            tag = self._execution.tag
            self._execution.begin("reset")
            try:
                yield from self._wait(self._finished)
            except WorkerDeath as death:  # who is not asked, and died now, comes back with the next command
                asked = [worker for worker in death.workers if self._has(worker, requests)]
                rows = yield from self._replace(asked)
                return [i for i in rows if i in requests]
            if self._execution.tag != tag:  # else a signal hid what has failed
                return []

    def _finished(self, timeout: float | None) -> bool:
        return not self._execution.begun or self._execution.finish(timeout)

    def _has(self, worker: int, requests: dict[int, Any]) -> bool:
        return any(i in requests for i in self._execution.rows_of(worker))

    def _observation(self, i: int) -> Any:
        """The last observation of environment i, as it gave it."""
        value = self._execution.read(self._bank.obs)[i]
        return value if self._bank.obs.dtype == object else unpack_row(self._bank.single_observation_space, value)

    def _last(self) -> Any:
        return self._slots[(self._execution.tag - 1) & 1]


def _next_seed(seed: int | None, restarts: int) -> int | None:
    return None if seed is None else int(np.random.SeedSequence([seed, restarts]).generate_state(1)[0])


def _sentence(worker: int, end: str, rows: dict[int, range], stepped: Sequence[int]) -> str:
    culprit = "".join(f" while it stepped environment {i}" for i in stepped if i in rows[worker])
    return f"worker {worker} {end}{culprit}, and with it went {_in_words(rows[worker])}"


def _in_words(rows: range) -> str:
    if len(rows) == 1:
        return f"environment {rows.start}"
    return f"environments {rows.start} to {rows.stop - 1}"
