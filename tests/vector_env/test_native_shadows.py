"""Native environments keep their Python objects as shadows: whoever looks at one, or changes it, sees no difference."""

from __future__ import annotations

from functools import partial
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.envs.classic_control.cartpole import CartPoleEnv
from gymnasium.error import ResetNeeded
from gymnasium.vector import AutoresetMode

from tests.envs.kinds import KINDS
from tests.sample_envs import cartpole
from tests.vector_env.oracle import MODES, Twins, twins
from tests.vector_env.placements import where_kernels_run

short = partial(cartpole, max_episode_steps=11)
STATE = np.array([0.01, 0.02, 0.03, -0.02])
PARAMETERS = ("gravity", "masspole", "total_mass", "length", "polemass_length", "force_mag", "tau", "x_threshold")
ANGLE = "theta_threshold_radians"

# What may be set, and whether the kernel can go on with it.
CHANGES: dict[str, tuple[str, Any, bool]] = {
    **{name: (name, 0.5, True) for name in PARAMETERS},
    "each its own": ("gravity", [1.0, 20.0, 9.8, 5.0], True),
    "threshold": (ANGLE, 0.1, True),
    "state": ("state", STATE, True),
    "elapsed": ("_elapsed_steps", 9, True),
    "limit": ("_max_episode_steps", 5, True),
    "reward": ("_sutton_barto_reward", True, True),
    "generator": ("np_random", [np.random.default_rng(i) for i in range(4)], True),
    "a new attribute": ("nickname", "pole", True),
    "int": ("gravity", 5, True),
    "another float": ("gravity", np.float32(5), False),
    "integrator": ("kinematics_integrator", "semi-implicit euler", False),
    "state as a list of float32": ("state", STATE.astype(np.float32), False),
    "one of four": ("gravity", [9.8, 9.8, np.float32(3), 9.8], False),
    "another generator": ("np_random", [np.random.Generator(np.random.MT19937(i)) for i in range(4)], True),
    "observation space": ("observation_space", gym.spaces.Box(-9, 9, (4,), np.float32), False),
}


def is_native(both: Twins) -> bool:
    return "native: CartPoles" in both.vector.explain()


def look(both: Twins) -> None:
    for name in ("state", "steps_beyond_terminated", "_elapsed_steps", "np_random", "np_random_seed", "has_reset"):
        both.do("get_attr", name)


@where_kernels_run
@pytest.mark.parametrize("mode", MODES)
def test_looking_changes_nothing(mode: AutoresetMode, place: dict[str, Any]) -> None:
    with twins([short, cartpole] * 2, mode, **place) as both:
        both.do("get_attr", "state")
        both.do("get_attr", "length")
        both.reset(seed=0)
        look(both)
        for turn in range(20):
            both.run(turn)
            look(both)
            both.reset(seed=turn, options={"reset_mask": np.arange(4) == turn % 4})
        assert is_native(both)


@where_kernels_run
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("change", CHANGES)
def test_changes(mode: AutoresetMode, change: str, place: dict[str, Any]) -> None:
    """Between steps, at whatever moment of an episode; then the trajectories go on as in Python."""
    name, value, goes_on = CHANGES[change]
    with twins([short] * 4, mode, **place) as both:
        both.reset(seed=0)
        for steps in (3, 8, 1, 17):
            both.run(steps)
            both.do("set_attr", name, value)
            both.run(1)
        assert is_native(both) == goes_on
        look(both)
        both.run(40)
        both.reset(seed=7)
        both.run(40)


@where_kernels_run
@pytest.mark.parametrize("mode", MODES)
def test_leaving_the_kernel_just_when_an_episode_has_ended(mode: AutoresetMode, place: dict[str, Any]) -> None:
    """Which environments have ended, by falling or by time, is not lost."""
    with twins([short, cartpole, cartpole], mode, **place) as both:
        both.reset(seed=1)
        while not both.ended.any():
            both.step(np.ones(3, int))
        both.do("set_attr", "gravity", np.float32(9))
        both.run(60)
        assert "Python, since environment 0 was changed: gravity is not a float" in both.vector.explain()
        look(both)


