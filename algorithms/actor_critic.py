"""The built-in network of actor-critic algorithms, and what a network of the user must make."""

from __future__ import annotations

import math
from typing import Any

import gymnasium as gym
import numpy as np
import torch
from torch import Tensor, nn

from reactvec.port_types import port_type

from .checks import ConfigError
from .draws import Draws
from .encoding import Inputs
from .heads import Categories, Gaussian, Head
from .kernels.actor_critic import ActorCriticKernel
from .layers import Extractor, Initializer, Normalizer, check_float32, hidden_layers, trying_out, users_network
from .model_config import ModelConfig, ModelFactory
from .observations import Tensors, as_tensors, sample_rows

IMPOSSIBLE = -1e8
"""The logit of an action that the mask rules out."""


class ActorCritic(nn.Module):
    """Outputs for `head` `[n, outputs]` and values `[n]`: two fully connected networks, or one trunk with two heads.

    Weights are orthogonal with the gains of Stable-Baselines3: sqrt(2) inside, 0.01 for the outputs, 1 for the value;
    biases and logarithms of standard deviations begin at 0. Images go through convolutions that both networks share.
    """

    def __init__(self, inputs: Inputs, head: Head, model: ModelConfig, draws: Draws, normalize: bool = False) -> None:
        super().__init__()
        init = Initializer(draws, orthogonal=True)
        self.extractor = Extractor(inputs, model, init, normalize)
        self.real = isinstance(head, Gaussian)
        widths, activation = (self.extractor.features, *model.hiddens), model.activation
        trunk, own = (widths, widths[-1:]) if model.share_trunk else (widths[:1], widths)
        self.trunk = nn.Sequential(*hidden_layers(trunk, activation, init, 3))
        last = init.linear(widths[-1], head.parts if self.real else head.outputs, 1, gain=0.01)
        self.actor = nn.Sequential(*hidden_layers(own, activation, init, 0), last)
        self.critic = nn.Sequential(*hidden_layers(own, activation, init, 4), init.linear(widths[-1], 1, 2, gain=1.0))
        if self.real:
            self.log_std = nn.Parameter(torch.zeros(head.parts))

    @property
    def normalizer(self) -> Normalizer | None:
        """What normalises the features, if something does."""
        return self.extractor.normalizer

    def forward(self, observation: Tensors) -> tuple[Tensor, Tensor]:
        """Outputs `[n, outputs]` and values `[n]`, float32."""
        features = self.trunk(self.extractor(observation))
        outputs, values = self.actor(features), self.critic(features).squeeze(1)
        if self.real:
            outputs = torch.cat((outputs, self.log_std.expand_as(outputs)), 1)
        mask = self.extractor.inputs.mask
        if mask is not None:
            outputs = outputs.masked_fill(mask.of(observation).reshape(outputs.shape[0], -1) == 0, IMPOSSIBLE)
        return outputs, values


class Joined(nn.Module):
    """An actor-critic module whose outputs and values are one tensor `[n, outputs + 1]`."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, observation: Tensors) -> Tensor:
        """Outputs, and the value in the last column."""
        outputs, values = self.module(observation)
        return torch.cat((outputs, values.reshape(-1, 1)), 1)


def build_actor_critic(
    model: ModelConfig | ModelFactory, inputs: Inputs, head: Head, *, normalize: bool, seed: int
) -> nn.Module:
    """The built-in network or the caller's; the weights are a function of `seed`, and no global generator moves."""
    draws = Draws(seed, "weights")
    if isinstance(model, ModelConfig):
        _check_mask(inputs, head)
        return ActorCritic(inputs, head, model, draws, normalize)
    if normalize:
        raise ConfigError("normalize_observations is for the built-in network; with a model of your own, do it there")
    if inputs.mask is not None:
        raise ConfigError("action_mask is for the built-in network; with a model of your own, mask the outputs there")
    return users_network(model, inputs.space, head.space, draws)


def _check_mask(inputs: Inputs, head: Head) -> None:
    """ConfigError unless the mask, if there is one, has a number for each category."""
    if inputs.mask is None:
        return
    count = math.prod(inputs.mask.space.shape or ())
    if not isinstance(head, Categories) or count != head.outputs:
        raise ConfigError(f"action_mask: a mask of {count} numbers does not fit the actions {head.space}")


def network_kernel(
    model: ModelConfig | ModelFactory, inputs: Inputs, head: Head, normalize: bool
) -> ActorCriticKernel | str:
    """The kernel of the built-in network, or why it has none; a function of the configuration and the spaces alone."""
    if not isinstance(model, ModelConfig):
        return "the model is the caller's"
    if model.share_trunk:
        return "share_trunk=True"
    shape, dtype = port_type(inputs.space)
    try:
        parts, row, mask = inputs.parts(), np.dtype((dtype, shape)), inputs.mask_part()
        return ActorCriticKernel(parts, row, model.hiddens, model.activation, head.kernel, normalize, mask)
    except ValueError as error:
        return str(error)


def check_actor_critic(module: nn.Module, space: gym.Space[Any], head: Head, device: str) -> None:
    """ConfigError unless `module` makes `[rows, outputs]` and `[rows]` or `[rows, 1]` of observations."""
    with trying_out(module):
        made = module(as_tensors(space, sample_rows(space), device))
    wanted = f"outputs (rows, {head.outputs}) and values (rows,)"
    if not isinstance(made, tuple) or len(made) != 2 or not all(isinstance(part, Tensor) for part in made):
        raise ConfigError(f"model made {type(made).__name__} of 2 observations; it must return a tuple: {wanted}")
    if made[0].shape != (2, head.outputs) or made[1].numel() != 2:
        shapes = [tuple(part.shape) for part in made]
        raise ConfigError(f"model made {shapes} of 2 observations; it must return {wanted}")
    check_float32(*made)
