"""What becomes of environments whose worker process died: they are named, or they come back."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from gymnasium.vector import AutoresetMode

from reactvec.env_bank import EnvBank
from reactvec.execution import Execution
from reactvec.port_types import unpack_row
from reactvec.processes import AT_START, WorkerDiedError, rows_of
from reactvec.schedule import Schedule

Array = npt.NDArray[Any]
RESTARTED = "worker_restarted"  # the info key of environments that came back
IN_A_ROW = 3  # so many steps or resets one after another may lose the same worker


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
    except WorkerDiedError as death:
        rows = {worker: rows_of(schedule, worker) for worker in death.workers}
        raise EnvironmentsLostError(death, rows, AT_START) from None


class Recovery:
    """Brings the environments of dead workers back, each with a seed drawn from the one that it was reset with last.

    A worker that dies in more than `IN_A_ROW` steps or resets one after another is given up, with a RuntimeError.
    """

    def __init__(self, bank: EnvBank, execution: Execution, requests: Array, slots: Sequence[tuple[Any, ...]]) -> None:
        self._bank, self._execution, self._requests, self._slots = bank, execution, requests, slots
        self._seeds: list[int | None] = [None] * bank.rows
        self._restarts = [0] * bank.rows
        for running in execution.slots(bank.running):
            running.fill(-1)  # before the first step, too, for `in_step`
        self._deaths: dict[int, tuple[int, int]] = {}  # worker: the tag of its last death, how many came in a row

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
        rows = self._replace(death.workers)
        _, reward, terminated, truncated, _, infos = self._last()
        for i in rows:
            reward[i], terminated[i], truncated[i] = 0.0, False, True
            infos[i] = ({RESTARTED: True},)
        if self._bank.autoreset_mode is AutoresetMode.SAME_STEP:
            ends = {i: {"final_obs": self._observation(i), "final_info": {RESTARTED: True}} for i in rows}
            self._reset_again(dict.fromkeys(rows, (None, None)), lambda i: (ends[i], {RESTARTED: True}))

    def after_reset(self, death: WorkerDiedError) -> None:
        """Complete a reset in which workers died: all their environments are reset, those outside of the mask too."""
        asked = self._requests.tolist()
        again = {i: asked[i] or (None, None) for i in self._replace(death.workers)}
        self._reset_again(again, lambda i: ({RESTARTED: True},))

    def _replace(self, workers: Iterable[int]) -> list[int]:
        """Put others in the place of dead workers, and count the tag; their rows."""
        self._count(workers)
        rows = [i for worker in workers for i in self._execution.rows_of(worker)]
        for i in rows:
            self._restarts[i] += 1
            self._bank.expect(i, _next_seed(self._seeds[i], self._restarts[i]))
        for worker in workers:
            self._execution.replace(worker)
        self._execution.commit()
        return rows

    def _count(self, workers: Iterable[int]) -> None:
        for worker in workers:
            last, times = self._deaths.get(worker, (self._execution.tag, 0))
            times = times + 1 if last == self._execution.tag - 1 else 1
            self._deaths[worker] = self._execution.tag, times
            if times > IN_A_ROW:
                raise RuntimeError(f"worker {worker} died in {times} steps or resets one after another")

    def _reset_again(self, requests: dict[int, Any], before: Callable[[int], tuple[dict[str, Any], ...]]) -> None:
        """Reset some rows; the infos of the others stay, those of these rows follow what `before` says."""
        kept = self._last()[-1].copy()
        for i in range(self._bank.rows):
            self._requests[i] = requests.get(i)
        lost = True
        while lost:
            lost = False
            try:
                self._execution.command("reset")
            except WorkerDiedError as death:  # who is not asked, and died now, comes back with the next command
                lost = bool(self._replace([worker for worker in death.workers if self._has(worker, requests)]))
        infos = self._last()[-1]
        for i in range(self._bank.rows):
            infos[i] = (*before(i), *(infos[i] or ())) if i in requests else kept[i]

    def _has(self, worker: int, requests: dict[int, Any]) -> bool:
        return any(i in requests for i in self._execution.rows_of(worker))

    def _observation(self, i: int) -> Any:
        """The last observation of environment i, as it gave it."""
        value = self._execution.read(self._bank.obs)[i]
        return value if self._bank.obs.dtype == object else unpack_row(self._bank.single_observation_space, value)

    def _last(self) -> tuple[Any, ...]:
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
