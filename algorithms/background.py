"""Work that goes on beside the program, and whose result a later tag takes up."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait

from .progress import torch_threads


class Background:
    """One thread that does one thing at a time. `settle` waits for it, so a program that settles at a stated tag does
    not depend on how long it took.
    """

    def __init__(self, threads: int) -> None:
        self._threads = threads
        self._pool: ThreadPoolExecutor | None = None
        self._work: Future[None] | None = None

    def start(self, work: Callable[[], None]) -> None:
        """Begin; what was begun before is waited for first."""
        self.settle()
        if self._pool is None:
            self._pool = ThreadPoolExecutor(1, "reactvec-learner")
        self._work = self._pool.submit(self._run, work)

    def _run(self, work: Callable[[], None]) -> None:
        with torch_threads(self._threads):  # torch counts them for each thread
            work()

    def settle(self) -> None:
        """Wait for the work, if there is any; its exception is raised here, once."""
        if self._work is not None:
            wait([self._work])  # who interrupts this leaves it to be waited for
            work, self._work = self._work, None
            work.result()

    def close(self) -> None:
        """Wait, and end the thread."""
        try:
            self.settle()
        finally:
            if self._pool is not None:
                self._pool.shutdown()
                self._pool = None
