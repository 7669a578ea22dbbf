"""What one environment costs, in a plain loop."""

from __future__ import annotations

import multiprocessing
import statistics
import time
from dataclasses import dataclass
from functools import partial
from typing import Any

import gymnasium as gym
from gymnasium.vector import AutoresetMode

from reactvec.arguments import check_shareable
from reactvec.env_source import EnvSource
from reactvec.envs import specialise
from reactvec.errand import Send
from reactvec.rollout import SerialRollout
from reactvec.trial import STALL_S, START_S, TrialFailedError, failing, trial_process


@dataclass(frozen=True)
class StepTimes:
    """Microseconds per step, resets left out, and how many cores the steps kept busy."""

    mean_us: float
    median_us: float
    p99_us: float
    cores: float


@dataclass(frozen=True)
class EnvProfile:
    """An environment: the expression that makes one, whether it has a native kernel, whether its observations can lie
    in shared memory, and how worker processes start. `times` is None where its steps fail, and `failure` says how.
    """

    code: str
    native: bool
    shareable: bool
    context: str
    times: StepTimes | None
    failure: str = ""


def profile_env(source: EnvSource, seconds: float) -> EnvProfile:
    """Make an environment in a process of its own, and step it for so many seconds.

    Raises:
        TrialFailedError: it cannot be made or reset; the message says why.
    """
    with failing("started"), trial_process(partial(_profile, source, seconds)) as errand:
        made: tuple[str, bool, bool, str] = errand.receive(START_S)
        try:
            with failing("stepped"):
                times = errand.receive(2 * seconds + STALL_S)
        except TrialFailedError as error:
            return EnvProfile(*made, times=None, failure=str(error))
    return EnvProfile(*made, times=times)


def _profile(source: EnvSource, seconds: float, send: Send) -> None:
    envs = [source.env_fn()()]
    native = specialise(envs, AutoresetMode.NEXT_STEP)[0] is not None
    rollout = SerialRollout(envs[0])
    send((source.code(), native, _is_shareable(envs[0]), multiprocessing.get_start_method()))
    rollout.durations_ns(seconds / 4)
    began, worked = time.perf_counter(), time.process_time()
    durations = [nanoseconds / 1e3 for nanoseconds in rollout.durations_ns(seconds)]
    cores = (time.process_time() - worked) / (time.perf_counter() - began)
    p99 = sorted(durations)[int(0.99 * len(durations))]
    send(StepTimes(statistics.fmean(durations), statistics.median(durations), p99, cores))
    envs[0].close()


def _is_shareable(env: gym.Env[Any, Any]) -> bool:
    try:
        check_shareable(env.observation_space)
    except ValueError:
        return False
    return True
