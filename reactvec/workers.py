"""The life and death of worker threads."""

from __future__ import annotations

import threading
from collections.abc import Iterable

from reactvec._sched import Engine

JOIN_S = 5.0  # how long `stop` waits for a thread that is inside a reaction


class WorkerThreads:
    """One thread per worker but the caller; each keeps its thread state for life and serves commands until `stop`."""

    def __init__(self, engine: Engine, workers: Iterable[int]) -> None:
        self._engine = engine
        self._threads = [
            threading.Thread(target=engine.serve, args=(worker,), name=f"reactvec-{worker}", daemon=True)
            for worker in workers
        ]
        try:
            for thread in self._threads:
                thread.start()
        except BaseException:  # no more threads to be had: those that run must not stay
            self.stop()
            raise

    def stop(self) -> None:
        """End all threads; one that hangs in a reaction is left behind after `JOIN_S` and ends when that returns."""
        self._engine.abort()
        for thread in self._threads:
            if thread.ident is not None and thread is not threading.current_thread():
                thread.join(JOIN_S)
