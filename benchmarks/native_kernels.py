"""The native kernels through `step`: ReactorVectorEnv beside EnvPool's best and a plain C loop.

Random actions drawn beforehand; only steps are timed and reset rows are not counted. EnvPool's best is the
highest median over its thread counts and modes. The C loop does the same arithmetic without any library
around it. The environment variable REACTVEC_KERNELS may name some of the environments.
"""

from __future__ import annotations

import ctypes
import os
import warnings
from contextlib import ExitStack, closing
from dataclasses import dataclass
from functools import partial
from typing import Any

import gymnasium as gym
import numpy as np
import numpy.typing as npt
from gymnasium.vector import AutoresetMode

import reactvec
from benchmarks import machine, native_code
from benchmarks.harness import Case, Report, Sample, best, main, peer, ratio
from benchmarks.rollouts import SEED, env_fns, envpool_case, make_env, serial_case, vector_case

# Rows of one repetition: each long enough to time, none so long that the others wait.
NATIVE_ROWS, LOOP_ROWS, ENVPOOL_ROWS, PYTHON_ROWS = 600_000, 1_000_000, 30_000, 2_000
QUICK_SHARE = 2
ENVPOOL_THREADS = (1, 2)
ENVPOOL_BATCHES = (1, 2, 4)  # as parts of the environments; one part is the synchronous mode
ONE, TWO = "ReactorVectorEnv, 1 thread", "ReactorVectorEnv, 2 threads"
LOOP_ONE, LOOP_TWO = "plain C loop, 1 core", "plain C loop, 2 cores"
ALONE = "the Python environment"
SERIAL = "serial loop (Python), 8 environments"


@dataclass(frozen=True)
class Kernel:
    """An environment that has one: its id, EnvPool's, its C loop, and how many times CartPole a Python step takes."""

    env_id: str
    envpool_id: str
    loop: str
    weight: int = 1

    @property
    def walks(self) -> bool:
        """Whether its C loop wants a table of transitions."""
        return self.loop == "walk"


KERNELS = [
    Kernel("CartPole-v1", "CartPole-v1", "cartpole"),
    Kernel("Acrobot-v1", "Acrobot-v1", "acrobot", 8),
    Kernel("MountainCar-v0", "MountainCar-v0", "mountain_car"),
    Kernel("MountainCarContinuous-v0", "MountainCarContinuous-v0", "continuous_mountain_car"),
    Kernel("Pendulum-v1", "Pendulum-v1", "pendulum", 2),
    Kernel("FrozenLake-v1", "FrozenLake-v1", "walk"),
    Kernel("FrozenLake8x8-v1", "FrozenLake8x8-v1", "walk"),
    Kernel("CliffWalking-v1", "CliffWalking-v1", "walk"),
    Kernel("CliffWalkingSlippery-v1", "CliffWalkingSlippery-v1", "walk"),
    Kernel("Taxi-v4", "Taxi-v3", "walk"),  # of whose versions only the rainy and fickle variants differ
    Kernel("Blackjack-v1", "Blackjack-v1", "blackjack"),
]


def random_actions(steps: int, envs: int, kernel: Kernel) -> npt.NDArray[Any]:
    """The actions [steps, envs, *] of every rollout, drawn before anything is timed."""
    space = make_env(kernel.env_id).action_space
    random = np.random.default_rng(SEED)
    if isinstance(space, gym.spaces.Discrete):
        return random.integers(0, int(space.n), (steps, envs))
    assert isinstance(space, gym.spaces.Box)
    return random.uniform(space.low, space.high, (steps, envs, 1)).astype(np.float32)


