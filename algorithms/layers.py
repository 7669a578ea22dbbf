"""Layers whose first weights are functions of a seed, and what makes features of images."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from .checks import ConfigError
from .draws import Draws
from .encoding import Inputs, Leaf
from .model_config import ModelConfig, ModelFactory
from .observations import Space, Tensors

F64: TypeAlias = "npt.NDArray[np.float64]"
ACTIVATIONS = {"relu": nn.ReLU, "tanh": nn.Tanh, "silu": nn.SiLU}
Convolutions: TypeAlias = "tuple[tuple[int, int, int], ...]"

NATURE: Convolutions = ((32, 8, 4), (64, 4, 2), (64, 3, 1))
"""Channels, kernel and stride for images of at least 36 x 36 (Mnih et al. 2015); 512 features."""
SMALL: Convolutions = ((16, 3, 1),)
"""For smaller ones (Young and Tian 2019, MinAtar); 128 features."""


class Initializer:
    """Fills layers with weights from draws of its own; `layer` numbers them.

    Orthogonal weights (Saxe et al. 2014) have a gain, and biases are 0; otherwise both are uniform within
    1/sqrt(inputs), as in torch.
    """

    def __init__(self, draws: Draws, *, orthogonal: bool) -> None:
        self.draws, self.orthogonal = draws, orthogonal

    def linear(self, before: int, after: int, *layer: int, gain: float = math.sqrt(2)) -> nn.Linear:
        """A fully connected layer."""
        made: nn.Linear = nn.utils.skip_init(nn.Linear, before, after, dtype=torch.float32)  # type: ignore[no-untyped-call]
        self._fill(made, layer, gain)
        return made

    def convolution(self, before: int, after: int, kernel: int, stride: int, *layer: int) -> nn.Conv2d:
        """A convolution without padding."""
        made: nn.Conv2d = nn.utils.skip_init(  # type: ignore[no-untyped-call]
            nn.Conv2d, before, after, kernel, stride, dtype=torch.float32
        )
        self._fill(made, layer, math.sqrt(2))
        return made

    def _fill(self, made: nn.Linear | nn.Conv2d, layer: tuple[int, ...], gain: float) -> None:
        assert made.bias is not None
        after, before = made.weight.shape[0], math.prod(made.weight.shape[1:])
        bias = np.zeros(after)
        if self.orthogonal:
            weight = gain * self._rotation(after, before, layer)
        else:
            values = self.draws.uniform(*layer, np.arange(after * (before + 1))) * 2 - 1
            bias, weight = np.split(values / math.sqrt(max(before, 1)), [after])
        with torch.no_grad():
            made.weight.copy_(torch.from_numpy(weight.reshape(made.weight.shape)))
            made.bias.copy_(torch.from_numpy(bias))

    def _rotation(self, after: int, before: int, layer: tuple[int, ...]) -> F64:
        """Rows or columns, whichever are fewer, of a uniformly random rotation."""
        long, short = max(before, after), min(before, after)
        normal = self.draws.normal(*layer, np.arange(long * short)).reshape(long, short)
        q, r = torch.linalg.qr(torch.from_numpy(normal))
        rotation: F64 = (q * torch.where(r.diagonal() < 0, -1, 1)).numpy()
        return rotation if after >= before else rotation.T


class Eyes(nn.Module):
    """Convolutions over one image, and a layer that makes `features` of them."""

    def __init__(self, leaf: Leaf, model: ModelConfig, init: Initializer, number: int) -> None:
        super().__init__()
        shape = leaf.space.shape or ()
        # As in Stable-Baselines3, channels are the smaller of the first and the last axis; of equals the last, which is
        # Gymnasium's convention.
        self.leaf, self.channels_last = leaf, shape[0] >= shape[2]
        channels, height, width = (shape[2], *shape[:2]) if self.channels_last else shape
        large = min(height, width) >= 36
        convolutions = (NATURE if large else SMALL) if model.cnn == "auto" else model.cnn
        assert isinstance(convolutions, tuple)
        layers: list[nn.Module] = []
        for index, (after, kernel, stride) in enumerate(convolutions):
            layers += [init.convolution(channels, after, kernel, stride, 100 + number, index), nn.ReLU()]
            channels, height, width = after, (height - kernel) // stride + 1, (width - kernel) // stride + 1
            if min(height, width) < 1:
                raise ConfigError(f"cnn={convolutions} leaves nothing of an image {shape}; give smaller kernels")
        self.features = model.cnn_features or (512 if large else 128)
        last = init.linear(channels * height * width, self.features, 100 + number, len(convolutions))
        self.body = nn.Sequential(*layers, nn.Flatten(), last, nn.ReLU())

    def forward(self, observation: Tensors) -> Tensor:
        """Features `[n, features]`; bytes are scaled to [0, 1]."""
        image = self.leaf.of(observation)
        pixels = image.float() / 255 if image.dtype == torch.uint8 else image.float()
        features: Tensor = self.body(pixels.permute(0, 3, 1, 2) if self.channels_last else pixels)
        return features


class Extractor(nn.Module):
    """What a network sees of an observation, in one row of `features`: flat parts, perhaps normalised, and images."""

    def __init__(self, inputs: Inputs, model: ModelConfig, init: Initializer, normalize: bool = False) -> None:
        super().__init__()
        if not inputs.flat and not inputs.images:
            raise ConfigError(f"{inputs.space} has nothing for a network to see, an action mask aside")
        self.inputs = inputs
        self.normalizer = Normalizer(inputs.features) if normalize else None
        eyes = [Eyes(leaf, model, init, number) for number, leaf in enumerate(inputs.images)]
        self.eyes = nn.ModuleList(eyes)
        self.features = inputs.features + sum(eye.features for eye in eyes)

    def forward(self, observation: Tensors) -> Tensor:
        """Features `[n, features]` float32."""
        parts = [eyes(observation) for eyes in self.eyes]
        if self.inputs.flat:
            encoded = self.inputs(observation)
            parts.insert(0, encoded if self.normalizer is None else self.normalizer(encoded))
        return parts[0] if len(parts) == 1 else torch.cat(parts, 1)


class Normalizer(nn.Module):
    """(x - mean) * scale, at most 10 away from 0; `mean` and `scale` are set after rollouts and constant in between."""

    mean: Tensor
    scale: Tensor

    def __init__(self, features: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(features))
        self.register_buffer("scale", torch.ones(features))

    def set(self, mean: F64, scale: F64) -> None:
        """Take over statistics, `[features]` each."""
        self.mean.copy_(torch.from_numpy(mean))
        self.scale.copy_(torch.from_numpy(scale))

    def forward(self, encoded: Tensor) -> Tensor:
        """Normalised features `[n, features]`."""
        return ((encoded - self.mean) * self.scale).clamp(-10, 10)


def hidden_layers(widths: tuple[int, ...], activation: str, init: Initializer, *net: int) -> list[nn.Module]:
    """Fully connected layers from widths[0] to widths[-1], each followed by the activation."""
    layers: list[nn.Module] = []
    for index in range(len(widths) - 1):
        layers += [init.linear(widths[index], widths[index + 1], *net, index), ACTIVATIONS[activation]()]
    return layers


def check_float32(*outputs: Tensor) -> None:
    """ConfigError for outputs of a caller's model that are of another type."""
    for output in outputs:
        if output.dtype != torch.float32:
            kind = str(output.dtype).removeprefix("torch.")
            raise ConfigError(f"model made {kind} of observations; it must return float32, as `outputs.float()` is")


@contextmanager
def trying_out(module: nn.Module) -> Iterator[None]:
    """Let a module see what nobody observed, and forget it: not even layers that keep statistics do."""
    modes = [(part, part.training) for part in module.modules()]
    module.eval()
    try:
        with torch.random.fork_rng(), torch.inference_mode():
            yield
    finally:
        for part, training in modes:
            part.training = training


def users_network(model: ModelFactory, space: Space, action_space: Space, draws: Draws) -> nn.Module:
    """What the caller's `model` makes, under a seed of ours; torch's global generator is put back afterwards."""
    with torch.random.fork_rng():
        torch.manual_seed(int(draws.integers(2**53, 0)[0]))
        module = model(space, action_space)
    if not isinstance(module, nn.Module):
        raise ConfigError(f"model returned {type(module).__name__}; it must return a torch.nn.Module")
    return module
