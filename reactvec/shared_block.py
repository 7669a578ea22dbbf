"""Memory that processes share: anonymous, so that nothing is left behind however they end."""

from __future__ import annotations

import mmap
import os
import sys
import weakref
from multiprocessing import reduction
from typing import Any


class SharedBlock:
    """A zeroed block of memory that a process shares with those it starts (Linux: memfd, no name).

    It can be passed to a process of any start method until it is closed. Each process unmaps its own view when nothing
    there refers to it any more.
    """

    def __init__(self, size: int) -> None:
        if not hasattr(os, "memfd_create"):
            raise OSError(f"worker processes share memory by memfd_create, which {sys.platform} does not have")
        self._open(os.memfd_create("reactvec"), max(1, size))

    def _open(self, fd: int, size: int = 0) -> None:
        self._fd = fd
        self._close = weakref.finalize(self, os.close, fd)
        self._close.atexit = False
        if size:
            os.ftruncate(fd, size)
        self._map = mapped(fd, os.fstat(fd).st_size)

    @property
    def memory(self) -> memoryview:
        """The block as bytes."""
        return memoryview(self._map)

    def close(self) -> None:
        """Pass it to nobody any more; its memory stays where it is. Closing again does nothing."""
        self._fd = -1
        self._close()

    def __getstate__(self) -> Any:
        return reduction.DupFd(self._fd)

    def __setstate__(self, duplicate: Any) -> None:
        self._open(duplicate.detach())


def mapped(fd: int, size: int) -> mmap.mmap:
    """A file as memory; CPython before 3.13 keeps a descriptor of its own for as long."""
    if sys.version_info >= (3, 13):
        return mmap.mmap(fd, size, trackfd=False)
    return mmap.mmap(fd, size)
