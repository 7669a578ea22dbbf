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

    It can be passed to a process of any start method. One process may `grow` it; the others `follow`. Each process
    unmaps its own view when nothing there refers to it any more.
    """

    def __init__(self, size: int) -> None:
        if not hasattr(os, "memfd_create"):
            raise OSError(f"worker processes share memory by memfd_create, which {sys.platform} does not have")
        self._open(os.memfd_create("reactvec"), max(1, size))

    def _open(self, fd: int, size: int) -> None:
        self._fd = fd
        self._close = weakref.finalize(self, os.close, fd)
        self._close.atexit = False
        if os.fstat(fd).st_size < size:
            os.ftruncate(fd, size)
        self._map = mmap.mmap(fd, os.fstat(fd).st_size)

    @property
    def memory(self) -> memoryview:
        """The block as bytes; a view of before the last `grow` or `follow` shows the same memory, its beginning."""
        return memoryview(self._map)

    def grow(self, size: int) -> None:
        """Make it at least as large as this."""
        if len(self._map) < size:
            os.ftruncate(self._fd, size)
            self._map = mmap.mmap(self._fd, size)

    def follow(self, size: int) -> None:
        """See at least so much of it, after another process made it grow."""
        if len(self._map) < size:
            self._map = mmap.mmap(self._fd, os.fstat(self._fd).st_size)

    def __getstate__(self) -> Any:
        return reduction.DupFd(self._fd)

    def __setstate__(self, duplicate: Any) -> None:
        self._open(duplicate.detach(), 1)
