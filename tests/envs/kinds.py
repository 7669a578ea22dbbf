"""The environments that have kernels: what may be chosen about them, changed in them, and seen of them."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeAlias

import gymnasium as gym
import numpy as np
from gymnasium.envs.toy_text.frozen_lake import generate_random_map
from hypothesis import strategies as st

Choice: TypeAlias = "st.SearchStrategy[Any]"


LIMIT: dict[str, Choice] = {"max_episode_steps": st.integers(1, 60)}


@dataclass(frozen=True)
class Kind:
    """One kind: strategies for the options of `gym.make`, for the values of attributes, and for options of a reset."""

    name: str
    sees: tuple[str, ...]
    options: dict[str, Choice] = field(default_factory=dict)
    changes: dict[str, Choice] = field(default_factory=dict)
    bounds: dict[str, Choice] = field(default_factory=dict)
    shared: dict[str, Choice] = field(default_factory=dict)  # options that all environments have alike
    breaks: dict[str, Any] = field(default_factory=dict)  # values of attributes with which a kernel cannot go on
    reach: float = 1.0  # how far actions go beyond their space

    @property
    def id(self) -> str:
        """The id with the highest version that this Gymnasium has."""
        return f"{self.name}-v{max(spec.version or 0 for spec in gym.registry.values() if spec.name == self.name)}"

    def env_fns(self, data: st.DataObject, number: int) -> list[Any]:
        """Functions that make environments of this kind, each with options of its own."""
        shared = {name: data.draw(choice, name) for name, choice in self.shared.items()}
        return [partial(gym.make, self.id, **shared, **self._options(data)) for _ in range(number)]

    def _options(self, data: st.DataObject) -> dict[str, Any]:
        names = data.draw(st.sets(st.sampled_from(sorted({**self.options, **LIMIT}))), "options")
        return {name: data.draw({**self.options, **LIMIT}[name], name) for name in sorted(names)}


def floats(low: float, high: float) -> Choice:
    """Finite floats that are no float32."""
    return st.floats(low, high, allow_subnormal=False)


def arrays(*columns: Choice, dtype: Any = np.float64) -> Choice:
    """States."""
    return st.tuples(*columns).map(lambda values: np.array(values, dtype))


CLASSIC = "state", "_elapsed_steps"
ANGLES = floats(-4, 4)
MAPS = st.builds(generate_random_map, st.integers(2, 7), st.just(0.8), st.integers(0, 99))
WALK = "s", "lastaction"
LOW_HIGH = {"low": floats(-0.04, 0.0), "high": floats(0.0, 0.04)}
CAR = {"low": floats(-1.1, -0.6), "high": floats(-0.6, 0.4)}
# A table whose states are all alike; its probabilities are ints, and not floats as in Gymnasium.
SKEWED = {state: {action: [(1, (state + action) % 4, 0.5, False)] for action in range(4)} for state in range(4)}
KINDS = [
    Kind(
        "CartPole",
        (*CLASSIC, "steps_beyond_terminated"),
        {"sutton_barto_reward": st.booleans()},
        {
            "gravity": floats(1, 20),
            "length": floats(0.1, 2),
            "force_mag": st.integers(1, 20),
            "x_threshold": floats(0.1, 3),
            "state": arrays(*[floats(-0.2, 0.2)] * 4),
        },
        LOW_HIGH,
        breaks={"length": np.float32(0.5), "kinematics_integrator": "semi-implicit euler", "masspole": True},
    ),
    Kind(
        "Acrobot",
        CLASSIC,
        {},
        {
            "torque_noise_max": floats(0, 2),
            "book_or_nips": st.sampled_from(["book", "nips"]),
            "LINK_LENGTH_1": floats(0.5, 2),
            "LINK_COM_POS_2": floats(0.2, 1),
            "MAX_VEL_1": floats(0.5, 13),
            "AVAIL_TORQUE": st.lists(st.one_of(floats(-3, 3), st.integers(-3, 3)), min_size=3, max_size=3),
            "state": arrays(ANGLES, ANGLES, ANGLES, ANGLES),
            "dt": floats(0.01, 0.3),
        },
        LOW_HIGH,
        breaks={
            "AVAIL_TORQUE": [-1.0, 0.0, 1.0, 2.0],
            "LINK_MASS_1": np.float32(1.5),
            "LINK_MOI": 500.0,
            "state": np.array([0, 0, 1, 0]),
        },
    ),
    Kind(
        "MountainCar",
        CLASSIC,
        {"goal_velocity": st.one_of(st.just(0), floats(0, 0.05))},
        {
            "force": floats(0, 0.02),
            "gravity": floats(0, 0.01),
            "max_speed": floats(0.01, 0.2),
            "goal_position": floats(-0.5, 0.6),
            "state": st.tuples(floats(-1.2, 0.6).map(np.float64), st.one_of(floats(-0.07, 0.07).map(np.float64))),
        },
        CAR,
        breaks={"force": np.float32(0.001), "max_position": float("inf"), "state": (-0.5, 0.0)},
    ),
    Kind(
        "MountainCarContinuous",
        CLASSIC,
        {"goal_velocity": st.one_of(st.just(0), floats(0, 0.05))},
        {
            "power": floats(0, 0.02),
            "max_speed": floats(0.01, 0.2),
            "goal_position": floats(-0.5, 0.6),
            "max_action": floats(0.1, 2),
            "min_position": floats(-1.2, -0.6),
            "state": st.one_of(
                arrays(floats(-1.2, 0.6), floats(-0.07, 0.07)),
                arrays(floats(-1.2, 0.6), floats(-0.07, 0.07), dtype=np.float32),
            ),
        },
        CAR,
        breaks={"power": np.float64(0.002), "state": (-0.5, 0.0)},
        reach=2.0,
    ),
    Kind(
        "Pendulum",
        (*CLASSIC, "last_u"),
        {"g": st.one_of(floats(0, 20), st.integers(1, 20))},
        {
            "max_torque": floats(0.1, 3),
            "max_speed": st.one_of(st.integers(1, 9), floats(0.5, 9)),
            "dt": floats(0.01, 0.2),
            "m": floats(0.1, 3),
            "l": floats(0.1, 3),
            "state": arrays(floats(-40, 40), floats(-8, 8)),
        },
        {"x_init": floats(0.1, math.pi), "y_init": floats(0, 2)},
        breaks={"g": np.float32(9.0), "max_torque": np.float64(1.0), "state": np.array([0.1, 0.2], np.float32)},
        reach=1.5,
    ),
    Kind(
        "FrozenLake",
        WALK,
        {
            "is_slippery": st.booleans(),
            "success_rate": floats(0.1, 0.99),
            "reward_schedule": st.tuples(st.integers(-2, 2), floats(-1, 1), st.just(0)),
        },
        {"s": st.integers(0, 3), "lastaction": st.one_of(st.none(), st.integers(0, 3))},
        shared={"desc": MAPS},
        breaks={"P": SKEWED, "initial_state_distrib": np.array([1, 0, 0, 0], np.float32)},
    ),
    Kind("FrozenLake8x8", WALK, {"is_slippery": st.booleans()}, {"s": st.integers(0, 63).map(np.int64)}),
    Kind("CliffWalking", WALK, {"is_slippery": st.booleans()}, {"s": st.integers(0, 46)}, breaks={"s": 4.0}),
    Kind("CliffWalkingSlippery", WALK, {}, {"s": st.integers(0, 46)}),
    Kind(
        "Taxi",
        (*WALK, "fickle_step"),
        {"is_rainy": st.booleans(), "fickle_passenger": st.booleans()},
        {"fickle_probability": floats(0, 1), "s": st.integers(0, 499), "fickle_step": st.booleans()},
        breaks={"fickle_passenger": 1, "fickle_step": None},
    ),
    Kind(
        "Blackjack",
        ("player", "dealer", "dealer_top_card_suit", "dealer_top_card_value_str"),
        {"natural": st.booleans(), "sab": st.booleans()},
        {
            "natural": st.booleans(),
            "sab": st.booleans(),
            "player": st.lists(st.integers(1, 10), min_size=2, max_size=3),
            "dealer": st.lists(st.integers(1, 10), min_size=2, max_size=2),
        },
        breaks={"player": [np.int64(3), 4], "dealer": [1] * 30},
    ),
]
