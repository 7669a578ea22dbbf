"""The built-in network of actor-critic algorithms, and what a network of the user must make."""

from __future__ import annotations

import copy
import math
from itertools import pairwise
from typing import Any

import gymnasium as gym
import numpy as np
import torch
from torch import Tensor, nn

from reactvec.port_types import port_type

from .checks import ConfigError
from .config import ModelConfig, ModelFactory
from .draws import Draws
from .encoding import encode, encoded_parts, features
from .heads import Gaussian, Head
from .kernels.actor_critic import ActorCriticKernel
from .observations import Array, Space, Tensors, as_rows, as_tensors
from .parameters import FlatParameters
from .policy import ACTIVATIONS, users_network


class ActorCritic(nn.Module):
    """Two fully connected networks, or one trunk with two heads: outputs for `head` `[n, outputs]`, values `[n]`.

    Weights are orthogonal (Saxe et al. 2014) with the gains of Stable-Baselines3: sqrt(2) inside, 0.01 for the outputs,
    1 for the value; biases and logarithms of standard deviations begin at 0.
    """

    def __init__(self, space: Space, head: Head, model: ModelConfig, draws: Draws, normalize: bool = False) -> None:
        super().__init__()
        self.space = space
        self.normalizer = Normalizer(space) if normalize else None
        widths = (features(space), *model.hiddens)
        activation = ACTIVATIONS[model.activation]
        self.real = isinstance(head, Gaussian)
        outputs = head.parts if self.real else head.outputs
        if model.share_trunk:
            self.trunk = nn.Sequential(*_hidden_layers(widths, activation, draws, 0))
            self.actor = nn.Sequential(_orthogonal(widths[-1], outputs, 0.01, draws, 1))
            self.critic = nn.Sequential(_orthogonal(widths[-1], 1, 1.0, draws, 2))
        else:
            self.trunk = nn.Sequential()
            last = _orthogonal(widths[-1], outputs, 0.01, draws, 1)
            self.actor = nn.Sequential(*_hidden_layers(widths, activation, draws, 0), last)
            last = _orthogonal(widths[-1], 1, 1.0, draws, 2)
            self.critic = nn.Sequential(*_hidden_layers(widths, activation, draws, 3), last)
        if self.real:
            self.log_std = nn.Parameter(torch.zeros(head.parts))

    def forward(self, observation: Tensors) -> tuple[Tensor, Tensor]:
        """Outputs `[n, outputs]` and values `[n]`, float32."""
        encoded = encode(self.space, observation)
        if self.normalizer is not None:
            encoded = self.normalizer(encoded)
        encoded = self.trunk(encoded)
        outputs, values = self.actor(encoded), self.critic(encoded).squeeze(1)
        if self.real:
            outputs = torch.cat((outputs, self.log_std.expand_as(outputs)), 1)
        return outputs, values


class Normalizer(nn.Module):
    """(x - mean) * scale, at most 10 away from 0, for the real numbers of an observation; `mean` and `scale` are set
    after rollouts and are constant in between.
    """

    mean: Tensor
    scale: Tensor

    def __init__(self, space: Space) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(features(space)))
        self.register_buffer("scale", torch.ones(features(space)))

    def set(self, mean: Array, scale: Array) -> None:
        """Take over statistics, `[features]` each."""
        self.mean.copy_(torch.from_numpy(mean))
        self.scale.copy_(torch.from_numpy(scale))

    def forward(self, encoded: Tensor) -> Tensor:
        """Normalised features `[n, features]`."""
        return ((encoded - self.mean) * self.scale).clamp(-10, 10)


