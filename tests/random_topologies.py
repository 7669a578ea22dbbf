"""Random programs that mix integers: what a reaction writes depends on all that it may see, and its past."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from fractions import Fraction
from random import Random
from typing import Any

import numpy as np

from reactvec.topology import (
    NOTHING,
    InputPort,
    OutputPort,
    PortUse,
    Reaction,
    Reactor,
    Topology,
    present,
    reaction,
)
from tests.native.kernels import View, kernel

MASK = (1 << 64) - 1
SIZES = (1, 2, 3, 4, 5, 8)
PERIODS = (1, 2, 3, 4, Fraction(5, 2), Fraction(3, 2), Fraction(1, 2), Fraction(2, 3))
OFFSETS = (0, 0, 1, 2, 5, Fraction(1, 2), Fraction(7, 3))


@dataclass
class Input:
    kind: str  # "own", "one", "gather", "scatter", "broadcast" or "external"
    shape: tuple[int, ...]
    source: tuple[int, int] = (-1, -1)  # reactor, output
    delay: int = 0
    checked: bool = False  # its readers ask whether it is present


@dataclass
class Body:
    """One reaction: which inputs it reads, which outputs it writes, and which it leaves absent at times."""

    triggers: list[int]
    sources: list[int]
    effects: list[int]
    sporadic: list[int] = field(default_factory=list)
    on: str = "step"
    period: int | Fraction = 1
    offset: int | Fraction = 0
    native: bool = False
    whole: bool = False


@dataclass
class Node:
    bank: int | None
    outputs: list[tuple[int, ...]]
    initials: list[int | None] = field(default_factory=list)
    inputs: list[Input] = field(default_factory=list)
    bodies: list[Body] = field(default_factory=list)


@dataclass
class Program:
    nodes: list[Node]
    order: list[int]  # in which the reactors are added


def draw_program(random: Random, native: float = 0.5) -> Program:
    """A random program without causality loops: without delay, lower numbers feed higher ones."""
    sizes = random.sample(SIZES, 2)
    nodes = [_draw_node(random, sizes) for _ in range(random.randint(1, 6))]
    for number in range(len(nodes)):
        for _ in range(random.randint(0, 4)):
            _draw_input(random, nodes, number)
    for node in nodes:
        _draw_bodies(random, node, native)
    return Program(nodes, random.sample(range(len(nodes)), len(nodes)))


def _draw_node(random: Random, sizes: list[int]) -> Node:
    bank = random.choice([None, None, *sizes])
    shapes: list[tuple[int, ...]] = [(), (), (2,), (3, 2), (0,)]
    if bank is None:
        shapes += 2 * [(sizes[0],), (sizes[1], 2), (sizes[1],)]
    outputs = [random.choice(shapes) for _ in range(random.randint(1, 3))]
    return Node(bank, outputs, [random.choice([None, random.getrandbits(63)]) for _ in outputs])


def _draw_input(random: Random, nodes: list[Node], number: int) -> None:
    node = nodes[number]
    if random.random() < 0.1:
        node.inputs.append(Input("external", random.choice([(), (2,)])))
        return
    other = random.randrange(len(nodes))
    output = random.randrange(len(nodes[other].outputs))
    kinds = _kinds(nodes[other].bank, node.bank, nodes[other].outputs[output])
    if kinds:
        kind, shape = random.choice(kinds)
        delay = 0 if other < number and random.random() < 0.6 else random.randint(1, 5)
        node.inputs.append(Input(kind, shape, (other, output), delay))


def _kinds(many: int | None, few: int | None, shape: tuple[int, ...]) -> list[tuple[str, tuple[int, ...]]]:
    if many == few:
        return [("one" if many is None else "own", shape)]
    if few is None:
        return [("gather", (many or 1, *shape))]
    if many is None:
        return [("broadcast", shape)] + ([("scatter", shape[1:])] if shape[:1] == (few,) else [])
    return []


def _draw_bodies(random: Random, node: Node, native: float) -> None:
    left = list(range(len(node.outputs)))
    inputs = range(len(node.inputs))
    while left:
        effects = [left.pop(0) for _ in range(random.randint(1, len(left)))]
        used = [index for index in inputs if random.random() < 0.7]
        triggers = [index for index in used if random.random() < 0.4]
        body = Body(triggers, [index for index in used if index not in triggers], effects)
        body.sporadic = [output for output in effects if random.random() < 0.25]
        if random.random() < 0.3:
            body.period, body.offset = random.choice(PERIODS), random.choice(OFFSETS)
        node.bodies.append(body)
    fresh = [output for output in _some(random, node) if node.initials[output] is None]
    if random.random() < 0.3:
        read, whole = random.sample(inputs, len(inputs) // 2), random.random() < 0.5
        node.bodies.append(Body([], read, _some(random, node), on="reset", whole=whole))
    if random.random() < 0.4:
        _draw_aside(random, node)
    if fresh and random.random() < 0.5:
        node.bodies.append(Body([], [], fresh, on="startup"))
    for body in node.bodies:
        body.native = random.random() < native
    random.shuffle(node.bodies)


def _draw_aside(random: Random, node: Node) -> None:
    """A command that touches nothing but an input from outside, and outputs of its own."""
    if random.random() < 0.5:
        node.inputs.append(Input("external", random.choice([(), (2,)])))
    effects = range(len(node.outputs), len(node.outputs) + random.randint(0, 2))
    body = Body([], [at for at, spec in enumerate(node.inputs) if spec.kind == "external"], list(effects), on="ask")
    body.sporadic = [output for output in effects if random.random() < 0.25]
    node.outputs += [random.choice([(), (2,), (0,)]) for _ in effects]
    node.initials += [None for _ in effects]
    node.bodies.append(body)


def _some(random: Random, node: Node) -> list[int]:
    return [output for output in range(len(node.outputs)) if random.random() < 0.5]


def mix(hashed: int, value: int) -> int:
    hashed = (hashed ^ value) * 0x9E3779B97F4A7C15 & MASK
    return hashed ^ hashed >> 29


class Mixer(Reactor):
    """A node of a program. `mix` and `mix_rows` of `kernels.c` do the same."""

    node: Node
    number: int

    def __init__(self) -> None:
        super().__init__(bank=self.node.bank)
        self.state = np.zeros(self.rows, np.uint64)
        self.keep: list[Any] = []

    def mix(self, index: int, arguments: tuple[Any, ...]) -> None:
        body = self.node.bodies[index]
        rows, ports = (range(1), arguments) if self.bank is None else (arguments[0], arguments[1:])
        used = body.triggers + body.sources
        checked = [number for number in used if self.node.inputs[number].checked]
        flags = dict(zip(checked, ports[len(used) :], strict=False))
        outputs = ports[len(used) + len(checked) :]
        for place, row in enumerate(rows):
            hashed = mix(mix(self.number * 16 + index, row), int(self.state[row]))
            for number, values in zip(used, ports, strict=False):
                hashed = self._mix_input(hashed, self.node.inputs[number], values, flags.get(number), place)
            self.state[row] = hashed
            for order, output in enumerate(body.effects):
                seed = mix(hashed, order)
                target = outputs[order] if self.bank is None else outputs[order][place, ...]
                words = [mix(seed, word) for word in range(math.prod(self.node.outputs[output]))]
                target[...] = np.array(words, np.uint64).reshape(target.shape)
                if output in body.sporadic:
                    flag = outputs[len(body.effects) + body.sporadic.index(output)]
                    flag[() if self.bank is None else place] = seed >> 5 & 3 != 0

    def _mix_input(self, hashed: int, spec: Input, values: Any, flags: Any, place: int) -> int:
        by_row = spec.kind in ("own", "scatter") or (spec.kind == "external" and self.bank is not None)
        seen = values[place] if by_row else values
        pieces = seen if spec.kind == "gather" else [seen]
        for number, piece in enumerate(pieces):
            if flags is not None:
                flag = bool(flags[place if spec.kind in ("own", "external") else number] if flags.ndim else flags)
                hashed = mix(hashed, flag)
                if not flag:
                    continue
            for word in np.ravel(piece).tolist():
                hashed = mix(hashed, word)
        return hashed

    def kernel(self, index: int) -> Any:
        body = self.node.bodies[index]
        used = body.triggers + body.sources
        checked = [number for number in used if self.node.inputs[number].checked]
        first = len(used) + len(checked)
        inputs = [self.view(at, self.node.inputs[number]) for at, number in enumerate(used)]
        for number in checked:
            inputs[used.index(number)].flags = len(used) + checked.index(number)
        words = [math.prod(self.node.outputs[output]) for output in body.effects]
        outputs = [View(first + order, count, stride=count) for order, count in enumerate(words)]
        for order, output in enumerate(body.sporadic):
            outputs[body.effects.index(output)].flags = first + len(outputs) + order
        salt = self.number * 16 + index
        return kernel("mix_rows", salt=salt, inputs=inputs, outputs=outputs, state=self.state, keep=self.keep)

    def view(self, at: int, spec: Input) -> View:
        pieces = spec.shape[0] if spec.kind == "gather" else 1
        words = math.prod(spec.shape[1:] if spec.kind == "gather" else spec.shape)
        by_row = spec.kind in ("own", "scatter") or (spec.kind == "external" and self.bank is not None)
        own_flags = spec.kind in ("own", "external") and self.bank is not None
        return View(at, words, pieces, words if by_row else 0, flag_stride=int(own_flags))


def build(program: Program, *, native: bool, base: type[Mixer] = Mixer) -> Topology:
    """The program as a topology; `native=False` has Python reactions only."""
    topology = Topology()
    reactors: dict[int, Reactor] = {}
    for number in program.order:
        reactors[number] = topology.add(f"n{number}", _reactor_class(program.nodes[number], number, native, base)())
    for number, node in enumerate(program.nodes):
        for index, spec in enumerate(node.inputs):
            target: Any = reactors[number].ports[f"i{index}"]
            if spec.kind == "external":
                topology.external(target)
                continue
            other, output = spec.source
            initial = program.nodes[other].initials[output] if spec.delay else None
            source: Any = reactors[other].ports[f"o{output}"]
            value = NOTHING if initial is None else initial
            topology.connect(source, target, delay=spec.delay, initial=value)
    return topology


def _reactor_class(node: Node, number: int, native: bool, base: type[Mixer]) -> type[Mixer]:
    inputs = [InputPort(spec.shape, np.uint64) for spec in node.inputs]
    outputs = [OutputPort(shape, np.uint64) for shape in node.outputs]
    members: dict[str, Any] = {"node": node, "number": number}
    members |= {f"i{index}": port for index, port in enumerate(inputs)}
    members |= {f"o{index}": port for index, port in enumerate(outputs)}
    for index, body in enumerate(node.bodies):
        checked = [number for number in body.triggers + body.sources if node.inputs[number].checked]
        sources: list[PortUse] = [inputs[number] for number in body.sources]
        effects: list[PortUse] = [outputs[number] for number in body.effects]
        members[f"r{index}"] = reaction(
            triggers=[inputs[number] for number in body.triggers],
            sources=sources + [present(inputs[number]) for number in checked],
            effects=effects + [present(outputs[number]) for number in body.sporadic],
            on=body.on,
            period=body.period,
            offset=body.offset,
            native=native and body.native,
            whole=body.whole,
        )(_method(index, native and body.native))
    return type(f"Node{number}", (base,), members)


def _method(index: int, native: bool) -> Callable[..., Any]:
    def run(self: Mixer, *arguments: Any) -> None:
        self.mix(index, arguments)

    def make(self: Mixer) -> Any:
        return self.kernel(index)

    method: Callable[..., Any] = make if native else run
    method.__name__ = f"r{index}"
    return method


def reactions(topology: Topology) -> list[tuple[Reactor, Reaction]]:
    return [(reactor, entry) for reactor in topology.reactors.values() for entry in reactor.reactions]
