"""Signals that come while they are held."""

import os
import signal
import threading
import time
from collections.abc import Iterator

import pytest

from reactvec.held_signals import held_signals


@pytest.fixture
def bystander() -> Iterator[None]:
    """A thread that takes what the main thread blocks, as those of numpy and torch do."""
    over = threading.Event()
    thread = threading.Thread(target=over.wait)
    thread.start()
    yield
    over.set()
    thread.join()


@pytest.mark.usefixtures("bystander")
def test_what_another_thread_takes_is_held_too() -> None:
    reached: list[str] = []

    def block() -> None:
        with held_signals({signal.SIGINT}):
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(0.01)
            reached.append("the end")
        reached.append("what follows")

    with pytest.raises(KeyboardInterrupt):
        block()
    assert reached == ["the end"]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


@pytest.mark.usefixtures("bystander")
def test_each_signal_that_was_held_comes_once_at_the_end() -> None:
    came: list[int] = []
    both = {signal.SIGUSR1, signal.SIGUSR2}
    before = {number: signal.signal(number, lambda number, _: came.append(number)) for number in both}
    try:
        with held_signals(signal.valid_signals()):
            for number in (*both, *both):
                os.kill(os.getpid(), number)
            time.sleep(0.01)
            assert came == []
        assert sorted(came) == sorted(both)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def test_an_error_of_the_block_ends_the_holding() -> None:
    with pytest.raises(ValueError, match="mine"), held_signals({signal.SIGINT}):
        raise ValueError("mine")
    assert signal.SIGINT not in signal.pthread_sigmask(signal.SIG_BLOCK, ())
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_threads_hold_them_from_what_they_start() -> None:
    masks: list[set[int]] = []

    def hold() -> None:
        with held_signals({signal.SIGINT}):
            masks.append(signal.pthread_sigmask(signal.SIG_BLOCK, ()))
        masks.append(signal.pthread_sigmask(signal.SIG_BLOCK, ()))

    thread = threading.Thread(target=hold)
    thread.start()
    thread.join()
    assert [signal.SIGINT in mask for mask in masks] == [True, False]
