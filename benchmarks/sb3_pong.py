"""Stable-Baselines3 on eight Pongs in its AtariWrapper: stepping alone, over ReactorVecEnv and SB3's own classes.

`PongNoFrameskip-v4` as the literature has it: no-ops after a reset, every fourth frame, 84 by 84 pixels. A step takes
half a millisecond and more, so a step of all is worth two cores. The same random actions and seeds on all sides.
"""

from __future__ import annotations

from contextlib import ExitStack, closing
from typing import Any

import gymnasium as gym
import numpy as np

from benchmarks.harness import Report, best, main, ratio
from benchmarks.rollouts import SEED, sb3_case, serial_case
from benchmarks.sb3 import AUTO, DUMMY, ENVS, PROCESSES, SERIAL, SUBPROCESSES, WORKERS, makers, print_parts

STEPS, QUICK_SHARE = 2_400, 8
ACTIONS = 6


def make_pong() -> gym.Env[Any, Any]:
    """One Pong, as SB3's `make_atari_env` wraps it, but for the Monitor."""
    import ale_py
    from stable_baselines3.common.atari_wrappers import AtariWrapper

    gym.register_envs(ale_py)
    return AtariWrapper(gym.make("PongNoFrameskip-v4"))


def run(report: Report) -> None:
    """Random actions, `step` alone."""
    report.controls()
    steps = STEPS // (QUICK_SHARE if report.quick else 1) // ENVS
    actions = np.random.default_rng(SEED).integers(0, ACTIONS, size=(steps, ENVS))
    wanted = (DUMMY, AUTO, PROCESSES, *SUBPROCESSES)
    with ExitStack() as stack:
        made = makers([make_pong] * ENVS)
        envs = {name: stack.enter_context(closing(made[name]())) for name in wanted}
        cases = [sb3_case(name, env, actions) for name, env in envs.items()]
        samples = report.measure([*cases, serial_case(SERIAL, actions, make_pong)])
        report.table(f"SB3 step, Pong in AtariWrapper, {ENVS} environments", samples, baseline=DUMMY)
        print_parts(envs[PROCESSES], actions)
    ours, subprocess = samples[AUTO], best(samples[name] for name in SUBPROCESSES)
    report.bar("SB3 step, Pong, 8 envs: x SubprocVecEnv", ratio(ours, subprocess), at_least=1.5)
    report.bar("SB3 step, Pong, 8 envs: of 2 x serial loop", ratio(ours, samples[SERIAL]) / WORKERS, at_least=0.9)


if __name__ == "__main__":
    main("sb3_pong", run)
