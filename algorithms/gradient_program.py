"""Gradient steps as a reactor program of their own: one tag is one minibatch, spread over workers block by block.

gradients (a bank: one row per block) -- done ------------> descent: adds them up, steps, goes on
descent                               -- moved, delay 1 --> gradients
"""

from __future__ import annotations

from typing import Any, Generic, TypeVar

import numpy as np
import numpy.typing as npt

from reactvec import Execution, InputPort, OutputPort, Reactor, Topology, compile, reaction

from .kernels.descent import DescentKernel
from .parameters import FlatParameters

Array = npt.NDArray[Any]
K = TypeVar("K", bound=DescentKernel)


class Gradients(Reactor):
    """The gradients of the blocks of a minibatch."""

    moved = InputPort((), np.uint8)
    done = OutputPort((), np.uint8)

    def __init__(self, kernel: DescentKernel) -> None:
        super().__init__(bank=kernel.blocks)
        self.kernel = kernel

    @reaction(sources=[moved], effects=[done], native=True)
    def differentiate(self) -> object:
        """The kernel that runs networks forwards and backwards."""
        return self.kernel.gradients()


class Descent(Reactor):
    """The step that follows from all blocks."""

    done = InputPort()
    moved = OutputPort((), np.uint8)

    def __init__(self, kernel: DescentKernel) -> None:
        super().__init__(done=((kernel.blocks,), np.uint8))
        self.kernel = kernel

    @reaction(sources=[done], effects=[moved], native=True)
    def descend(self) -> object:
        """The kernel that takes a step of Adam, and goes on to the next minibatch."""
        return self.kernel.descend()


class GradientProgram(Generic[K]):
    """Gradient steps by a kernel; the weights are those of `parameters`, whose order the moments have as well.

    Results do not depend on `workers`, which end with `close`.
    """

    def __init__(self, kernel: K, parameters: FlatParameters, workers: int) -> None:
        self.kernel, self.parameters = kernel, parameters
        topology = Topology()
        gradients = topology.add("gradients", Gradients(kernel))
        descent = topology.add("descent", Descent(kernel))
        topology.connect(gradients.done, descent.done)
        topology.connect(descent.moved, gradients.moved, delay=1, initial=0)
        self.schedule = compile(topology, min(workers, kernel.blocks))
        self.execution = Execution(topology, self.schedule)

    def load(self) -> None:
        """Let the kernel go on from the weights that are there."""
        self.kernel.load(self.parameters.numpy())

    def store(self) -> None:
        """Let the weights be the kernel's."""
        self.kernel.store(self.parameters.numpy())

    def run(self, minibatches: int) -> None:
        """Learn from the next minibatches of the kernel; where that is interrupted, the steps until then are kept."""
        self.load()
        try:
            self.execution.advance(minibatches)
        finally:
            self.store()

    def optimizer_state(self) -> dict[str, Array]:
        """Copies of Adam's moments and step count; empty before the first step."""
        exp_avg, exp_avg_sq = (np.zeros(self.parameters.values.numel(), np.float32) for _ in range(2))
        step = self.kernel.store_moments(exp_avg, exp_avg_sq)
        trained = self.parameters.trainable.numel()
        state = {"step": np.array(step, np.float32), "exp_avg": exp_avg[:trained], "exp_avg_sq": exp_avg_sq[:trained]}
        return state if step else {}

    def load_optimizer_state(self, arrays: dict[str, Array]) -> None:
        """The inverse of `optimizer_state`."""
        exp_avg, exp_avg_sq = (np.zeros(self.parameters.values.numel(), np.float32) for _ in range(2))
        if arrays:
            trained = self.parameters.trainable.numel()
            exp_avg[:trained], exp_avg_sq[:trained] = arrays["exp_avg"], arrays["exp_avg_sq"]
        self.kernel.load_moments(exp_avg, exp_avg_sq, int(arrays["step"]) if arrays else 0)

    def close(self) -> None:
        """End the workers."""
        self.execution.close()
