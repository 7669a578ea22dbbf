"""Unmodified Python CartPole-v1 in worker processes: ReactorVectorEnv beside the serial loop and its peers.

The same environments and actions on all sides; only `step` is timed and reset rows are not counted. The bars
are parts of twice one serial loop, what two cores could do at best, and multiples of SubprocVecEnv's best start method.
"""

from __future__ import annotations

from contextlib import ExitStack, closing
from typing import Any

from gymnasium.vector import AsyncVectorEnv, AutoresetMode, SyncVectorEnv

import reactvec
from benchmarks import machine
from benchmarks.harness import Case, Report, Sample, best, main, peer, ratio
from benchmarks.puffer import puffer_cases
from benchmarks.rollouts import Actions, env_fns, envpool_case, random_actions, sb3_case, serial_case, vector_case

WORKERS = 2
SHARE_OF_TWO_CORES = {8: 0.80, 64: 0.85}  # number of environments -> bar
SIZE_OF_ALL_PEERS = 8
# Steps of one repetition: each long enough to time, none so long that the others wait.
STEPS, PEER_STEPS, PUFFER_STEPS = 64_000, 6_400, 1_600
QUICK_SHARE = 8
OURS, SAME_STEP, ISOLATED = "processes", "processes, SAME_STEP", "processes, isolated"
SYNC, SERIAL = "SyncVectorEnv", "serial loop"
START_METHODS, QUICK_START_METHODS = (
    ("fork", "forkserver", "spawn"),
    ("fork",),
)  # the others import torch in each process


def actions_of(report: Report, steps: int, envs: int) -> Actions:
    """The actions of a rollout of about so many steps."""
    return random_actions(max(20, (steps // QUICK_SHARE if report.quick else steps) // envs), envs)


def our_cases(stack: ExitStack, actions: Actions) -> list[Case]:
    """ReactorVectorEnv on two workers: in both autoreset modes, and with no environment in the caller."""
    options: dict[str, dict[str, Any]] = {OURS: {}, SAME_STEP: {"autoreset_mode": AutoresetMode.SAME_STEP}}
    if actions.shape[1] == SIZE_OF_ALL_PEERS:
        options[ISOLATED] = {"isolated": True}
    cases = []
    for name, chosen in options.items():
        env = reactvec.ReactorVectorEnv(
            env_fns(actions.shape[1]), placement="processes", num_workers=WORKERS, native=False, **chosen
        )
        cases.append(vector_case(name, stack.enter_context(closing(env)), actions))
    return cases


def subprocess_cases(report: Report, stack: ExitStack, actions: Actions) -> list[Case]:
    """SB3's SubprocVecEnv, started in each way; only by a fork when quick."""
    from stable_baselines3.common.vec_env import SubprocVecEnv

    cases = []
    for method in QUICK_START_METHODS if report.quick else START_METHODS:
        env = stack.enter_context(closing(SubprocVecEnv(env_fns(actions.shape[1]), start_method=method)))
        cases.append(sb3_case(f"SB3 SubprocVecEnv, {method}", env, actions))
    return cases


def async_cases(stack: ExitStack, actions: Actions) -> list[Case]:
    """Gymnasium's AsyncVectorEnv, with observations in shared memory and through pipes."""
    cases = []
    for shared, how in ((True, "shared memory"), (False, "pipes")):
        env = AsyncVectorEnv(env_fns(actions.shape[1]), shared_memory=shared, context="fork")
        cases.append(vector_case(f"AsyncVectorEnv, fork, {how}", stack.enter_context(closing(env)), actions))
    return cases


def envpool_cases(report: Report, envs: int) -> list[Case]:
    """EnvPool's own CartPole, written in C++: another environment, for information."""
    envpool = peer("envpool")
    return [envpool_case(envpool, actions_of(report, STEPS, envs), envs, WORKERS)] if envpool else []


def measure_size(report: Report, envs: int) -> tuple[dict[str, Sample], Sample | None]:
    """Samples of every case, and of SubprocVecEnv's best start method; what forks comes before what has threads."""
    actions = actions_of(report, STEPS, envs)
    with ExitStack() as stack:
        cases = our_cases(stack, actions)
        subprocesses: list[Case] = []
        if envs == SIZE_OF_ALL_PEERS:
            peer_actions = actions_of(report, PEER_STEPS, envs)
            subprocesses = subprocess_cases(report, stack, peer_actions)
            cases += [*subprocesses, *async_cases(stack, peer_actions)]
            cases += puffer_cases(stack, actions_of(report, PUFFER_STEPS, envs)) + envpool_cases(report, envs)
        sync = stack.enter_context(closing(SyncVectorEnv(env_fns(envs))))
        cases += [vector_case(SYNC, sync, actions), serial_case(SERIAL, actions)]
        samples = report.measure(cases)
    if samples[OURS].steps != samples[SYNC].steps:
        raise AssertionError(f"{envs} environments: {OURS} and {SYNC} did not play the same episodes")
    report.table(f"Python CartPole-v1, {envs} environments, {WORKERS} workers", samples, baseline=SERIAL)
    return samples, best(samples[case.name] for case in subprocesses) if subprocesses else None


def run_size(report: Report, envs: int) -> None:
    """Measure one number of environments and judge its bars."""
    samples, subprocess_best = measure_size(report, envs)
    share = ratio(samples[OURS], samples[SERIAL]) / WORKERS if machine.two_cores() else None
    what = f"Python CartPole-v1, {envs} envs, processes: of {WORKERS} x serial loop"
    report.bar(what, share, at_least=SHARE_OF_TWO_CORES[envs])
    if subprocess_best is None:
        return
    for name in (OURS, ISOLATED):
        print(f"  {name}: {ratio(samples[name], subprocess_best):.1f} x {subprocess_best.name}")
    isolated = ratio(samples[ISOLATED], subprocess_best)
    report.bar(f"Python CartPole-v1, {envs} envs, isolated: x best SubprocVecEnv", isolated, at_least=2.0)


def run(report: Report) -> None:
    """Measure both numbers of environments."""
    report.controls()
    for envs in SHARE_OF_TWO_CORES:
        run_size(report, envs)


if __name__ == "__main__":
    main("processes", run)