class Joined(nn.Module):
    """An actor-critic module whose outputs and values are one tensor `[n, outputs + 1]`."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, observation: Tensors) -> Tensor:
        """Outputs, and the value in the last column."""
        outputs, values = self.module(observation)
        return torch.cat((outputs, values.reshape(-1, 1)), 1)


class KernelInference:
    """Outputs and values of a network's kernel, in one array as `Joined` makes them."""

    def __init__(self, net: ActorCriticKernel, parameters: FlatParameters) -> None:
        self.net, self.parameters = net, parameters
        self.packed = np.zeros(net.size, np.float32)

    def refresh(self) -> None:
        """Take over the weights."""
        self.net.pack(self.parameters.numpy(), self.packed)

    def __call__(self, observations: Array) -> Array:
        """Outputs and, in the last column, values: `[n, outputs + 1]`, for rows of the port `[n, ...]`."""
        outputs, values = self.net.forward(self.packed, np.ascontiguousarray(observations))
        return np.concatenate((outputs, values[:, None]), 1)


def _hidden_layers(widths: tuple[int, ...], activation: type[nn.Module], draws: Draws, net: int) -> list[nn.Module]:
    layers: list[nn.Module] = []
    for index, (before, after) in enumerate(pairwise(widths)):
        layers += [_orthogonal(before, after, math.sqrt(2), draws, net, index + 1), activation()]
    return layers


def _orthogonal(before: int, after: int, gain: float, draws: Draws, *layer: int) -> nn.Linear:
    """A linear layer whose rows or columns are orthogonal: a uniformly random rotation, from draws of our own."""
    linear: nn.Linear = nn.utils.skip_init(nn.Linear, before, after, dtype=torch.float32)  # type: ignore[no-untyped-call]
    long, short = max(before, after), min(before, after)
    q, r = np.linalg.qr(draws.normal(*layer, np.arange(long * short)).reshape(long, short))
    q *= np.where(np.diagonal(r) < 0, -1, 1)
    with torch.no_grad():
        linear.weight.copy_(torch.from_numpy(gain * (q if after >= before else q.T)))
        linear.bias.zero_()
    return linear


def build_actor_critic(
    model: ModelConfig | ModelFactory, space: Space, head: Head, *, normalize: bool, seed: int
) -> nn.Module:
    """The built-in network or the caller's; the weights are a function of `seed`, and no global generator moves."""
    draws = Draws(seed, "weights")
    if isinstance(model, ModelConfig):
        return ActorCritic(space, head, model, draws, normalize)
    if normalize:
        raise ConfigError(
            "normalize_observations=True shapes the built-in network; with a model of your own, do it there"
        )
    return users_network(model, space, head.space, draws)


def network_kernel(
    model: ModelConfig | ModelFactory, space: Space, head: Head, normalize: bool
) -> ActorCriticKernel | str:
    """The kernel of the built-in network, or why it has none; a function of the configuration and the spaces alone."""
    if not isinstance(model, ModelConfig):
        return "the model is the caller's"
    if model.share_trunk:
        return "share_trunk=True"
    shape, dtype = port_type(space)
    try:
        parts, row = encoded_parts(space), np.dtype((dtype, shape))
        return ActorCriticKernel(parts, row, model.hiddens, model.activation, head.kernel, normalize)
    except ValueError as error:
        return str(error)


def check_actor_critic(module: nn.Module, space: gym.Space[Any], head: Head, device: str) -> None:
    """ConfigError unless `module` makes `[rows, outputs]` and `[rows]` or `[rows, 1]` of observations."""
    source = copy.deepcopy(space)
    source.seed(0)
    rows = np.repeat(as_rows(space, source.sample())[0], 2, axis=0)
    with torch.random.fork_rng(devices=[]), torch.inference_mode():
        made = module(as_tensors(space, rows, device))
    wanted = f"outputs (rows, {head.outputs}) and values (rows,)"
    if not isinstance(made, tuple) or len(made) != 2 or not all(isinstance(part, Tensor) for part in made):
        raise ConfigError(f"model made {type(made).__name__} of 2 observations; it must return a tuple: {wanted}")
    if made[0].shape != (2, head.outputs) or made[1].numel() != 2:
        shapes = [tuple(part.shape) for part in made]
        raise ConfigError(f"model made {shapes} of 2 observations; it must return {wanted}")
