"""The state of single environments as JSON: attributes of well-known classes, and their random generators.

Of an environment that is not known nobody can say which of its attributes change, so it has no state here.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import gymnasium as gym
import numpy as np

Env: TypeAlias = "gym.Env[Any, Any]"
State: TypeAlias = "list[dict[str, Any]]"
"""Of each layer, outermost wrapper first: its class under "class", and its attributes by name."""

_ENVS = "gymnasium.envs"
_WRAPPERS = "gymnasium.wrappers"
# What a step or a reset changes and a later one reads.
_CHANGING: dict[str, tuple[str, ...]] = {
    f"{_ENVS}.classic_control.acrobot.AcrobotEnv": ("state",),
    f"{_ENVS}.classic_control.cartpole.CartPoleEnv": ("state", "steps_beyond_terminated"),
    f"{_ENVS}.classic_control.continuous_mountain_car.Continuous_MountainCarEnv": ("state",),
    f"{_ENVS}.classic_control.mountain_car.MountainCarEnv": ("state",),
    f"{_ENVS}.classic_control.pendulum.PendulumEnv": ("state", "last_u"),
    f"{_ENVS}.toy_text.blackjack.BlackjackEnv": (
        "player",
        "dealer",
        "dealer_top_card_suit",
        "dealer_top_card_value_str",
    ),
    f"{_ENVS}.toy_text.cliffwalking.CliffWalkingEnv": ("s", "lastaction"),
    f"{_ENVS}.toy_text.frozen_lake.FrozenLakeEnv": ("s", "lastaction"),
    f"{_ENVS}.toy_text.taxi.TaxiEnv": ("s", "lastaction", "fickle_step", "taxi_orientation"),
    f"{_WRAPPERS}.common.OrderEnforcing": ("_has_reset",),
    f"{_WRAPPERS}.common.PassiveEnvChecker": ("checked_reset", "checked_step", "checked_render"),
    f"{_WRAPPERS}.common.RecordEpisodeStatistics": ("episode_count", "episode_returns", "episode_lengths"),
    f"{_WRAPPERS}.common.TimeLimit": ("_elapsed_steps",),
    f"{_WRAPPERS}.transform_action.ClipAction": (),
    f"{_WRAPPERS}.transform_action.RescaleAction": (),
    f"{_WRAPPERS}.transform_observation.FlattenObservation": (),
    f"{_WRAPPERS}.transform_observation.RescaleObservation": (),
    f"{_WRAPPERS}.transform_observation.ReshapeObservation": (),
    f"{_WRAPPERS}.transform_reward.ClipReward": (),
}


def capture(env: Env) -> State | None:
    """The state of an environment between two steps; None where one of its layers is not known."""
    state = []
    for layer in _layers(env):
        name = _class_of(layer)
        if name not in _CHANGING:
            return None
        kept = {key: _to_json(getattr(layer, key)) for key in _CHANGING[name] if hasattr(layer, key)}
        if any(value is _UNKNOWN for value in kept.values()):
            return None
        state.append({"class": name, **kept})
    generator = env.unwrapped.np_random
    if type(generator) is not np.random.Generator or type(generator.bit_generator) is not np.random.PCG64:
        return None
    state[-1]["generator"] = generator.bit_generator.state
    return state


def restore(env: Env, state: State) -> bool:
    """Bring an environment, which was reset before, into a state; False, and nothing happens, if it is another's."""
    layers = _layers(env)
    if [_class_of(layer) for layer in layers] != [layer.get("class") for layer in state]:
        return False
    generator = env.unwrapped.np_random.bit_generator
    if type(generator) is not np.random.PCG64:
        return False
    for layer, kept in zip(layers, state, strict=True):
        for key in _CHANGING[kept["class"]]:
            if key in kept:
                setattr(layer, key, _from_json(kept[key]))
    generator.state = state[-1]["generator"]
    return True


def _layers(env: Env) -> list[Env]:
    layers = [env]
    while isinstance(layers[-1], gym.Wrapper):
        layers.append(layers[-1].env)
    return layers


def _class_of(layer: Env) -> str:
    return f"{type(layer).__module__}.{type(layer).__qualname__}"


_UNKNOWN = object()


def _to_json(value: Any) -> Any:
    """Numbers, strings and None as they are; NumPy's by their dtype; lists and tuples of such."""
    if value is None or type(value) in (bool, int, float, str):
        return value
    if isinstance(value, np.ndarray | np.generic) and not value.dtype.hasobject:
        return {"dtype": value.dtype.str, "values": value.tolist(), "scalar": isinstance(value, np.generic)}
    if type(value) in (list, tuple):
        parts = [_to_json(part) for part in value]
        return _UNKNOWN if _UNKNOWN in parts else {type(value).__name__: parts}
    return _UNKNOWN


def _from_json(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    if "dtype" in value:
        array = np.array(value["values"], np.dtype(value["dtype"]))
        return array[()] if value["scalar"] else array
    ((kind, parts),) = value.items()
    return {"list": list, "tuple": tuple}[kind](_from_json(part) for part in parts)
