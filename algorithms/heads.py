"""Action heads: what a network's outputs mean as a distribution over the actions of a space."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from typing import Any, Literal

import gymnasium as gym
import numpy as np
import numpy.typing as npt
import torch
from gymnasium import spaces
from torch import Tensor, nn

from .checks import ConfigError
from .draws import Draws
from .export import CategoryActions, RealActions
from .kernels.head import HeadKernel

Array = npt.NDArray[Any]

_LOG_SQRT_2_PI = 0.5 * math.log(2 * math.pi)


class Head(ABC):
    """A distribution over the actions of `space` for each row of a network's `outputs` `[n, self.outputs]`.

    A *choice* `[n, parts]` is what the loss is about and a rollout keeps; `act` makes actions of it. Drawing is done
    in C (kernels/head.h), for networks in torch as well; `log_prob` and `entropy` are differentiable.
    """

    def __init__(self, space: gym.Space[Any], kernel: HeadKernel) -> None:
        self.space, self.kernel = space, kernel
        self.parts, self.outputs = kernel.parts, kernel.outputs
        self.shape: tuple[int, ...] = space.shape or ()

    def act(self, outputs: Array, first: int, step: int, explore: bool) -> tuple[Array, Array, Array]:
        """Choices `[n, parts]`, actions `[n, *shape]` and log-probabilities `[n]`; the draws of row i are a function of
        the seed, first + i and step.
        """
        choices, actions, log_probs = self.kernel.act(outputs, first, step, explore)
        return choices, actions.reshape(len(actions), *self.shape), log_probs

    @abstractmethod
    def greedy(self) -> nn.Module:
        """What makes the most likely actions `[n, *shape]` of outputs in torch, for an export."""

    @abstractmethod
    def log_prob(self, outputs: Tensor, choices: Tensor) -> Tensor:
        """The logarithm `[n]` of the probability, or density, of choices `[n, parts]`."""

    @abstractmethod
    def entropy(self, outputs: Tensor) -> Tensor:
        """The entropy `[n]`; of squashed actions, for which there is no formula, that of what is squashed."""


class Categories(Head):
    """One category for each part, independently: the outputs are logits, part after part."""

    def __init__(self, space: spaces.Discrete | spaces.MultiDiscrete | spaces.MultiBinary, key: int) -> None:
        sizes, starts = _categories(space)
        super().__init__(space, HeadKernel("categories", sizes, starts, space.dtype, key))
        self.sizes, self.starts = sizes, starts

    def greedy(self) -> CategoryActions:
        """See Head."""
        return CategoryActions(self.space, self.sizes, self.starts)

    def _log_probs(self, outputs: Tensor) -> list[Tensor]:
        parts = [outputs] if self.parts == 1 else torch.split(outputs, self.sizes, 1)
        return [nn.functional.log_softmax(part, 1) for part in parts]

    def log_prob(self, outputs: Tensor, choices: Tensor) -> Tensor:
        """See Head."""
        chosen = [part.gather(1, choices[:, k : k + 1]) for k, part in enumerate(self._log_probs(outputs))]
        return chosen[0].squeeze(1) if self.parts == 1 else torch.cat(chosen, 1).sum(1)

    def entropy(self, outputs: Tensor) -> Tensor:
        """See Head."""
        entropies = [-(part.exp() * part).sum(1) for part in self._log_probs(outputs)]
        return entropies[0] if self.parts == 1 else torch.stack(entropies).sum(0)


def has_range(space: spaces.Box) -> bool:
    """Whether the distance of the bounds is a finite float64 everywhere."""
    with np.errstate(over="ignore", invalid="ignore"):
        return bool(np.isfinite(np.subtract(space.high, space.low, dtype=np.float64)).all())


class Gaussian(Head):
    """Independent normal numbers: the outputs are means, then logarithms of standard deviations.

    What leaves the bounds is clipped to them, unknown to the loss, or, with `squash`, a tanh maps the line to them.
    """

    def __init__(self, space: spaces.Box, key: int, squash: bool) -> None:
        low, high = space.low.astype(np.float64), space.high.astype(np.float64)
        if squash and not has_range(space):
            raise ConfigError(f"actions of {space} have no bounds to be squashed into; set squash_actions=False")
        super().__init__(space, HeadKernel("squash" if squash else "clip", low, high, space.dtype, key))
        self.squash, self.bounds, self.box = squash, (space.low, space.high), space

    def greedy(self) -> RealActions:
        """See Head."""
        return RealActions(self.box, self.squash)

    def log_prob(self, outputs: Tensor, choices: Tensor) -> Tensor:
        """See Head."""
        mean, log_std = outputs.chunk(2, 1)
        return log_density((choices - mean) * (-log_std).exp(), log_std, choices if self.squash else None)

    def entropy(self, outputs: Tensor) -> Tensor:
        """See Head."""
        return (outputs[:, self.parts :] + (0.5 + _LOG_SQRT_2_PI)).sum(1)


def log_density(noise: Tensor, log_std: Tensor, squashed: Tensor | None) -> Tensor:
    """The logarithm `[n]` of the density of `mean + exp(log_std) * noise`, all `[n, parts]`.

    Where these numbers are given as `squashed`, of their tanh, by a formula that does not cancel (Haarnoja et al. 2018,
    appendix C).
    """
    density = -0.5 * noise.square() - log_std - _LOG_SQRT_2_PI
    if squashed is not None:
        density = density - 2 * (math.log(2) - squashed - nn.functional.softplus(-2 * squashed))
    return density.sum(1)


def _categories(space: spaces.Discrete | spaces.MultiDiscrete | spaces.MultiBinary) -> tuple[list[int], list[int]]:
    """How many categories each part has, and the first of them."""
    if isinstance(space, spaces.Discrete):
        return [int(space.n)], [int(space.start)]
    if isinstance(space, spaces.MultiBinary):
        return [2] * math.prod(space.shape), [0] * math.prod(space.shape)
    starts = np.broadcast_to(space.start, space.shape)
    return space.nvec.reshape(-1).tolist(), starts.reshape(-1).tolist()


def make_head(space: gym.Space[Any], seed: int, purpose: Literal["action", "predict"], squash: bool) -> Head:
    """The head for an action space; ConfigError where there is none. Draws are a function of `seed` and `purpose`."""
    key = Draws(seed, purpose).key
    if squash and not isinstance(space, spaces.Box):
        raise ConfigError(f"squash_actions is for real numbers, not for actions of {space}; leave it out")
    try:
        if isinstance(space, spaces.Discrete | spaces.MultiDiscrete | spaces.MultiBinary):
            return Categories(space, key)
        if isinstance(space, spaces.Box) and np.issubdtype(space.dtype, np.floating):
            return Gaussian(space, key, squash)
    except ValueError as error:
        raise error if isinstance(error, ConfigError) else ConfigError(str(error)) from None
    raise ConfigError(
        f"actions are {space}; wrap the environment so that they are Discrete, MultiDiscrete, MultiBinary or a Box of "
        "real numbers"
    )
