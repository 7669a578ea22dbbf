"""The self-loop of tags.py in xronos: one Python reaction that counts, once per tag."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from typing import Any

from benchmarks.harness import Case

STEP = datetime.timedelta(microseconds=1)


def port_loop(xronos: Any) -> type:
    """A reactor whose output is to be connected to its input with a delay: the same program as ours."""

    class PortLoop(xronos.Reactor):  # type: ignore[misc]
        count = xronos.InputPortDeclaration()
        next_count = xronos.OutputPortDeclaration()

        def __init__(self, tags: int) -> None:
            super().__init__()
            self.tags = tags

        @xronos.reaction  # type: ignore[untyped-decorator]
        def begin(self, context: Any) -> Callable[[], None]:
            context.add_trigger(self.startup)
            effect = context.add_effect(self.next_count)
            return lambda: effect.set(0)

        @xronos.reaction  # type: ignore[untyped-decorator]
        def increment(self, context: Any) -> Callable[[], None]:
            trigger, effect = context.add_trigger(self.count), context.add_effect(self.next_count)
            shutdown, tags = context.add_effect(self.shutdown), self.tags

            def handle() -> None:
                count = trigger.get() + 1
                if count < tags:
                    effect.set(count)
                else:
                    shutdown.trigger_shutdown()

            return handle

    return PortLoop


def timer_loop(xronos: Any) -> type:
    """The same count carried by a timer instead of a connection: another program, and xronos' faster one."""

    class TimerLoop(xronos.Reactor):  # type: ignore[misc]
        timer = xronos.ProgrammableTimerDeclaration()

        def __init__(self, tags: int) -> None:
            super().__init__()
            self.tags = tags

        @xronos.reaction  # type: ignore[untyped-decorator]
        def begin(self, context: Any) -> Callable[[], None]:
            context.add_trigger(self.startup)
            effect = context.add_effect(self.timer)
            return lambda: effect.schedule(0)

        @xronos.reaction  # type: ignore[untyped-decorator]
        def increment(self, context: Any) -> Callable[[], None]:
            trigger, effect = context.add_trigger(self.timer), context.add_effect(self.timer)
            shutdown, tags = context.add_effect(self.shutdown), self.tags

            def handle() -> None:
                count = trigger.get() + 1
                if count < tags:
                    effect.schedule(count)
                else:
                    shutdown.trigger_shutdown()

            return handle

    return TimerLoop


def xronos_cases(xronos: Any, tags: int) -> list[Case]:
    """The same program as ours first. An environment executes once: each repetition gets a new one."""
    return [
        _case("xronos, delayed connection", xronos, port_loop(xronos), tags, STEP),
        _case("xronos, delayed connection of zero", xronos, port_loop(xronos), tags, datetime.timedelta(0)),
        _case("xronos, programmable timer", xronos, timer_loop(xronos), tags, None),
    ]


def _case(name: str, xronos: Any, loop: type, tags: int, delay: datetime.timedelta | None) -> Case:
    environments: list[Any] = []

    def prepare() -> None:
        environment = xronos.Environment(fast=True)
        reactor = environment.create_reactor("loop", loop, tags)
        if delay is not None:
            environment.connect(reactor.next_count, reactor.count, delay)
        environments[:] = [environment]

    def run() -> int:
        environments[0].execute()
        return tags

    return Case(name, run, prepare)
