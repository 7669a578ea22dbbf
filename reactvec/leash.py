"""What ends a process when the one that started it ends, however that happens."""

from __future__ import annotations

import contextlib
import fcntl
import os
import select
import signal
import weakref
from multiprocessing import reduction
from typing import Any


class Leash:
    """A pipe whose writing end one process holds, and whose reading end another is bound to.

    When the holder ends, the kernel closes its end, and the bound process gets a SIGKILL at once, whatever it is doing.
    """

    def __init__(self) -> None:
        self._end, self._held = os.pipe2(os.O_CLOEXEC)
        _leashes.add(self)

    def bind(self) -> None:
        """Bind this process to the holder."""
        fcntl.fcntl(self._end, fcntl.F_SETOWN, os.getpid())
        fcntl.fcntl(self._end, fcntl.F_SETSIG, signal.SIGKILL)
        fcntl.fcntl(self._end, fcntl.F_SETFL, os.O_ASYNC | os.O_NONBLOCK)
        if select.select([self._end], [], [], 0)[0]:  # the holder ended before
            os.kill(os.getpid(), signal.SIGKILL)

    def handed_over(self) -> None:
        """Close the holder's copy of the other end, once the process that it was made for runs."""
        os.close(self._end)
        self._end = -1

    def loosen(self) -> None:
        """Let go in a process that is not the holder: a copy of the writing end there would keep the leash tight."""
        if self._held >= 0:
            os.close(self._held)
            self._held = -1

    def close(self) -> None:
        """Close the holder's ends; whoever is still bound is killed."""
        if self._end >= 0:
            self.handed_over()
        self.loosen()

    def __getstate__(self) -> Any:
        return reduction.DupFd(self._end)

    def __setstate__(self, duplicate: Any) -> None:
        self._end, self._held = duplicate.detach(), -1


_leashes: weakref.WeakSet[Leash] = weakref.WeakSet()


def _loosen_in_child() -> None:
    for leash in list(_leashes):
        with contextlib.suppress(OSError):
            leash.loosen()


os.register_at_fork(after_in_child=_loosen_in_child)
