"""A rollout without Python in the loop: `advance(n)` of random policy -> CartPole-v1 -> rollout buffer.

64 environments, on one core and on two; reset rows are not counted. Beside it the plain C loop of the environment
alone, whose actions were drawn beforehand, and which keeps nothing.
"""

from __future__ import annotations

import ctypes
import math
from contextlib import ExitStack
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
from gymnasium.vector import AutoresetMode

from benchmarks import machine, native_code
from benchmarks.harness import Case, Report, main, ratio
from benchmarks.rollouts import SEED, env_fns, random_actions
from reactvec import Execution, InputPort, OutputPort, Reactor, Topology, compile, reaction
from reactvec.native_env_bank import make_env_bank

ENVS, TAGS, LENGTH = 64, 150_000, 128
LINE = 128  # bytes: a pair of cache lines, since some processors fetch them so
QUICK_SHARE = 10
ONE, TWO = "advance(n), one worker", "advance(n), two workers"
LOOP_ONE, LOOP_TWO = "plain C loop, 1 core", "plain C loop, 2 cores"


class RandomPolicy(Reactor):
    """Draws an action for every observation."""

    obs = InputPort((4,), np.float32)
    action = OutputPort((), np.int64)

    def __init__(self, rows: int) -> None:
        super().__init__(bank=rows)
        self.state = split((rows,), np.uint64)
        self.state[:] = np.random.default_rng(SEED).integers(1, 2**63, rows, np.uint64)

    @reaction(triggers=[obs], effects=[action], native=True)
    def act(self) -> object:
        return native_code.capsule("rollout_kernels", "random_policy", self.state.ctypes.data)


def split(shape: tuple[int, ...], dtype: Any, middle: int = 0) -> npt.NDArray[Any]:
    """Zeros whose byte `middle` begins a cache line: what is before it and after it may be two workers'."""
    size = math.prod(shape) * np.dtype(dtype).itemsize
    block = np.zeros(size + 2 * LINE, np.uint8)
    start = -(block.ctypes.data + middle) % LINE
    array: npt.NDArray[Any] = block[start : start + size].view(dtype).reshape(shape)
    return array


class Buffer(ctypes.Structure):
    """`struct buffer` of rollout_kernels.c."""

    _fields_ = (
        ("rows", ctypes.c_int64),
        ("length", ctypes.c_int64),
        ("width", ctypes.c_int64),
        ("padded", ctypes.c_int64),
        *((name, ctypes.c_void_p) for name in ("obs", "action", "reward", "terminated", "truncated", "ended", "steps")),
    )


class RolloutBuffer(Reactor):
    """Keeps the last LENGTH tags, and counts the steps."""

    obs = InputPort((4,), np.float32)
    action = InputPort((), np.int64)
    reward = InputPort((), np.float64)
    terminated = InputPort((), np.bool_)
    truncated = InputPort((), np.bool_)

    def __init__(self, rows: int) -> None:
        super().__init__(bank=rows)
        padded = rows + LINE
        self.kept: dict[str, npt.NDArray[Any]] = {
            "obs": split((LENGTH, rows, 4), np.float32),
            "action": split((LENGTH, rows), np.int64),
            "reward": split((LENGTH, rows), np.float64),
            "terminated": split((LENGTH, padded), np.bool_, rows // 2),
            "truncated": split((LENGTH, padded), np.bool_, rows // 2),
            "ended": split((rows,), np.bool_, rows // 2),
            "steps": split((rows,), np.int64),
        }
        pointers = {name: array.ctypes.data for name, array in self.kept.items()}
        self.buffer = Buffer(rows=rows, length=LENGTH, width=4, padded=padded, **pointers)

    @reaction(triggers=[obs, action, reward, terminated, truncated], native=True)
    def keep(self) -> object:
        return native_code.capsule("rollout_kernels", "keep", ctypes.addressof(self.buffer))


class Rollout:
    """The program, reset and ready to advance."""

    def __init__(self, stack: ExitStack, workers: int) -> None:
        topology = Topology()
        bank = make_env_bank(env_fns(ENVS), AutoresetMode.NEXT_STEP, native=True)
        policy = topology.add("policy", RandomPolicy(ENVS))
        envs = topology.add("envs", bank)
        self.buffer = topology.add("buffer", RolloutBuffer(ENVS))
        topology.external(envs.request)
        topology.connect(envs.obs, policy.obs, delay=1, initial=0.0)
        topology.connect(policy.action, envs.action)
        topology.connect(policy.action, self.buffer.action)
        for name in ("obs", "reward", "terminated", "truncated"):
            topology.connect(getattr(envs, name), getattr(self.buffer, name))
        self.execution = stack.enter_context(Execution(topology, compile(topology, workers=workers)))
        self.execution.input(envs.request)[:] = [(SEED + i, None) for i in range(ENVS)]
        self.execution.command("reset")

    def run(self, tags: int) -> int:
        """Steps done in that many tags."""
        before = int(self.buffer.kept["steps"].sum())
        self.execution.advance(tags)
        return int(self.buffer.kept["steps"].sum()) - before


def run(report: Report) -> None:
    """Measure one worker and two, and judge the bars."""
    report.controls()
    tags = TAGS // QUICK_SHARE if report.quick else TAGS
    actions, cores = random_actions(tags, ENVS), machine.two_cores()
    with ExitStack() as stack:
        cases = [Case(ONE, partial(Rollout(stack, 1).run, tags))]
        loops = {LOOP_ONE: tuple(machine.usable_cores()[:1])}
        if cores:
            cases.append(Case(TWO, partial(Rollout(stack, 2).run, tags)))
            loops[LOOP_TWO] = cores
        for name, chosen in loops.items():
            cases.append(Case(name, partial(native_code.plain_loop, "cartpole", actions, chosen)))
        samples = report.measure(cases)
    report.table(f"random policy -> {ENVS} CartPole-v1 -> rollout buffer", samples, baseline=LOOP_ONE)
    report.bar("rollout, one core, million steps/s", samples[ONE].rate.median / 1e6, at_least=40.0, unit="M/s")
    two = ratio(samples[TWO], samples[ONE]) if TWO in samples else None
    report.bar("rollout, two cores over one", two, at_least=1.8)


if __name__ == "__main__":
    main("native_rollout", run)
