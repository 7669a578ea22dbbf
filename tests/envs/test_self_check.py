"""Before it stands for environments, a kernel is tried out beside their class; if that differs, Python runs them."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import gymnasium as gym
import pytest

from reactvec.envs import KERNELS, kernel_of
from reactvec.envs.self_check import first_difference, follows
from tests.envs.kinds import KINDS, Kind

ROOT = Path(__file__).parents[2]
# A Gymnasium in which pendulums give half a reward more.
CHANGED = """
import warnings
import gymnasium as gym
from gymnasium.envs.classic_control.pendulum import PendulumEnv
from reactvec import ReactorVectorEnv

step = PendulumEnv.step

def another_step(self, action):
    obs, reward, *rest = step(self, action)
    return obs, reward + 0.5, *rest

PendulumEnv.step = another_step
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    for _ in range(3):
        envs = ReactorVectorEnv([lambda: gym.make("Pendulum-v1")] * 2, placement="inline")
        envs.reset(seed=0)
        print(envs.explain().splitlines()[0])
        print(envs.step(envs.action_space.sample() * 0)[1].max() > -20)
        envs.close()
    other = ReactorVectorEnv([lambda: gym.make("Acrobot-v1")])
    print(other.explain().splitlines()[0])
print([str(warning.message) for warning in caught if warning.category is RuntimeWarning])
"""


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_every_kernel_is_tried_out(kind: Kind) -> None:
    bank = kernel_of(type(gym.make(kind.id).unwrapped))
    assert bank is not None
    assert sum(len(actions) for _, actions in bank.trials()) >= 100
    assert first_difference(bank) is None


def test_all_kernels_are_among_the_kinds() -> None:
    classes = {type(gym.make(kind.id).unwrapped) for kind in KINDS}
    assert {f"{cls.__module__}.{cls.__qualname__}" for cls in classes} == set(KERNELS)


def other_reward(env: gym.Env[Any, Any], result: tuple[Any, ...]) -> tuple[Any, ...]:
    return result[0], float(result[1]) + 1e-9, *result[2:]


def other_end(env: gym.Env[Any, Any], result: tuple[Any, ...]) -> tuple[Any, ...]:
    return *result[:2], not result[2], *result[3:]


def one_draw_more(env: gym.Env[Any, Any], result: tuple[Any, ...]) -> tuple[Any, ...]:
    env.np_random.random()
    return result


@pytest.mark.parametrize("change", [other_reward, other_end, one_draw_more])
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_a_difference_is_found(kind: Kind, change: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    cls: Any = type(gym.make(kind.id).unwrapped)
    bank, step = kernel_of(cls), cls.step
    assert bank is not None
    make, actions = bank.trials()[0]
    assert follows(bank, make, actions)
    monkeypatch.setattr(cls, "step", lambda self, action: change(self, step(self, action)))
    assert not follows(bank, make, actions)


def test_a_changed_gymnasium_is_stepped_in_python_and_says_so_once() -> None:
    command = partial(subprocess.run, capture_output=True, text=True, timeout=60, cwd=ROOT)
    done = command([sys.executable, "-c", CHANGED])
    why = "PendulumEnv computes in another way here than the kernel Pendulums"
    assert done.stdout.splitlines() == [
        *[f"2 environments, inline, Python: environment 0: {why}", "True"] * 3,
        "1 environments, inline, native: Acrobots",
        f"['{why}; such environments are stepped in Python']",
    ], done.stderr
