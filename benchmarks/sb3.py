"""Stable-Baselines3 over ReactorVecEnv beside its DummyVecEnv and SubprocVecEnv: stepping alone, and whole `learn()`.

Unmodified CartPole-v1, eight environments, the same seeds. Stepping plays the same random actions; it resets in the
step, so there are no reset rows. `learn()` is PPO with its settings below, on one torch thread, from the first rollout
to the last gradient; the weights of all placements must be the same bytes.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import gymnasium as gym

from benchmarks.harness import Case, Report, best, main, ratio
from benchmarks.rollouts import ENV_ID, Actions, env_fns, random_actions, sb3_case, serial_case

ENVS, WORKERS = 8, 2
STEPS, SUBPROCESS_STEPS, QUICK_SHARE = 32_000, 3_200, 8
PPO_SETTINGS: dict[str, Any] = {"n_steps": 128, "batch_size": 256, "n_epochs": 10}
ITERATIONS, QUICK_ITERATIONS = 8, 2
# "auto" is what one gets without a word: a kernel, also in a Monitor.
AUTO, PYTHON, PROCESSES = "ReactorVecEnv, auto", "ReactorVecEnv, Python inline", "ReactorVecEnv, processes"
DUMMY, SERIAL = "DummyVecEnv", "serial loop"
SUBPROCESSES = {f"SubprocVecEnv, {method}": method for method in ("fork", "forkserver")}
OURS: dict[str, dict[str, Any]] = {
    AUTO: {},
    PYTHON: {"placement": "inline", "native": False},
    PROCESSES: {"placement": "processes", "num_workers": WORKERS, "start_method": "fork"},
}


def makers(fns: list[Callable[[], gym.Env[Any, Any]]]) -> dict[str, Callable[[], Any]]:
    """How each vector environment is made."""
    from stable_baselines3.common.vec_env import DummyVecEnv, SubprocVecEnv

    from reactvec.sb3 import ReactorVecEnv

    made: dict[str, Callable[[], Any]] = {DUMMY: partial(DummyVecEnv, fns)}
    made |= {name: partial(ReactorVecEnv, fns, **options) for name, options in OURS.items()}
    made |= {name: partial(SubprocVecEnv, fns, method) for name, method in SUBPROCESSES.items()}
    return made


def print_parts(env: Any, actions: Actions) -> None:
    """Where the time of a step in worker processes goes: the environments', the wait for the slower half, the rest."""
    execution = env._vector._deployment.execution
    env.reset()
    execution.work_ns()
    begun_ns = time.perf_counter_ns()
    for row in actions:
        env.step(row)
    all_ns = time.perf_counter_ns() - begun_ns
    took_ns, worked_ns = execution.work_ns()
    mean_ns = worked_ns / WORKERS
    parts = {"environments": mean_ns, "waiting for the slower": took_ns - mean_ns, "around": all_ns - took_ns}
    words = ", ".join(f"{name} {ns / len(actions) / 1e3:,.1f} us ({ns / all_ns:.0%})" for name, ns in parts.items())
    print(f"  a step of {PROCESSES}: {words}")


def run_stepping(report: Report) -> None:
    """Random actions, `step` alone."""
    share = QUICK_SHARE if report.quick else 1
    actions, few = (random_actions(steps // share // ENVS, ENVS) for steps in (STEPS, SUBPROCESS_STEPS))
    with ExitStack() as stack:
        envs = {name: stack.enter_context(closing(make())) for name, make in makers(env_fns(ENVS)).items()}
        cases = [sb3_case(name, env, few if name in SUBPROCESSES else actions) for name, env in envs.items()]
        samples = report.measure([*cases, serial_case(SERIAL, actions)])
        report.table(f"SB3 step, CartPole-v1, {ENVS} environments", samples, baseline=DUMMY)
        print_parts(envs[PROCESSES], actions)
    subprocess = best(samples[name] for name in SUBPROCESSES)
    report.bar(
        "SB3 step, Python CartPole, 8 envs: x DummyVecEnv", ratio(samples[PROCESSES], samples[DUMMY]), at_least=2.0
    )
    report.bar(
        "SB3 step, Python CartPole, 8 envs: x SubprocVecEnv", ratio(samples[PROCESSES], subprocess), at_least=10.0
    )
    report.bar("SB3 step, native CartPole, 8 envs: x DummyVecEnv", ratio(samples[AUTO], samples[DUMMY]), at_least=3.0)


@dataclass
class Learning:
    """PPO on one vector environment; every repetition learns the same from the beginning."""

    make: Callable[[], Any]
    iterations: int
    model: Any = None
    digests: set[str] = field(default_factory=set)

    def prepare(self) -> None:
        from stable_baselines3 import PPO

        self.close()
        self.model = PPO("MlpPolicy", self.make(), seed=0, device="cpu", **PPO_SETTINGS)

    def run(self) -> int:
        steps = self.iterations * PPO_SETTINGS["n_steps"] * ENVS
        self.model.learn(steps)
        weights = b"".join(part.detach().numpy().tobytes() for part in self.model.policy.parameters())
        self.digests.add(hashlib.sha256(weights).hexdigest())
        return int(steps)

    def close(self) -> None:
        if self.model is not None:
            self.model.env.close()


def run_learning(report: Report) -> None:
    """Whole `learn()`."""
    import torch
    from stable_baselines3.common.monitor import Monitor

    torch.set_num_threads(1)
    fns: list[Any] = [lambda: Monitor(gym.make(ENV_ID))] * ENVS
    iterations = QUICK_ITERATIONS if report.quick else ITERATIONS
    with ExitStack() as stack:
        learning = {name: Learning(make, iterations) for name, make in makers(fns).items()}
        for one in learning.values():
            stack.callback(one.close)
        cases = [Case(name, one.run, one.prepare) for name, one in learning.items()]
        samples = report.measure(cases)
    if len(set().union(*(one.digests for one in learning.values()))) != 1:
        raise AssertionError("the weights depend on the vector environment")
    report.table(f"SB3 PPO, whole learn(), {ENVS} environments, one torch thread", samples, baseline=DUMMY)
    subprocess = best(samples[name] for name in SUBPROCESSES)
    report.bar("SB3 PPO learn(): x SubprocVecEnv", ratio(samples[AUTO], subprocess), at_least=1.5)
    report.bar("SB3 PPO learn(): x DummyVecEnv", ratio(samples[AUTO], samples[DUMMY]), at_least=1.0)


def run(report: Report) -> None:
    """Measure both."""
    report.controls()
    run_stepping(report)
    run_learning(report)


if __name__ == "__main__":
    main("sb3", run)
