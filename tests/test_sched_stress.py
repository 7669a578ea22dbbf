"""Stress of the sync protocol: native reactions check in C that each cell that they read fits the model."""

from __future__ import annotations

import contextlib
import faulthandler
import math
import threading
import time
from collections.abc import Iterator
from fractions import Fraction
from random import Random
from typing import Any

import pytest

from reactvec import Execution, Topology, compile
from tests.native.kernels import View, kernel, library
from tests.random_topologies import Body, Input, Mixer, Program, build, draw_program

HANG_S = 110
TAGS = 1_000_000


@pytest.fixture(autouse=True)
def stacks_of_a_hang() -> Iterator[None]:
    faulthandler.dump_traceback_later(HANG_S, exit=True)
    yield
    faulthandler.cancel_dump_traceback_later()


class Checker(Mixer):
    """A node whose outputs depend on port, tag and place alone, so that readers know what they must see."""

    program: Program
    dawdles = 0
    lie = 0

    def kernel(self, index: int) -> Any:
        body = self.node.bodies[index]
        used = body.triggers + body.sources
        checked = [number for number in used if self.node.inputs[number].checked]
        inputs = [self.expected(at, self.node.inputs[number]) for at, number in enumerate(used)]
        for number in checked:
            inputs[used.index(number)].flags = len(used) + checked.index(number)
        first = len(used) + len(checked)
        outputs = []
        for order, output in enumerate(body.effects):
            words = math.prod(self.node.outputs[output])
            outputs.append(View(first + order, words, stride=words, writer=name(self.number, output)))
        return kernel(
            "check_rows",
            salt=self.number * 16 + index,
            dawdles=self.dawdles,
            inputs=inputs,
            outputs=outputs,
            keep=self.keep,
        )

    def expected(self, at: int, spec: Input) -> View:
        view = self.view(at, spec)
        number, output = spec.source
        writer = writer_of(self.program, number, output)
        period, offset = Fraction(writer.period), Fraction(writer.offset)
        view.unit = math.lcm(period.denominator, offset.denominator)
        view.period, view.offset = int(period * view.unit), int(offset * view.unit)
        view.writer, view.delay = name(number, output), spec.delay + self.lie
        view.initial = self.program.nodes[number].initials[output] or 0
        return view


def name(number: int, output: int) -> int:
    return 1 + number * 8 + output


def writer_of(program: Program, number: int, output: int) -> Body:
    return next(body for body in program.nodes[number].bodies if output in body.effects)


def draw_checked(random: Random, dawdles: int, lie: int = 0) -> Topology:
    """A random program that runs at every due tag, whatever is present, and knows what to expect."""
    program = draw_program(random, native=1.0)
    for node in program.nodes:
        node.initials = [random.getrandbits(62) for _ in node.outputs]
        node.inputs = [spec if spec.kind != "external" else dark(node.inputs) for spec in node.inputs]
        node.bodies = [body for body in node.bodies if body.on == "step"]
    for node in program.nodes:
        for body in node.bodies:
            used = sorted({*body.triggers, *body.sources})
            body.triggers, body.sporadic = [], []
            body.sources = [number for number in used if node.inputs[number].kind != "external"]
        for spec in node.inputs:
            if spec.kind != "external":
                writer = writer_of(program, *spec.source)
                spec.checked = (writer.period, writer.offset) != (1, 0) or random.random() < 0.2
    base = type("Checker", (Checker,), {"program": program, "dawdles": dawdles, "lie": lie})
    return build(program, native=True, base=base)


def dark(inputs: list[Input]) -> Input:
    """An input that the caller feeds is not in the model: nobody reads it."""
    return next(spec for spec in inputs if spec.kind == "external")


def test_a_million_tags_read_what_the_model_says() -> None:
    random, done, begin = Random(2026), 0, time.perf_counter()
    programs = 0
    while done < TAGS or programs < 100:
        workers = random.choice([1, 2, 2, 2, 3, 4, 8])
        topology = draw_checked(random, dawdles=int(random.random() < 0.3))
        with Execution(topology, compile(topology, workers)) as execution:
            stop = time.perf_counter() + 0.1
            while time.perf_counter() < stop and execution.tag < 40_000:
                execution.advance(random.choice([1, 2, 16, 17, 300, 3000]))
            done += execution.tag
        programs += 1
    print(f"{done} tags of {programs} programs in {time.perf_counter() - begin:.1f} s")


def test_a_wrong_cell_would_be_noticed() -> None:
    """The check above can fail: kernels that believe in other delays report what they read."""
    noticed = 0
    for seed in range(40):
        topology = draw_checked(Random(seed), dawdles=0, lie=1)
        try:
            with Execution(topology, compile(topology, 2)) as execution:
                execution.advance(30)
        except RuntimeError as error:
            noticed += "kernel failed with code" in str(error)
    assert noticed >= 20


def advance_for_ever(execution: Execution, raised: list[BaseException]) -> None:
    try:
        execution.advance(1 << 50)
    except BaseException as error:
        raised.append(error)


def test_aborts_in_the_middle_release_everyone() -> None:
    """Another thread closes while `advance` runs: it ends at once, by an error, and the threads with it."""
    library()
    random = Random(7)
    for _ in range(40):
        topology = draw_checked(random, dawdles=1)
        execution = Execution(topology, compile(topology, random.randint(1, 8)))
        raised: list[BaseException] = []

        caller = threading.Thread(target=advance_for_ever, args=(execution, raised))
        caller.start()
        time.sleep(random.random() * 0.01)
        begin = time.perf_counter()
        with contextlib.suppress(RuntimeError):  # it was running
            execution.close()
        caller.join(30)
        assert not caller.is_alive()
        assert time.perf_counter() - begin < 10
        assert [type(error).__name__ for error in raised] == ["ClosedExecutionError"]
        assert execution.closed
    assert not [thread.name for thread in threading.enumerate() if thread.name.startswith("reactvec")]
