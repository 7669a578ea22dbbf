"""MinAtar's Breakout (Young and Tian 2019) as a Gymnasium environment, and the network that both sides learn on it."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
import numpy.typing as npt
import torch
from gymnasium.wrappers import TimeLimit
from torch import Tensor, nn

ENV_ID = "MinAtar/Breakout"
MAX_STEPS = 5_000
FEATURES = 128

Image = npt.NDArray[np.uint8]


class Breakout(gym.Env[Image, np.int64]):
    """Ten by ten cells, four channels first, each 0 or 1; three actions, of which one in ten is the last one again."""

    def __init__(self) -> None:
        from minatar import Environment

        self.game = Environment("breakout")
        self.actions = self.game.minimal_action_set()
        height, width, channels = self.game.state_shape()
        self.observation_space = gym.spaces.Box(0, 1, (channels, height, width), np.uint8)
        self.action_space = gym.spaces.Discrete(len(self.actions))

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Image, dict[str, Any]]:
        super().reset(seed=seed)
        if seed is not None:
            self.game.seed(seed)
        self.game.last_action = 0
        self.game.reset()
        return self._image(), {}

    def step(self, action: np.int64) -> tuple[Image, float, bool, bool, dict[str, Any]]:
        reward, over = self.game.act(self.actions[int(action)])
        return self._image(), float(reward), bool(over), False, {}

    def _image(self) -> Image:
        return np.ascontiguousarray(self.game.state().transpose(2, 0, 1), np.uint8)


def make() -> gym.Env[Any, Any]:
    """The environment with a time limit, without which a perfect player would never end."""
    return TimeLimit(Breakout(), MAX_STEPS)


def trunk(channels: int) -> nn.Sequential:
    """Features `[n, 128]` of images `[n, channels, 10, 10]`: the layers of MinAtar's own agents."""
    convolution = nn.Conv2d(channels, 16, 3)
    return nn.Sequential(convolution, nn.ReLU(), nn.Flatten(), nn.Linear(16 * 8 * 8, FEATURES), nn.ReLU())


class ActionValues(nn.Module):
    """Values of actions `[n, actions]`."""

    def __init__(self, observations: gym.Space[Any], actions: gym.Space[Any]) -> None:
        super().__init__()
        self.layers = nn.Sequential(trunk(_channels(observations)), nn.Linear(FEATURES, _count(actions)))

    def forward(self, obs: Tensor) -> Tensor:
        values: Tensor = self.layers(obs.float())
        return values


class ActorCritic(nn.Module):
    """Logits `[n, actions]` and values `[n]` by one trunk; orthogonal, with the gains of Stable-Baselines3."""

    def __init__(self, observations: gym.Space[Any], actions: gym.Space[Any]) -> None:
        super().__init__()
        self.trunk = trunk(_channels(observations))
        self.actor, self.critic = nn.Linear(FEATURES, _count(actions)), nn.Linear(FEATURES, 1)
        for part, gain in ((self.trunk, 2**0.5), (self.actor, 0.01), (self.critic, 1.0)):
            for layer in part.modules():
                if isinstance(layer, nn.Linear | nn.Conv2d):
                    nn.init.orthogonal_(layer.weight, gain)
                    nn.init.zeros_(layer.bias)  # type: ignore[arg-type]

    def forward(self, obs: Tensor) -> tuple[Tensor, Tensor]:
        features = self.trunk(obs.float())
        return self.actor(features), torch.squeeze(self.critic(features), 1)


def _channels(space: gym.Space[Any]) -> int:
    assert isinstance(space, gym.spaces.Box)
    return int(space.shape[0])


def _count(space: gym.Space[Any]) -> int:
    assert isinstance(space, gym.spaces.Discrete)
    return int(space.n)
