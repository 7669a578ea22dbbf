"""FolderLock: one process at a time writes to a folder."""

from __future__ import annotations

import fcntl
import os
import time
import weakref
from pathlib import Path
from typing import Final

PATIENCE: Final = 5.0  # seconds in which a process that was killed is gone, however much it held


class FolderLock:
    """Held as long as it is referred to; ends with the process, however that ends. What it forks has none."""

    def __init__(self, descriptor: int) -> None:
        self.close = weakref.finalize(self, os.close, descriptor)

    @property
    def holds(self) -> bool:
        """Whether it was not closed, as it is in what is forked."""
        return self.close.alive


_held: weakref.WeakValueDictionary[tuple[int, int], FolderLock] = weakref.WeakValueDictionary()


def _close_in_child() -> None:
    """A copy of the descriptor would hold the lock for as long as the child lives."""
    for lock in list(_held.values()):
        lock.close()
    _held.clear()


os.register_at_fork(after_in_child=_close_in_child)


def lock_folder(folder: Path, patience: float, *, shared: bool = True) -> FolderLock | None:
    """The lock of a folder; None if somebody else still has it after `patience` seconds: another process, or, unless it
    is `shared`, this one.

    Where the file system has no locks, each process gets one. OSError if there is no such folder.
    """
    deadline = time.monotonic() + patience
    while (lock := _try_to_lock(folder, shared)) is None and time.monotonic() < deadline:
        time.sleep(0.05)
    return lock


def _try_to_lock(folder: Path, shared: bool) -> FolderLock | None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        status = os.fstat(descriptor)
        key = (status.st_dev, status.st_ino)
        if (held := _held.get(key)) is not None:
            return held if shared else None
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return None
        except OSError:  # no locks here
            pass
        _held[key] = lock = FolderLock(os.dup(descriptor))  # which has the same lock
        return lock
    finally:
        os.close(descriptor)
