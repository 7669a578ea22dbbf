from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

class Binding(Protocol):
    """What an EXEC instruction runs in this process, and on what."""

    name: str
    kernel: Any  # a capsule, see _kernel.pxd, or None
    callable: Any  # the bound method where there is no kernel
    arguments: list[tuple[Any, ...]]  # of the callable, one tuple per slot
    row_arguments: list[tuple[Any, ...]]  # with guards on a bank: per slot one tuple for each row; else empty
    addresses: npt.NDArray[np.uintp]  # [slots, ports + guards + effects]
    lengths: npt.NDArray[np.int64]  # bytes of the flags of guards and effects
    ports: int
    guards: int
    level: int  # of the reaction: its place in logical time, within a tag
    bank: bool  # guards hold row by row
    memory: Any  # what the addresses point into, kept alive for a worker that is left behind in a reaction

DONE: int
FAILED: int
PENDING: int

Failure = tuple[int, int, int, int, int, BaseException | None]  # tag, reaction, lo, hi, code, exception

class Engine:
    """The workers of one schedule: their programs, clocks and the control word."""

    tag: int  # that the next command runs as

    def __init__(self, workers: int, commands: int, may_spin: bool) -> None: ...
    def load(
        self,
        command: int,
        worker: int,
        code: npt.NDArray[np.int64],
        bindings: list[Any],
        publishes: tuple[int, ...],
        counts: bool = True,
    ) -> None: ...
    def run(self, command: int, cycles: int, prepare: Callable[[], None] | None = None) -> int: ...
    def begin(self, command: int, cycles: int, prepare: Callable[[], None] | None = None) -> int: ...
    def finish(self, timeout_ns: int = 0) -> int: ...
    def serve(self, worker: int) -> None: ...
    def run_alone(self, worker: int, command: int) -> list[Failure]: ...
    def commit(self) -> None: ...
    def interruption(self) -> BaseException | None: ...
    def take_failures(self) -> list[Failure]: ...
    def forget_failures(self) -> None: ...
    def abort(self) -> None: ...
    def disown(self) -> None: ...
    @property
    def command(self) -> int: ...
    @property
    def last_tag(self) -> int: ...
    @property
    def aborted(self) -> bool: ...
    @property
    def busy(self) -> bool: ...
    @property
    def begun(self) -> bool: ...  # a command waits for finish()
