"""ModelConfig: what network an algorithm builds; and the type of a function that builds another."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal, TypeAlias

import numpy as np

from .checks import Check, one_of, whole
from .settings import Settings

if TYPE_CHECKING:
    import gymnasium as gym
    from torch import nn

ModelFactory: TypeAlias = Callable[["gym.Space[Any]", "gym.Space[Any]"], "nn.Module"]


def _widths(value: Any) -> str | None:
    good = isinstance(value, tuple | list) and all(not whole(1)(width) for width in value)
    return None if good else "must be whole numbers > 0"


def _convolutions(value: Any) -> str | None:
    layers = value if isinstance(value, tuple | list) and value else ()
    good = all(isinstance(layer, tuple | list) and len(layer) == 3 and _widths(layer) is None for layer in layers)
    good = value in ("auto", None) or bool(layers and good)
    return None if good else "must be 'auto', None, or layers of (channels, kernel, stride)"


@dataclass
class ModelConfig(Settings):
    """The shape of the built-in network: fully connected layers over the observation, images through convolutions."""

    hiddens: tuple[int, ...] = (128, 128)
    """Width of each hidden layer."""
    activation: Literal["relu", "tanh", "silu"] = "relu"
    """What follows each hidden layer."""
    cnn: Literal["auto"] | tuple[tuple[int, int, int], ...] | None = "auto"
    """Convolutions over images (arrays of three axes) as (channels, kernel, stride); "auto": by the size of the image;
    None: images are flattened.
    """
    cnn_features: int | None = None
    """Width of the layer between the convolutions and the hidden layers; None: 512, of images below 36 x 36 128."""
    share_trunk: bool = False
    """Whether actor and critic share all hidden layers; a network of action values has one trunk anyway."""

    _checks: ClassVar[dict[str, Check]] = {
        "hiddens": _widths,
        "activation": one_of("relu", "tanh", "silu"),
        "cnn": _convolutions,
        "cnn_features": whole(1, none=True),
        "share_trunk": one_of(True, False),
    }

    def validate(self) -> None:
        """As any Settings."""
        if isinstance(self.hiddens, tuple | list):
            self.__dict__["hiddens"] = tuple(int(w) if isinstance(w, np.integer) else w for w in self.hiddens)
        if isinstance(self.cnn, list | tuple):
            self.__dict__["cnn"] = tuple(tuple(layer) if isinstance(layer, list) else layer for layer in self.cnn)
        super().validate()
