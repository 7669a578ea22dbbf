"""Whether it pays to share environments with other processes: judged by the steps themselves."""

from __future__ import annotations

from reactvec.execution import Execution

WINDOW_STEPS = 32
WINDOWS = 4  # so many more must say that sharing does not pay than that it does
LEAST_GAIN = 0.9  # of the time that one process would need: what saves less is not worth another core
LIGHT_NS = 300_000  # a step of all environments that takes longer than this in one process is never brought back


class Sharing:
    """Compares, window by window, how long steps took with how long all environments were at work in them.

    The sum of the work is what one process would have needed for it. What is decided here changes speed alone.
    """

    def __init__(self, execution: Execution) -> None:
        self._execution = execution
        self._steps = 0
        self._losing = 0

    def loses(self) -> bool:
        """Count a step; True when one process would have been about as fast for several windows."""
        self._steps += 1
        if self._steps < WINDOW_STEPS:
            return False
        self._steps = 0
        took_ns, worked_ns = self._execution.work_ns()
        light = worked_ns < WINDOW_STEPS * LIGHT_NS
        self._losing = max(0, self._losing + (1 if light and took_ns > LEAST_GAIN * worked_ns else -1))
        return self._losing >= WINDOWS
