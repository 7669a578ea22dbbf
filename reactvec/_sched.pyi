from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

class Binding(Protocol):
    """What an EXEC instruction runs in this process, and on what."""

    kernel: Any  # a capsule, see _kernel.pxd, or None
    callable: Any  # the bound method where there is no kernel
    arguments: list[tuple[Any, ...]]  # of the callable, one tuple per slot
    addresses: npt.NDArray[np.uintp]  # [slots, ports + guards + effects]
    lengths: npt.NDArray[np.int64]  # bytes of the flags of guards and effects
    ports: int
    guards: int

class Engine:
    """The workers of one schedule in this process: their programs, clocks and the control word."""

    def __init__(self, workers: int, commands: int, may_spin: bool) -> None: ...
    def load(
        self,
        command: int,
        worker: int,
        code: npt.NDArray[np.int64],
        bindings: list[Any],
        publishes: tuple[int, ...],
    ) -> None: ...
    def run(self, command: int, cycles: int, tag: int) -> bool: ...
    def begin(self, command: int, cycles: int, tag: int) -> None: ...
    def finish(self) -> bool: ...
    def serve(self, worker: int) -> None: ...
    def failures(self) -> list[tuple[int, int, int, int, int, BaseException | None]]: ...
    def abort(self) -> None: ...
    @property
    def aborted(self) -> bool: ...
