"""A compiled program as data: plain arrays and tuples that say what each worker does. Holds no object, runs nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

import numpy as np
import numpy.typing as npt

from reactvec.topology import STEP, Timing


class Op(IntEnum):
    """What a row of a worker's program says. The columns after the operation:

    EXEC     reaction, lo, hi, period, offset, unit: run rows [lo, hi); period and offset are in 1/unit tags
    PUBLISH  number: tell the others that everything up to here is done; number counts from 1 in each tag
    AWAIT    worker, number, back: wait until `worker` has passed its PUBLISH `number`, `back` tags ago
    ADVANCE  end of the tag
    """

    EXEC = 0
    PUBLISH = 1
    AWAIT = 2
    ADVANCE = 3


COLUMNS = 7
ALIGNMENT = 128  # bytes, of slots in the arena; two cache lines, since some processors fetch them in pairs


@dataclass(frozen=True)
class Slab:
    """Where the values of an output port (or of an input that the caller feeds) live: `slots` slabs `[rows, *shape]`.

    The value of tag t is in slot t mod slots; what belongs to no tag has one slot. `offset` and `stride` (bytes, from
    one slot to the next) place it in the arena; an object slab has offset -1 and lives in its process. `flags` is the
    offset of its presence flags (`slots` times `rows` bytes), or -1 where it is always present.
    """

    name: str
    rows: int
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    slots: int
    offset: int
    stride: int
    flags: int
    external: bool
    present_before_start: bool


@dataclass(frozen=True)
class Access:
    """How a reaction uses a slab: with which delay (tags), as what, and which of the slab's rows it sees."""

    slab: int
    delay: int
    role: str  # "trigger", "source" or "effect"
    rows: str  # "own": those of the range that runs, or "all"
    row_shape: tuple[int, ...] | None  # what one own row looks like; None: the slab's whole row 0
    flags: bool  # the presence flags instead of the values


@dataclass(frozen=True)
class ScheduledReaction:
    """A reaction in the schedule; `kernel` is `module:attribute`, which each process resolves for itself."""

    reactor: str
    name: str
    kernel: str
    native: bool
    on: str
    bank: int | None
    level: int
    timing: Timing
    accesses: tuple[Access, ...]
    guards: tuple[tuple[int, int], ...]  # (slab, delay) of its triggers, where all of them can be absent

    @property
    def effects(self) -> tuple[Access, ...]:
        """Its accesses that write values."""
        return tuple(access for access in self.accesses if access.role == "effect" and not access.flags)

    def __str__(self) -> str:
        return f"{self.reactor}.{self.name}"


@dataclass(frozen=True)
class Program:
    """What the workers do in one tag of one command: per worker an int64 array `[instructions, 7]`, see `Op`."""

    command: str
    code: tuple[npt.NDArray[np.int64], ...]
    publishes: tuple[int, ...]


@dataclass(frozen=True)
class Schedule:
    """The compiled form of a topology for a number of workers (caller included)."""

    workers: int
    reactions: tuple[ScheduledReaction, ...]
    slabs: tuple[Slab, ...]
    initial: Mapping[int, Any]  # slab -> the value of its delayed readers before the first tag
    programs: Mapping[str, Program]
    arena_bytes: int
    asides: frozenset[str]  # commands that take no tag
    carried: Mapping[str, tuple[int, ...]]  # command -> the slabs that it starts from the values of the tag before

    def __post_init__(self) -> None:
        for program in self.programs.values():
            for code in program.code:
                code.flags.writeable = False

    def explain(self, command: str | None = None) -> str:
        """What each worker does, in which order, and where it synchronises; of one command or of all."""
        from reactvec.explanation import explain

        return explain(self, command)

    def to_mermaid(self, command: str = STEP) -> str:
        """The reactions of one command and what flows between them, as a Mermaid flowchart."""
        from reactvec.explanation import to_mermaid

        return to_mermaid(self, command)

    def to_dot(self, command: str = STEP) -> str:
        """The same as Graphviz source."""
        from reactvec.explanation import to_dot

        return to_dot(self, command)

    def first_reaction(self, command: str, worker: int) -> tuple[int, int, int]:
        """What a worker runs first in a command: its index and the rows [lo, hi)."""
        return next((index, lo, hi) for op, (index, lo, hi, *_) in self.instructions(command, worker) if op is Op.EXEC)

    def instructions(self, command: str, worker: int) -> Iterator[tuple[Op, tuple[int, ...]]]:
        """The program of one worker, decoded."""
        for op, *operands in self.programs[command].code[worker].tolist():
            yield Op(op), tuple(operands)
