"""The networks of SAC: an actor, critics, and the coefficient of entropy."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from gymnasium import spaces
from torch import Tensor, nn

from reactvec.port_types import port_type

from .checks import ConfigError
from .draws import Draws
from .encoding import Inputs
from .kernels.actor import ActorKernel
from .kernels.head import HeadKernel
from .layers import Extractor, Initializer, check_float32, hidden_layers, trying_out, users_network
from .model_config import ModelConfig, ModelFactory
from .observations import Space, Tensors, as_tensors, sample_rows

LOG_STD_RANGE = -20.0, 2.0


class Alpha(nn.Module):
    """What entropy counts against rewards, kept as its logarithm `log` `[1]`."""

    def __init__(self, initial: float) -> None:
        super().__init__()
        self.log = nn.Parameter(torch.tensor([math.log(initial)], dtype=torch.float32))

    def forward(self) -> Tensor:
        """The coefficient `[1]`."""
        return self.log.exp()


class Actor(nn.Module):
    """Means of what is squashed into actions, and logarithms of standard deviations, within LOG_STD_RANGE."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, observation: Tensors) -> Tensor:
        """Outputs `[n, 2 * parts]`, as the Gaussian head reads them."""
        mean, log_std = self.net(observation).chunk(2, 1)
        return torch.cat((mean, log_std.clamp(*LOG_STD_RANGE)), 1)


class ActorNet(nn.Module):
    """The built-in actor: a fully connected network over the features of the observation."""

    def __init__(self, inputs: Inputs, parts: int, model: ModelConfig, draws: Draws) -> None:
        super().__init__()
        init = Initializer(draws, orthogonal=False)
        self.extractor = Extractor(inputs, model, init)
        self.layers = _network(self.extractor.features, 2 * parts, model, init, 0)

    def forward(self, observation: Tensors) -> Tensor:
        """Means and logarithms of standard deviations, `[n, 2 * parts]`."""
        outputs: Tensor = self.layers(self.extractor(observation))
        return outputs


class Critics(nn.Module):
    """The built-in critics: each a fully connected network over the features of the observation and the action."""

    def __init__(self, inputs: Inputs, parts: int, count: int, model: ModelConfig, draws: Draws) -> None:
        super().__init__()
        init = Initializer(draws, orthogonal=False)
        self.extractor = Extractor(inputs, model, init)
        features = self.extractor.features + parts
        self.nets = nn.ModuleList([_network(features, 1, model, init, critic) for critic in range(count)])

    def forward(self, observation: Tensors, action: Tensor) -> Tensor:
        """Values `[n, critics]` of actions `[n, parts]`, whose bounds are -1 and 1."""
        features = torch.cat((self.extractor(observation), action), 1)
        return torch.cat([net(features) for net in self.nets], 1)


class SoftActorCritic(nn.Module):
    """`actor`, `critics` and `alpha`; they share no weights."""

    def __init__(self, actor: nn.Module, critics: nn.Module, initial_alpha: float) -> None:
        super().__init__()
        self.actor, self.critics, self.alpha = Actor(actor), critics, Alpha(initial_alpha)

    def part_sizes(self) -> tuple[int, int, int]:
        """How many weights actor, critics and alpha have."""
        actor, critics, alpha = (
            sum(weights.numel() for weights in part.parameters()) for part in (self.actor, self.critics, self.alpha)
        )
        return actor, critics, alpha


def _network(inputs: int, outputs: int, model: ModelConfig, init: Initializer, net: int) -> nn.Sequential:
    """A fully connected network, initialised as torch does, which is what Stable-Baselines3 leaves SAC's with."""
    widths = (inputs, *model.hiddens)
    last = init.linear(widths[-1], outputs, net, len(model.hiddens))
    return nn.Sequential(*hidden_layers(widths, model.activation, init, net), last)


def build_soft_actor_critic(
    model: ModelConfig | ModelFactory,
    space: Space,
    action_space: spaces.Box,
    *,
    critics: int,
    alpha: float,
    seed: int,
) -> SoftActorCritic:
    """The built-in networks or the caller's; the weights are a function of `seed`, and no global generator moves."""
    draws, parts = Draws(seed, "weights"), math.prod(action_space.shape)
    if isinstance(model, ModelConfig):
        inputs = Inputs(space, flat_images=model.cnn is None)
        own = Critics(inputs, parts, critics, model, Draws(seed, "critics"))
        return SoftActorCritic(ActorNet(inputs, parts, model, draws), own, alpha)
    module = users_network(model, space, action_space, draws)
    net, own_critics = (getattr(module, name, None) for name in ("actor", "critics"))
    if not isinstance(net, nn.Module) or not isinstance(own_critics, nn.Module):
        raise ConfigError(f"model returned {type(module).__name__}; {_WANTED}")
    acting, valuing, all_weights = ({id(w) for w in part.parameters()} for part in (net, own_critics, module))
    if acting & valuing or acting | valuing != all_weights:
        raise ConfigError("model has weights that belong to both its actor and its critics, or to neither")
    return SoftActorCritic(net, own_critics, alpha)


def actor_kernel(model: ModelConfig | ModelFactory, space: Space, head: HeadKernel) -> ActorKernel | str:
    """The kernel of the built-in actor, or why it has none; a function of the configuration and the spaces alone."""
    if not isinstance(model, ModelConfig):
        return "the model is the caller's"
    shape, dtype = port_type(space)
    try:
        parts, row = Inputs(space, flat_images=model.cnn is None).parts(), np.dtype((dtype, shape))
        return ActorKernel(parts, row, model.hiddens, model.activation, head)
    except ValueError as error:
        return str(error)


_WANTED = (
    "it must return a torch.nn.Module with an `actor` (observation -> means and log standard deviations, "
    "(rows, 2 * action numbers)) and `critics` (observation, action -> one value per critic, (rows, critics))"
)


def check_soft_actor_critic(module: SoftActorCritic, space: Space, parts: int, device: str) -> None:
    """ConfigError unless the actor makes `[rows, 2 * parts]` and the critics make `[rows, critics]`."""
    with trying_out(module):
        observation = as_tensors(space, sample_rows(space), device)
        made: Any = (
            module.actor.net(observation),
            module.critics(observation, torch.zeros(2, parts, dtype=torch.float32, device=device)),
        )
    shapes = [tuple(part.shape) if isinstance(part, Tensor) else type(part).__name__ for part in made]
    if shapes[0] != (2, 2 * parts) or len(shapes[1]) != 2 or shapes[1][0] != 2 or not shapes[1][1]:
        raise ConfigError(f"model made {shapes} of 2 observations and actions of {parts} numbers; {_WANTED}")
    check_float32(*made)
