"""Training one row with one seed, by reactvec or by Stable-Baselines3, to a function that chooses actions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Protocol

import numpy as np

from benchmarks import breakout
from benchmarks.evaluator import Choose
from benchmarks.learning_rows import Row, ours

POINTS = 50
OURS, PIPELINE, SB3 = "reactvec", "pipeline", "sb3"
SIDES = (OURS, SB3)


def sides_of(row: Row) -> tuple[str, ...]:
    """Who trains a row: PPO of ours also gathers while it learns, and is judged as that apart."""
    return (OURS, PIPELINE, SB3) if row.algorithm == "ppo" else SIDES


@dataclass
class Training:
    """What a training leaves: how its last weights act, greedily, and its curve.

    `curve` has some 50 pairs of environment steps and the mean return of the last 100 episodes until then, as they were
    while exploring (None where none had ended).
    """

    choose: Choose
    curve: list[tuple[int, float | None]] = field(default_factory=list)


class CannotRun(RuntimeError):
    """A row for which something is missing; the message names it."""


def settings_of(row: Row, side: str) -> dict[str, Any]:
    """What the side is told, as JSON values."""
    if side == SB3:
        return dict(row.settings)
    return ours(row) | ({"pipeline": True} if side == PIPELINE else {})


def check(row: Row, side: str) -> None:
    """CannotRun if the row's environment or algorithm is not there."""
    if package := row.package:
        raise CannotRun(f"{row.env_id} needs {package}: pip install 'reactvec[bench]'")
    if side != SB3:
        config_class(row)


def config_class(row: Row) -> Any:
    """Our config's class; CannotRun if reactvec has no such algorithm."""
    import reactvec.algorithms

    name = f"{row.algorithm.upper()}Config"
    if not hasattr(reactvec.algorithms, name):
        raise CannotRun(f"reactvec has no {name} yet")
    return getattr(reactvec.algorithms, name)


def our_algorithm(row: Row, seed: int, side: str = OURS) -> Any:
    """Our algorithm of a row."""
    settings = settings_of(row, side)
    if settings["model"] == "MinAtar":
        settings["model"] = {"ppo": breakout.ActorCritic, "dqn": breakout.ActionValues}[row.algorithm]
    # One worker, as on SB3's side, since trainings run side by side; it changes no result.
    settings["placement"] = "inline"
    return config_class(row)(env=row.make_env, total_timesteps=row.steps, seed=seed, **settings).build_algo()


def train_ours(row: Row, seed: int, side: str = OURS) -> Training:
    """Ours."""
    with our_algorithm(row, seed, side) as algorithm:
        training = Training(algorithm.predict)
        done = 0
        while done < row.steps:
            result = algorithm.train_steps(min(max(row.steps // POINTS, 1), row.steps - done))
            done = result["num_env_steps_sampled_lifetime"]
            training.curve.append((done, _finite(result["env_runners"]["episode_return_mean"])))
    return training


def sb3_model(row: Row, seed: int) -> tuple[Any, Choose]:
    """Stable-Baselines3's model of a row, and how it acts, greedily."""
    import stable_baselines3
    from stable_baselines3.common.env_util import make_vec_env
    from stable_baselines3.common.vec_env import VecNormalize

    said = dict(row.settings)
    env: Any = make_vec_env(row.make_env, n_envs=said.pop("n_envs"), seed=seed)
    normalizer = None
    if said.pop("normalize", False):
        env = normalizer = VecNormalize(env, gamma=said["gamma"])
    policy = sb3_policy(said)
    for name in ("learning_rate", "clip_range"):
        if isinstance(value := said.get(name), str):
            said[name] = linear(float(value.removeprefix("lin_")))
    kind = getattr(stable_baselines3, row.algorithm.upper())
    model = kind("MlpPolicy", env, seed=seed, device="cpu", policy_kwargs=policy, **said)
    return model, sb3_choose(model, normalizer)


def train_sb3(row: Row, seed: int) -> Training:
    """Stable-Baselines3's."""
    model, choose = sb3_model(row, seed)
    training = Training(choose)
    model.learn(row.steps, callback=curve_callback(training.curve, max(row.steps // POINTS, 1)))
    model.env.close()
    return training


def sb3_choose(model: Any, normalizer: Any) -> Choose:
    """Greedy actions for raw observations, with the statistics as training left them."""

    def choose(obs: Any) -> Any:
        seen = obs if normalizer is None else normalizer.normalize_obs(obs)
        return model.predict(seen, deterministic=True)[0]

    return choose


def linear(start: float) -> Callable[[float], float]:
    """SB3's form of a ramp to 0."""
    return lambda remaining: remaining * start


def sb3_policy(said: dict[str, Any]) -> dict[str, Any]:
    """Take network and activation out of SB3's settings; the policy's keyword arguments."""
    from torch import nn

    net, activation = said.pop("net_arch"), said.pop("activation")
    if net == "MinAtar":
        return {"features_extractor_class": _extractor(), "net_arch": []}
    return {"net_arch": net, "activation_fn": {"tanh": nn.Tanh, "relu": nn.ReLU}[activation]}


def _extractor() -> Any:
    """The convolutional trunk as SB3 wants it."""
    import gymnasium as gym
    import torch
    from stable_baselines3.common.torch_layers import BaseFeaturesExtractor

    class Extractor(BaseFeaturesExtractor):
        def __init__(self, space: gym.spaces.Box) -> None:
            super().__init__(space, breakout.FEATURES)
            self.layers = breakout.trunk(space.shape[0])

        def forward(self, obs: torch.Tensor) -> torch.Tensor:
            features: torch.Tensor = self.layers(obs)
            return features

    return Extractor


def curve_callback(curve: list[tuple[int, float | None]], period: int) -> Any:
    """SB3's callback that writes the curve down: whenever `period` more steps were done, and at the end."""
    from stable_baselines3.common.callbacks import BaseCallback

    class Curve(BaseCallback):
        def _on_step(self) -> bool:
            if self.num_timesteps // period > (curve[-1][0] if curve else 0) // period:
                self.note()
            return True

        def _on_training_end(self) -> None:
            if not curve or curve[-1][0] < self.num_timesteps:
                self.note()

        def note(self) -> None:
            episodes = [episode["r"] for episode in self.model.ep_info_buffer or ()]
            curve.append((self.num_timesteps, _finite(np.mean(episodes)) if episodes else None))

    return Curve()


def _finite(value: Any) -> float | None:
    return float(value) if np.isfinite(value) else None


class Train(Protocol):
    """Trains a row with a seed."""

    def __call__(self, row: Row, seed: int) -> Training:
        """Train."""


TRAIN: Mapping[str, Train] = {OURS: train_ours, PIPELINE: partial(train_ours, side=PIPELINE), SB3: train_sb3}
