"""A bank of cells that count in worker processes, and misbehave when told to."""

from __future__ import annotations

import ctypes
import faulthandler
import os
import threading
import time
from typing import Any

import numpy as np

from reactvec import Execution, InputPort, OutputPort, Reactor, Topology, compile, reaction
from reactvec.processes import ProcessOptions

METHODS = ["fork", "forkserver", "spawn"]
NOTHING, RAISE, EXIT, SEGFAULT, HANG, SLOW, UNPICKLABLE = range(7)


class OddError(Exception):
    """Its `__init__` wants other arguments than it passes on."""

    def __init__(self, row: int, *, reason: str) -> None:
        super().__init__(f"row {row}: {reason}")
        self.row = row


class Cells(Reactor):
    """Counts per row; an order tells a row how to misbehave."""

    order = InputPort((), np.int64)
    question = InputPort((), object)
    count = OutputPort((), np.int64)
    pid = OutputPort((), np.int64)
    remark = OutputPort((), object)
    answer = OutputPort((), object)

    def __init__(self, bank: int) -> None:
        super().__init__(bank=bank)
        self.counts = [0] * bank
        self.refuse = False

    @reaction(on="startup")
    def start(self, rows: range) -> None:
        if self.refuse and os.getpid() != self.parent:
            raise OddError(rows.start, reason="does not start")

    parent = os.getpid()

    @reaction(triggers=[order], effects=[count, pid, remark])
    def step(self, rows: range, order: Any, count: Any, pid: Any, remark: Any) -> None:
        remark[:] = None
        for k, i in enumerate(rows):
            misbehave(int(order[k]), i, remark, k)
            self.counts[i] += 1
            if self.counts[i] % 3 == 0:
                remark[k] = {"row": i, "third": self.counts[i]}
            count[k], pid[k] = self.counts[i], os.getpid()

    @reaction(on="ask", triggers=[question], effects=[answer])
    def ask(self, rows: range, question: Any, answer: Any) -> None:
        for k, i in enumerate(rows):
            misbehave(question[k] if isinstance(question[k], int) else NOTHING, i, answer, k)
            answer[k] = None if question[k] is None else (i, question[k], self.counts[i])


def misbehave(order: int, row: int, remark: Any, k: int) -> None:
    if order == RAISE:
        raise OddError(row, reason="asked to")
    if order == EXIT:
        os._exit(7)
    if order == SEGFAULT:
        faulthandler.disable()
        ctypes.string_at(0)
    if order == HANG:
        time.sleep(1000)
    if order == SLOW:
        time.sleep(0.4)
    if order == UNPICKLABLE:
        remark[k] = threading.Lock()


class Cell:
    """A bank of cells at work."""

    def __init__(
        self, rows: int = 6, workers: int = 3, isolated: bool = False, method: str = "fork", processes: bool = True
    ) -> None:
        self.cells, topology = Cells(rows), Topology()
        topology.add("cells", self.cells)
        topology.external(self.cells.order)
        topology.external(self.cells.question)
        options = ProcessOptions(method) if processes else None
        self.execution = Execution(topology, compile(topology, workers, isolated), options)
        self.order = self.execution.input(self.cells.order)
        self.question = self.execution.input(self.cells.question)

    def read(self, port: OutputPort) -> list[Any]:
        values: list[Any] = self.execution.read(port).tolist()
        return values

    def step(self, **orders: int) -> list[Any]:
        self.order[:] = 0
        for row, order in orders.items():
            self.order[int(row[1:])] = order
        self.execution.advance()
        return self.read(self.cells.count)
