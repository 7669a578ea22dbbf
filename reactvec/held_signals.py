"""Moments in which no signal may come."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Iterable, Iterator


@contextlib.contextmanager
def held_signals(signals: Iterable[int]) -> Iterator[None]:
    """Hold these signals back from this thread, and from processes that it starts, until the end of the block."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    try:
        signal.pthread_sigmask(signal.SIG_BLOCK, signals)  # may raise what a signal of just before leads to
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
