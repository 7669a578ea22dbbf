"""Attributes, actions and surroundings that nobody expects: Gymnasium's bits, or Python, and never a crash."""

from __future__ import annotations

import weakref
from functools import partial
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.envs.classic_control import pendulum
from gymnasium.envs.toy_text import blackjack
from gymnasium.vector import AutoresetMode

from reactvec.envs import specialise
from tests.envs.kinds import KINDS
from tests.vector_env.oracle import same, twins
from tests.vector_env.placements import TWO_THREADS

IDS = {kind.name: kind.id for kind in KINDS}
NAN = float("nan")


def outcome(vector: Any, actions: Any) -> Any:
    """What a step returns, or of which kind the exception is."""
    try:
        return vector.step(actions)
    except Exception as error:
        return type(error)


def taken_alike(one: Any, other: Any) -> bool:
    return one is other if isinstance(one, type) else same(one, other)


ODD: dict[str, tuple[str, str, Any]] = {
    "a table of lists": ("FrozenLake", "P", [[], []]),
    "a table of fewer actions": ("FrozenLake", "P", {s: {0: [(1.0, s, 0, False)]} for s in range(16)}),
    "a table of more actions": (
        "FrozenLake",
        "P",
        {s: {a: [(1.0, s, a, False)] for a in range(5)} for s in range(16)},
    ),
    "a table without outcomes": ("FrozenLake", "P", {s: {a: [] for a in range(4)} for s in range(16)}),
    "a table of mixed types": (
        "FrozenLake",
        "P",
        {s: {a: [(1.0, np.int64(s) if a else s, a, False)] for a in range(4)} for s in range(16)},
    ),
    "no table": ("CliffWalking", "P", None),
    "other places": ("Taxi", "locs", [np.zeros(2)] * 2),
    "a speed of 0.0": ("MountainCar", "max_speed", 0.0),
    "a speed of 0": ("MountainCarContinuous", "max_speed", 0),
    "a torque of 0.0": ("Pendulum", "max_torque", 0.0),
    "a speed of the pendulum of 0.0": ("Pendulum", "max_speed", 0.0),
    "no gravity known": ("MountainCar", "gravity", NAN),
    "no force known": ("CartPole", "force_mag", NAN),
    "a force of 0": ("CartPole", "force_mag", 0),
    "a long pendulum": ("Pendulum", "l", 1e200),
    "a massless pendulum": ("Pendulum", "m", 0.0),
    "many steps": ("CartPole", "_elapsed_steps", 2**70),
    "steps of NumPy": ("CartPole", "_elapsed_steps", np.int64(3)),
    "no steps": ("Pendulum", "_elapsed_steps", -1),
    "a limit of another type": ("CartPole", "_max_episode_steps", 30.5),
    "a state of strings": ("CartPole", "state", ("a", "b", "c", "d")),
    "no state": ("Acrobot", "state", None),
    "no hand": ("Blackjack", "player", []),
    "a hand of strings": ("Blackjack", "dealer", ["A"]),
    "no reward rule": ("CartPole", "_sutton_barto_reward", None),
}


@pytest.mark.filterwarnings("ignore::RuntimeWarning", "ignore::UserWarning", "ignore::DeprecationWarning")
@pytest.mark.parametrize("odd", ODD)
def test_an_odd_attribute(odd: str) -> None:
    name, attribute, value = ODD[odd]
    with twins([partial(gym.make, IDS[name])] * 2, **TWO_THREADS) as both:
        both.reset(seed=0)
        both.run(4)
        both.do("set_attr", attribute, [value, value])
        for _ in range(12):
            actions = both.oracle.action_space.sample()
            one, other = outcome(both.oracle, actions), outcome(both.vector, actions)
            assert taken_alike(one, other), (one, other, both.vector.explain().splitlines()[0])
            if isinstance(one, type):
                break


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind.reach == 1.0], ids=lambda kind: kind.name)
@pytest.mark.parametrize(
    "form",
    [
        lambda: np.zeros(3, np.uint8),
        lambda: np.zeros(3, np.uint32),
        lambda: np.zeros(3, np.int8),
        lambda: np.zeros(3, np.int32),
        lambda: [np.uint8(0)] * 3,
        lambda: [np.bool_(False), 1, 1],
        lambda: [np.array(0)] * 3,
        lambda: [0, 1, 0],
        lambda: (np.int8(0), 1, True),
        lambda: [2**80, 0, 0],
        lambda: {0, 1, 2},
        lambda: {0: 1, 1: 0, 2: 0},
        lambda: "000",
    ],
)
def test_numbers_in_odd_forms(kind: Any, form: Any) -> None:
    with twins([partial(gym.make, kind.id)] * 3) as both:
        both.reset(seed=0)
        one, other = outcome(both.oracle, form()), outcome(both.vector, form())
        assert taken_alike(one, other), (one, other)


def test_what_was_set_and_not_stepped_keeps_its_type() -> None:
    with twins([partial(gym.make, "CartPole-v1")] * 2) as both:
        both.reset(seed=0)
        both.do("set_attr", "state", [(0.0, 0.01, 0.0, 0.0)] * 2)
        both.reset(seed=1, options={"reset_mask": np.array([True, False])})
        both.do("get_attr", "state")
        both.run(3)
        both.do("get_attr", "state")


@pytest.mark.parametrize(("module", "name", "value"), [(pendulum, "DEFAULT_X", 0.5), (blackjack, "deck", [1, 2, 3])])
def test_a_changed_constant_means_python(module: Any, name: str, value: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    env_id = IDS["Pendulum" if module is pendulum else "Blackjack"]
    assert specialise([gym.make(env_id)], AutoresetMode.NEXT_STEP)[0] is not None
    monkeypatch.setattr(module, name, value)
    assert f"{module.__name__}.{name} has been replaced" in specialise([gym.make(env_id)], AutoresetMode.NEXT_STEP)[1]


def test_an_environment_that_somebody_holds_weakly_is_not_stepped_natively() -> None:
    envs = [gym.make("CartPole-v1")]
    reference = weakref.ref(envs[0].unwrapped)
    assert "something else holds" in specialise(envs, AutoresetMode.NEXT_STEP)[1]
    assert reference() is not None


def test_tables_that_nobody_has_any_more_are_let_go() -> None:
    bank, _ = specialise([gym.make("FrozenLake-v1")], AutoresetMode.NEXT_STEP)
    assert bank is not None
    env: Any = bank.envs[0]
    env.reset(seed=0)
    bank.load(0)
    for turn in range(50):
        env.unwrapped.P[0][0] = [(1.0, 0, turn, False)]
        assert bank.adopt(0, env) is None
    assert bank.kept_tables <= 3
