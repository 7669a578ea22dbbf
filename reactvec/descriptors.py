"""File descriptors that worker processes cost the process that starts them."""

from __future__ import annotations

import contextlib
import errno
import os
import resource
from collections.abc import Iterator

EACH = 4  # for as long as a worker lives: its leash, its pidfd, and two pipes of multiprocessing
AT_START = 8  # more than any start method takes besides, for a moment


@contextlib.contextmanager
def enough_descriptors(workers: int, starting: int) -> Iterator[None]:
    """Refuse to start so many of these workers where there are too few descriptors; say how many they need.

    That is asked before the first one starts: multiprocessing loses the pipes that it has made when it gets no more.
    """
    try:
        _reserve(starting * EACH + AT_START)
        yield
    except OSError as error:
        if error.errno != errno.EMFILE:
            raise
        allowed = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        raise OSError(
            errno.EMFILE,
            f"{os.strerror(errno.EMFILE)}: each worker process takes {EACH} file descriptors of this one, {workers} of "
            f"them {workers * EACH}, besides those that are open already, and it may have {allowed} in all; raise that "
            "by `ulimit -n`, or use fewer workers",
        ) from error


def _reserve(number: int) -> None:
    """Hold so many descriptors for a moment."""
    with contextlib.ExitStack() as held:
        first = os.open(os.devnull, os.O_RDONLY)
        held.callback(os.close, first)
        for _ in range(number - 1):
            held.callback(os.close, os.dup(first))
