"""Networks of action values over observations of any space, and what a network of the user must make."""

from __future__ import annotations

import numpy as np
from gymnasium import spaces
from torch import Tensor, nn

from reactvec.port_types import port_type

from .checks import ConfigError
from .draws import Draws
from .encoding import Inputs
from .kernels.q_network import QNetworkKernel
from .layers import Extractor, Initializer, check_float32, hidden_layers, trying_out, users_network
from .model_config import ModelConfig, ModelFactory
from .observations import Space, Tensors, as_tensors, sample_rows


class QNetwork(nn.Module):
    """Fully connected action values `[n, actions]`, over convolutions where observations are images; `dueling` splits
    value and advantage (Wang et al. 2016).
    """

    def __init__(self, inputs: Inputs, actions: int, model: ModelConfig, dueling: bool, draws: Draws) -> None:
        super().__init__()
        self.dueling = dueling
        init = Initializer(draws, orthogonal=False)
        self.extractor = Extractor(inputs, model, init)
        widths = (self.extractor.features, *model.hiddens)
        self.body = nn.Sequential(*hidden_layers(widths, model.activation, init))
        self.head = init.linear(widths[-1], actions + dueling, len(widths))

    def forward(self, observation: Tensors) -> Tensor:
        """Action values `[n, actions]` float32 for observations nested like the space."""
        values: Tensor = self.head(self.body(self.extractor(observation)))
        if not self.dueling:
            return values
        value, advantages = values[:, :1], values[:, 1:]
        return value + advantages - advantages.mean(1, keepdim=True)


def build_network(
    model: ModelConfig | ModelFactory, space: Space, action_space: Space, *, dueling: bool, seed: int
) -> nn.Module:
    """The built-in network or the caller's; the weights are a function of `seed`, and no global generator
    moves.
    """
    draws = Draws(seed, "weights")
    if isinstance(model, ModelConfig):
        assert isinstance(action_space, spaces.Discrete)
        inputs = Inputs(space, flat_images=model.cnn is None)
        return QNetwork(inputs, int(action_space.n), model, dueling, draws)
    return users_network(model, space, action_space, draws)


def q_network_kernel(
    model: ModelConfig | ModelFactory, space: Space, actions: int, dueling: bool
) -> QNetworkKernel | str:
    """The kernel of the built-in network, or why it has none; a function of the configuration and the spaces alone."""
    if not isinstance(model, ModelConfig):
        return "the model is the caller's"
    shape, dtype = port_type(space)
    try:
        parts, row = Inputs(space, flat_images=model.cnn is None).parts(), np.dtype((dtype, shape))
        return QNetworkKernel(parts, row, model.hiddens, model.activation, actions, dueling)
    except ValueError as error:
        return str(error)


def check_outputs(module: nn.Module, space: Space, actions: int, device: str) -> None:
    """ConfigError unless `module` makes `[rows, actions]` of observations."""
    with trying_out(module):
        values = module(as_tensors(space, sample_rows(space), device))
    made = tuple(values.shape) if isinstance(values, Tensor) else type(values).__name__
    if made != (2, actions):
        raise ConfigError(f"model made {made} of 2 observations; it must return a tensor (rows, {actions})")
    check_float32(values)
