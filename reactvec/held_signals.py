"""Moments in which no signal may come."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Collection, Iterator


@contextlib.contextmanager
def held_signals(signals: Collection[int]) -> Iterator[None]:
    """Hold these signals back from this thread, and from processes that it starts, until the end of the block.

    What this thread blocks another one may take, as those of numpy and torch do, and the handler runs in the main
    thread all the same. There, handlers give way to one that takes notes; what was noted comes at the end.
    """
    noted: set[int] = set()
    with contextlib.ExitStack() as stack:  # its last callback runs first
        stack.callback(signal.pthread_sigmask, signal.SIG_SETMASK, signal.pthread_sigmask(signal.SIG_BLOCK, ()))
        signal.pthread_sigmask(signal.SIG_BLOCK, signals)  # may raise what a signal of just before leads to
        stack.callback(_raise_all, noted)
        if threading.current_thread() is threading.main_thread():
            for number in signals:
                handler = signal.getsignal(number)
                if callable(handler):
                    stack.callback(signal.signal, number, handler)
                    signal.signal(number, lambda number, _: noted.add(number))
        yield


def _raise_all(signals: set[int]) -> None:
    for number in signals:
        signal.raise_signal(number)