def steps_of(report: Report, rows: int, envs: int) -> int:
    """Steps of a rollout that has about so many rows."""
    return max(20, (rows // QUICK_SHARE if report.quick else rows) // envs)


def our_cases(report: Report, stack: ExitStack, kernel: Kernel, envs: int) -> list[Case]:
    """ReactorVectorEnv with one thread and with two."""
    actions = random_actions(steps_of(report, NATIVE_ROWS, envs), envs, kernel)
    options: dict[str, dict[str, Any]] = {ONE: {"placement": "inline"}}
    if machine.two_cores():
        options[TWO] = {"placement": "threads", "num_workers": 2}
    cases = []
    for name, chosen in options.items():
        fns = env_fns(envs, kernel.env_id)
        env = reactvec.ReactorVectorEnv(fns, autoreset_mode=AutoresetMode.NEXT_STEP, native=True, **chosen)
        cases.append(vector_case(name, stack.enter_context(closing(env)), actions))
    return cases


class Outcome(ctypes.Structure):
    """`struct outcome` of walk_loop.c."""

    _fields_ = (
        ("cumulative", ctypes.c_double),
        ("reward", ctypes.c_double),
        ("next", ctypes.c_int64),
        ("ended", ctypes.c_int64),
    )


class Table(ctypes.Structure):
    """`struct table` of walk_loop.c."""

    _fields_ = (
        ("outcomes", ctypes.POINTER(Outcome)),
        ("first", ctypes.POINTER(ctypes.c_int64)),
        ("start", ctypes.POINTER(ctypes.c_double)),
        ("states", ctypes.c_int64),
        ("actions", ctypes.c_int64),
    )


def table_of(kernel: Kernel) -> Table | None:
    """The transitions of the environment, for its C loop."""
    if not kernel.walks:
        return None
    env: Any = make_env(kernel.env_id).unwrapped
    choices = [env.P[state][action] for state in range(len(env.P)) for action in range(len(env.P[0]))]
    rows = []
    for choice in choices:
        sums = np.cumsum([outcome[0] for outcome in choice])
        sums[-1] = 2.0  # whatever is drawn
        rows += [Outcome(total, reward, to, end) for total, (_, to, reward, end) in zip(sums, choice, strict=True)]
    first = [0, *np.cumsum([len(choice) for choice in choices])]
    start = np.cumsum(env.initial_state_distrib)
    arrays = (Outcome * len(rows))(*rows), (ctypes.c_int64 * len(first))(*first), (ctypes.c_double * len(start))(*start)
    return Table(*arrays, len(env.P), len(env.P[0]))


def loop_cases(report: Report, kernel: Kernel, envs: int) -> list[Case]:
    """The C loop on one core and on two."""
    actions = random_actions(steps_of(report, LOOP_ROWS, envs), envs, kernel)
    cores, table = machine.two_cores(), table_of(kernel)
    chosen = {LOOP_ONE: tuple(machine.usable_cores()[:1]), **({LOOP_TWO: cores} if cores else {})}
    return [Case(name, partial(native_code.plain_loop, kernel.loop, actions, on, table)) for name, on in chosen.items()]


def envpool_cases(report: Report, kernel: Kernel, envs: int) -> list[Case]:
    """EnvPool with each number of threads, synchronous and asynchronous."""
    envpool = peer("envpool")
    if envpool is None:
        return []
    steps = steps_of(report, ENVPOOL_ROWS, envs)
    return [
        envpool_case(envpool, random_actions(steps * part, envs // part, kernel), envs, threads, kernel.envpool_id)
        for threads in ENVPOOL_THREADS
        for part in ENVPOOL_BATCHES
    ]


def python_case(report: Report, kernel: Kernel) -> Case:
    """The serial baseline."""
    actions = random_actions(steps_of(report, PYTHON_ROWS // kernel.weight, 8), 8, kernel)
    return serial_case(SERIAL, actions, partial(make_env, kernel.env_id))


def measure_size(report: Report, kernel: Kernel, envs: int) -> tuple[dict[str, Sample], Sample | None]:
    """Samples of every case, and of EnvPool's best."""
    with ExitStack() as stack:
        peers = envpool_cases(report, kernel, envs)
        cases = [*our_cases(report, stack, kernel, envs), *loop_cases(report, kernel, envs), *peers]
        samples = report.measure([*cases, python_case(report, kernel)])
    report.table(f"native {kernel.env_id}, {envs:,} environments", samples, baseline=SERIAL)
    return samples, best(samples[case.name] for case in peers) if peers else None


def compared(sample: Sample | None, baseline: Sample | None) -> float | None:
    """The ratio of two samples; None where one could not be measured."""
    return ratio(sample, baseline) if sample and baseline else None


def measure_one(report: Report, kernel: Kernel) -> float:
    """One environment in ReactorVectorEnv over the Python environment itself."""
    with ExitStack() as stack:
        actions = random_actions(steps_of(report, 8 * PYTHON_ROWS // kernel.weight, 1), 1, kernel)
        env = stack.enter_context(closing(reactvec.ReactorVectorEnv(env_fns(1, kernel.env_id), native=True)))
        python = serial_case(ALONE, actions, partial(make_env, kernel.env_id))
        samples = report.measure([vector_case(ONE, env, actions), python])
    report.table(f"native {kernel.env_id}, 1 environment", samples, baseline=ALONE)
    return ratio(samples[ONE], samples[ALONE])


def judge(report: Report, kernel: Kernel) -> None:
    """Measure 1, 8 and 1,024 environments and judge the bars."""
    report.bar(f"{kernel.env_id}, 1 env: x the Python environment", measure_one(report, kernel), at_least=1.0)
    samples, envpool = measure_size(report, kernel, 8)
    ours = best(samples[name] for name in (ONE, TWO) if name in samples)
    report.bar(f"{kernel.env_id}, 8 envs: x EnvPool's best", compared(ours, envpool), at_least=8.0)
    samples, envpool = measure_size(report, kernel, 1024)
    two = samples.get(TWO)
    report.bar(f"{kernel.env_id}, 1,024 envs, 2 threads: x EnvPool's best", compared(two, envpool), at_least=20.0)
    loop = compared(two, samples.get(LOOP_TWO))
    report.bar(f"{kernel.env_id}, 1,024 envs, 2 threads: x C loop, 2 cores", loop, at_least=0.5)


def run(report: Report) -> None:
    """All kernels, or those that REACTVEC_KERNELS names."""
    report.controls()
    warnings.filterwarnings("ignore", category=DeprecationWarning)
    wanted = os.environ.get("REACTVEC_KERNELS", "").split()
    for kernel in KERNELS:
        if not wanted or kernel.env_id in wanted:
            judge(report, kernel)


if __name__ == "__main__":
    main("native_kernels", run)