def test_a_change_that_is_taken_back_in_time() -> None:
    with twins([cartpole] * 2) as both:
        both.reset(seed=0)
        both.do("set_attr", "gravity", np.float32(5))
        both.do("set_attr", "gravity", 5.0)
        both.run(30)
        assert is_native(both)


@where_kernels_run
def test_a_change_before_the_first_reset(place: dict[str, Any]) -> None:
    for value, goes_on in ((3.0, True), (np.float32(3), False)):
        with twins([cartpole] * 4, **place) as both:
            both.do("set_attr", "gravity", value)
            with pytest.raises(ResetNeeded):
                both.vector.step(np.zeros(4, int))
            both.reset(seed=0)
            both.run(50)
            assert is_native(both) == goes_on


@where_kernels_run
def test_another_environment_in_its_place(place: dict[str, Any]) -> None:
    with twins([short] * 3, **place) as both:
        both.reset(seed=0)
        both.do("set_attr", "env", [short().env for _ in range(3)])
        both.reset(seed=1)
        both.run(50)
        assert "another environment took its place" in both.vector.explain()


def test_a_fallen_pole_that_is_set_upright_is_reset_all_the_same() -> None:
    with twins([cartpole] * 2) as both:
        both.reset(seed=0)
        while not both.ended.any():
            both.step(np.ones(2, int))
        both.do("set_attr", "steps_beyond_terminated", None)
        both.do("set_attr", "state", STATE)
        both.run(30)


def test_a_pole_that_is_said_to_have_fallen() -> None:
    with twins([CartPoleEnv] * 2) as both:
        both.reset(seed=0)
        both.run(2)
        both.do("set_attr", "steps_beyond_terminated", 0)
        both.run(2)
        look_at = ("state", "steps_beyond_terminated")
        for name in look_at:
            both.do("get_attr", name)


@where_kernels_run
def test_a_call_that_fails_leaves_the_kernel_as_it_was(place: dict[str, Any]) -> None:
    with twins([short] * 4, **place) as both:
        both.reset(seed=0)
        both.run(7)
        for _ in range(2):
            with pytest.raises(AttributeError):
                both.vector.call("nothing of this name")
            both.run(7)
        assert is_native(both)


@where_kernels_run
def test_actions_of_any_form_after_leaving(place: dict[str, Any]) -> None:
    with twins([short] * 4, **place) as both:
        both.reset(seed=0)
        both.do("set_attr", "gravity", np.float32(5))
        for actions in ([0, 1, 0, 1], np.ones(4, int), np.ones(4, np.int16), (1, 1, 0, 0)):
            both.step(actions)
        both.vector.step_async(np.zeros(4, int))
        both.oracle.step(np.zeros(4, int))
        both.vector.step_wait()
        both.run(5)


@where_kernels_run
@pytest.mark.parametrize(
    "name", ["CartPole", "Acrobot", "MountainCar", "Pendulum", "FrozenLake", "CliffWalking", "Taxi", "Blackjack"]
)
def test_frames_are_those_of_the_true_state(name: str, place: dict[str, Any]) -> None:
    """As for the environments that Stable-Baselines3's make_vec_env makes."""
    kind = next(kind for kind in KINDS if kind.name == name)
    make = partial(gym.make, kind.id, render_mode="rgb_array", max_episode_steps=20)
    with twins([make] * 2, **place) as both:
        assert ", native: " in both.vector.explain()
        both.reset(seed=3)
        for _ in range(5):
            both.do("render")
            both.run(6)
        assert ", native: " in both.vector.explain()


@pytest.mark.parametrize("name", ["FrozenLake", "Taxi"])
def test_rendering_as_text(name: str) -> None:
    kind = next(kind for kind in KINDS if kind.name == name)
    with twins([partial(gym.make, kind.id, render_mode="ansi")] * 2) as both:
        both.reset(seed=3)
        for _ in range(3):
            both.run(4)
            both.do("render")
        assert ", native: " in both.vector.explain()
