"""What a program is: reactors, their ports and reactions, and how they are connected. Describes; runs nothing.

The model is the reactor model (Lohstroh, Lee et al.; used for reinforcement learning by Kwok, Lohstroh, Lee,
SPAA 2024) as far as reinforcement learning needs it.

    class Counter(Reactor):
        count = InputPort((), np.int64)
        next_count = OutputPort((), np.int64)

        @reaction(triggers=[count], effects=[next_count])
        def increment(self, count, next_count):
            next_count[()] = count + 1

    topology = Topology()
    counter = topology.add("counter", Counter())
    topology.connect(counter.next_count, counter.count, delay=1, initial=0)
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, ClassVar, Final, TypeAlias, TypeVar

import numpy as np
import numpy.typing as npt

STEP: Final = "step"
STARTUP: Final = "startup"
SHUTDOWN: Final = "shutdown"

FINEST: Final = 1_000_000  # denominator of periods and offsets; tag * FINEST must fit 64 bits
LONGEST: Final = 1_000_000_000_000  # tags
LONGEST_DELAY: Final = 1 << 16  # tags; each has a slot, and a table of addresses for each slot

PortType: TypeAlias = "tuple[tuple[int, ...], npt.DTypeLike]"
R = TypeVar("R", bound="Reactor")
F = TypeVar("F", bound=Callable[..., Any])


class TopologyError(ValueError):
    """A topology that cannot be compiled; the message names reactor, port and remedy."""


class CausalityLoop(TopologyError):
    """Reactions of one tag that wait for each other; the message is the path."""


class Port:
    """A typed place where a reactor receives or offers a value at each tag.

    `shape` and `dtype` are those of one row; the port of a bank of N is one slab `[N, *shape]`. The dtype may be
    structured (nested observations) or `object` (Python values, which stay in this process).
    Declared in the class body; `Reactor.__init__` makes a bound copy per reactor.
    """

    def __init__(self, shape: Sequence[int] = (), dtype: npt.DTypeLike = np.float64) -> None:
        self.shape: tuple[int, ...] = tuple(int(size) for size in shape)
        self.dtype: np.dtype[Any] = np.dtype(dtype)
        if any(size < 0 for size in self.shape):
            raise TopologyError(f"port shape {self.shape}: give sizes >= 0")
        if self.dtype.kind in "SU" and not self.dtype.itemsize:
            raise TopologyError(f"port dtype {dtype!r} has no size; give a length, or use object")
        self.name = ""
        self.reactor: Reactor | None = None

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    def __str__(self) -> str:
        return f"{self.reactor.name if self.reactor else '?'}.{self.name}"

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self}: {self.shape} {self.dtype}>"

    def _bind(self: P, reactor: Reactor, port_type: PortType | None) -> P:
        bound = copy.copy(self) if port_type is None else type(self)(*port_type)
        bound.name, bound.reactor = self.name, reactor
        return bound


P = TypeVar("P", bound=Port)


class InputPort(Port):
    """A port that one connection, or the caller (`Topology.external`), feeds."""


class OutputPort(Port):
    """A port that one reaction writes."""


@dataclass(frozen=True)
class Presence:
    """The presence flags of a port, bool, one per row: readable as a source, writable as an effect.

    Every effect of a reaction that runs is present at that tag, unless the reaction clears its flag.
    """

    port: Port


def present(port: Port) -> Presence:
    """Name the presence flags of `port` among the sources or effects of a reaction."""
    return Presence(port)


PortUse: TypeAlias = "Port | Presence"


@dataclass(frozen=True)
class Timing:
    """When a periodic reaction fires: at the first tag at or after `offset + k * period`, k = 0, 1, 2, ... (tags).

    A period that is no whole number carries its remainder: with period 5/2 it fires at tags 0, 3, 5, 8, 10, ...
    With a period below one it is due more than once in a tag; it runs once, and `count` says how often it was due.
    """

    period: Fraction = Fraction(1)
    offset: Fraction = Fraction(0)

    def due(self, tag: int) -> int:
        """How often the reaction has become due in tags 0 to `tag`, both included."""
        return 0 if tag < self.offset else int((tag - self.offset) // self.period) + 1

    def count(self, tag: int) -> int:
        """How often the reaction becomes due at `tag`; it runs where this is positive."""
        return self.due(tag) - self.due(tag - 1)


Duration: TypeAlias = "int | Fraction | str"


@dataclass(frozen=True)
class Reaction:
    """What a reactor does at a tag, and the ports that it does it with, in the order in which its body gets them."""

    name: str
    triggers: tuple[PortUse, ...]
    sources: tuple[PortUse, ...]
    effects: tuple[PortUse, ...]
    on: str
    period: Duration
    offset: Duration
    native: bool
    whole: bool

    @property
    def uses(self) -> tuple[PortUse, ...]:
        """All of them, in the order in which the body gets them."""
        return self.triggers + self.sources + self.effects


def reaction(
    *,
    triggers: Sequence[PortUse] = (),
    sources: Sequence[PortUse] = (),
    effects: Sequence[PortUse] = (),
    on: str = STEP,
    period: Duration = 1,
    offset: Duration = 0,
    native: bool = False,
    whole: bool = False,
) -> Callable[[F], F]:
    """Declare a method as a reaction.

    It runs at every tag at which it is due and one of its triggers is present (every due tag without triggers), a bank
    row by row: where only some rows have a trigger, the body may be called once for each of them. Its
    body gets one array per port, in the order triggers, sources, effects: of a plain reactor `[*shape]` (a scalar is a
    0-d array: read and write `x[()]`); of a bank first a `range` of rows, then `[len(rows), *shape]` views of just
    those rows. An input that gathers a bank, or is broadcast to one, comes whole. Inputs are read-only.

    `on` names the command that runs it: "step" (each tag of `advance`), "startup" and "shutdown" (once), or a name
    of your own (`Execution.command`). `period` and `offset` are in tags: an int, a Fraction, or the name of an
    attribute of the reactor that holds one. A `native` method is called once per process, when a schedule is bound, and
    returns the kernel (a capsule, see `_kernel.pxd`) that runs in its place.

    A command of your own is a tag like a step, which starts from the values of the tag before: its reactions may leave
    rows as they are, unless they are `whole` and promise to write all, as those of steps do. It is an aside where its
    reactions read external inputs alone (or what asides wrote, undelayed) and write only what no command but asides
    touches: it takes no tag, costs no copy, and what it wrote stays until asides write there again, or fail to.
    """
    for what, value, least in (("period", period, 1), ("offset", offset, 0)):
        if not isinstance(value, str):
            _check_duration("reaction", what, value, least)

    def declare(method: F) -> F:
        method.__reaction__ = Reaction(  # type: ignore[attr-defined]
            method.__name__, tuple(triggers), tuple(sources), tuple(effects), on, period, offset, native, whole
        )
        return method

    return declare


def _check_duration(who: str, what: str, value: object, least: int) -> Fraction:
    if not isinstance(value, int | Fraction) or isinstance(value, bool):
        raise TopologyError(f"{who}: {what}={value!r} must be a whole number of tags or a Fraction")
    if value < 0 or (least and value == 0):
        raise TopologyError(f"{who}: {what}={value} must be {'above 0' if least else '0 or more'} (tags)")
    return Fraction(value)


_STATE = ("name", "bank", "ports")  # what a Reactor sets on itself


class Reactor:
    """State, ports and reactions; with `bank=N` one object that stands for N like reactors, row by row.

    `port_types` give the shape and dtype of declared ports that are known only now: `super().__init__(obs=((4,),
    np.float32))`. Reactions of one reactor never run at the same time for the same row, in the order of declaration.
    """

    _declared: ClassVar[tuple[Port, ...]] = ()
    reactions: ClassVar[tuple[Reaction, ...]] = ()

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        own = [name for name, value in vars(cls).items() if isinstance(value, Port) or hasattr(value, "__reaction__")]
        taken = [name for name in own if hasattr(Reactor, name) or name in _STATE]
        if taken:
            raise TopologyError(f"{cls.__name__}.{taken[0]} hides what every reactor has; give it another name")
        members = {name: value for base in reversed(cls.__mro__) for name, value in vars(base).items()}
        cls._declared = tuple(value for value in members.values() if isinstance(value, Port))
        cls.reactions = tuple(value.__reaction__ for value in members.values() if hasattr(value, "__reaction__"))

    def __init__(self, *, bank: int | None = None, **port_types: PortType) -> None:
        if bank is not None and (not isinstance(bank, int) or isinstance(bank, bool) or bank < 1):
            raise TopologyError(f"{type(self).__name__}: bank={bank!r} must be a whole number >= 1, or None")
        self.name = ""
        self.bank = bank
        self.ports: dict[str, Port] = {}
        for port in self._declared:
            self.ports[port.name] = port._bind(self, port_types.pop(port.name, None))
            setattr(self, port.name, self.ports[port.name])
        if port_types:
            raise TopologyError(
                f"{type(self).__name__} has no port {next(iter(port_types))!r}; it has {list(self.ports)}"
            )

    @property
    def rows(self) -> int:
        """Rows of its ports: N of a bank, else 1."""
        return self.bank or 1

    def timing(self, entry: Reaction) -> Timing:
        """The period and offset of a reaction of this reactor, attribute names resolved.

        Raises:
            TopologyError: not a duration, or one that no 64-bit count of tags can carry.
        """
        who = f"{self.name or type(self).__name__}.{entry.name}"
        values = []
        for what, value, least in (("period", entry.period, 1), ("offset", entry.offset, 0)):
            resolved = getattr(self, value) if isinstance(value, str) else value
            values.append(_check_duration(who, what, resolved, least))
        if math.lcm(*(value.denominator for value in values)) > FINEST or max(values) > LONGEST:
            raise TopologyError(
                f"{who}: period={values[0]}, offset={values[1]}: tags are counted in parts of 1/{FINEST:,} at the "
                f"finest, and up to {LONGEST:,}; use Fraction.limit_denominator"
            )
        return Timing(*values)

    def fault(self, entry: Reaction, code: int, ports: Sequence[npt.NDArray[Any]]) -> Exception:
        """The exception for a positive `code` that a native kernel returned; `ports` are the whole slabs it ran on."""
        return RuntimeError(f"{self.name}.{entry.name}: kernel failed with code {code}")


@dataclass(frozen=True)
class Connection:
    """`target` receives at tag t what `source` got at tag t - delay; `initial` is what it receives before that."""

    source: OutputPort
    target: InputPort
    delay: int
    initial: Any


NOTHING: Final = object()  # a connection without an initial value: the input is absent until the first value arrives


class Topology:
    """The reactors of a program and how they are connected; fixed before it runs."""

    def __init__(self) -> None:
        self.reactors: dict[str, Reactor] = {}
        self.connections: list[Connection] = []
        self.externals: list[InputPort] = []

    def add(self, name: str, reactor: R) -> R:
        """Add a reactor under a name that is new here; returns it."""
        if not hasattr(reactor, "ports"):
            raise TopologyError(f"{name}: {type(reactor).__name__}.__init__ must call super().__init__()")
        if name in self.reactors:
            raise TopologyError(f"two reactors named {name!r}: give each a name of its own")
        if reactor.name:
            raise TopologyError(f"{name}: this reactor is already in a topology, as {reactor.name!r}; make another")
        reactor.name = name
        self.reactors[name] = reactor
        return reactor

    def connect(self, source: OutputPort, target: InputPort, *, delay: int = 0, initial: Any = NOTHING) -> None:
        """Connect an output to an input; `delay` in tags.

        `initial` (broadcast to the slab) is what is received before tag `delay`.
        Without `initial` the input is absent until then, or gets what a startup reaction wrote (startup is tag -1).
        Bank to bank connects row by row; a bank to one is gathered (`[N, *shape]`); one to a bank is broadcast.
        """
        if not isinstance(source, OutputPort) or not isinstance(target, InputPort):
            raise TopologyError(f"connect({source}, {target}): connect an output port to an input port")
        if not isinstance(delay, int) or isinstance(delay, bool) or delay < 0:
            raise TopologyError(f"{source} -> {target}: delay={delay!r} must be a whole number of tags, 0 or more")
        if delay > LONGEST_DELAY:
            raise TopologyError(
                f"{source} -> {target}: delay={delay} is above {LONGEST_DELAY:,}; keep a ring in a reactor"
            )
        if initial is not NOTHING and delay == 0:
            raise TopologyError(f"{source} -> {target}: an initial value needs delay >= 1")
        self.connections.append(Connection(source, target, delay, initial))

    def external(self, target: InputPort) -> None:
        """Let the caller feed this input (`Execution.input`); it keeps its value until written again."""
        if not isinstance(target, InputPort):
            raise TopologyError(f"external({target}): only an input port can be fed by the caller")
        self.externals.append(target)
