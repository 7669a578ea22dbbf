"""A function that runs in a process of its own, and what it sends back."""

from __future__ import annotations

import multiprocessing
import pickle
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any, TypeAlias

import cloudpickle

from reactvec.descriptors import enough_descriptors
from reactvec.leash import Leash
from reactvec.process_worker import ByValue, settle
from reactvec.processes import GRACE_S, ProcessOptions, end_in_words, let_go, start_quietly
from reactvec.remote_error import pack_error, unpack_error

Send: TypeAlias = "Callable[[object], None]"


class ErrandCutShortError(RuntimeError):
    """The process ended before it sent what was waited for, or took too long; the message says so."""


class Errand:
    """Runs `function(send)` in a process that is over, at the latest, `GRACE_S` seconds after the block.

    An exception that leaves the block, and the end of the caller, kill the process at once.
    """

    def __init__(self, function: Callable[[Send], None], options: ProcessOptions) -> None:
        method = multiprocessing.get_context(options.context)
        with enough_descriptors(1, starting=1):
            self._leash = Leash()
            self._ours, theirs = method.Pipe(duplex=False)
        self._process = method.Process(  # type: ignore[attr-defined]
            target=_run, args=(ByValue(function), theirs, self._leash), daemon=options.daemon
        )
        try:
            start_quietly(self._process, method.get_start_method())
            self._leash.handed_over()
        except BaseException:
            self._close()
            raise
        finally:
            theirs.close()

    def receive(self, timeout: float | None = None) -> Any:
        """The next value that the function sends.

        Raises:
            Exception: what the function raised.
            ErrandCutShortError: the process ended, or nothing came for `timeout` seconds.
        """
        if not self._ours.poll(timeout):
            raise ErrandCutShortError(f"took longer than {timeout:.0f} s")
        try:
            kind, data = self._ours.recv()
        except EOFError:
            raise ErrandCutShortError(end_in_words(self._process)) from None
        if kind == "error":
            self._process.join(GRACE_S)
            raise unpack_error(data)
        return pickle.loads(data)

    def __enter__(self) -> Errand:
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        try:
            if kind is None:
                self._process.join(GRACE_S)  # time to clean up
        finally:
            self._close()

    def _close(self) -> None:
        self._ours.close()
        self._leash.close()  # which ends the process
        if self._process.pid is not None:
            let_go(self._process)


def _run(function: ByValue, pipe: Connection, leash: Leash) -> None:
    settle(leash)
    try:
        function.value(lambda value: pipe.send(("value", cloudpickle.dumps(value))))
    except BaseException as error:
        pipe.send(("error", pack_error(error)))
