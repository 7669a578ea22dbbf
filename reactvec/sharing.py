"""Whether it pays to share environments with other processes: judged by the steps themselves."""

from __future__ import annotations

import time

from reactvec.execution import Execution

WINDOW_STEPS = 32
WINDOWS = 4  # so many more must say that sharing does not pay than that it does
LEAST_SAVING = 0.1  # of the time that one process would need, and of that from step to step: less is not worth a core
LIGHT_NS = 300_000  # a step of all environments that takes longer than this in one process is never brought back


class Sharing:
    """Compares, window by window, how long steps took with how long all environments were at work in them.

    The sum of the work is what one process would have needed for it, and more where the caller's own work cools the
    caches of both; so what is hardly felt between two pieces of that work is no saving. What is decided here changes
    speed alone.
    """

    def __init__(self, execution: Execution) -> None:
        self._execution = execution
        self._steps = 0
        self._losing = 0
        self._window_began = time.monotonic_ns()

    def loses(self) -> bool:
        """Count a step; True when one process would have been about as fast for several windows."""
        self._steps += 1
        if self._steps < WINDOW_STEPS:
            return False
        self._steps = 0
        began, self._window_began = self._window_began, time.monotonic_ns()
        took_ns, worked_ns = self._execution.work_ns()
        light = worked_ns < WINDOW_STEPS * LIGHT_NS
        gains = worked_ns - took_ns >= LEAST_SAVING * max(worked_ns, self._window_began - began)
        self._losing = max(0, self._losing + (1 if light and not gains else -1))
        return self._losing >= WINDOWS
