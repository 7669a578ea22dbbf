"""Export: an agent as one program, from observations to greedy actions, that runs without reactvec."""

from __future__ import annotations

import copy
import io
import os
import secrets
import warnings
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import torch
from gymnasium import spaces
from torch import Tensor, nn

from .checks import ConfigError, MissingExtra
from .observations import Space, Tensors, as_tensors, sample_rows


class CategoryActions(nn.Module):
    """The best category of each part, as actions of `space` `[n, *shape]`."""

    starts: Tensor

    def __init__(self, space: Space, sizes: list[int], starts: list[int]) -> None:
        super().__init__()
        self.sizes, self.shape = sizes, space.shape or ()
        self.register_buffer("starts", torch.tensor(starts))
        self.dtype = torch.from_numpy(np.zeros(0, space.dtype)).dtype

    def forward(self, outputs: Tensor) -> Tensor:
        """Actions for logits or values `[n, outputs]`."""
        chosen = torch.stack([part.argmax(1) for part in torch.split(outputs, self.sizes, 1)], 1)
        return (chosen + self.starts).to(self.dtype).reshape(-1, *self.shape)


class RealActions(nn.Module):
    """The means, clipped or squashed into the bounds of `space`, as its actions `[n, *shape]`."""

    low: Tensor
    high: Tensor

    def __init__(self, space: spaces.Box, squash: bool) -> None:
        super().__init__()
        self.squash, self.shape = squash, space.shape
        self.register_buffer("low", torch.from_numpy(space.low.astype(np.float64).reshape(-1)))
        self.register_buffer("high", torch.from_numpy(space.high.astype(np.float64).reshape(-1)))
        self.dtype = torch.from_numpy(np.zeros(0, space.dtype)).dtype

    def forward(self, outputs: Tensor) -> Tensor:
        """Actions for outputs `[n, outputs]` that begin with the means."""
        means = outputs[:, : len(self.low)].double()
        if self.squash:
            actions = self.low + 0.5 * (means.tanh() + 1) * (self.high - self.low)
        else:
            actions = means.clamp(self.low, self.high)
        return actions.to(self.dtype).reshape(-1, *self.shape)


class GreedyPolicy(nn.Module):
    """A network, and what makes greedy actions of its outputs; of an actor-critic's two outputs the first counts."""

    def __init__(self, network: nn.Module, actions: nn.Module) -> None:
        super().__init__()
        self.network, self.actions = copy.deepcopy(network).cpu().eval().requires_grad_(False), actions
        for tensor in (*self.network.parameters(), *self.network.buffers()):
            tensor.data = tensor.data.clone()  # which was a view of all weights

    def forward(self, observation: Tensors) -> Tensor:
        """Actions `[n, *shape]` for observations `[n, *shape]`, nested like their space."""
        made = self.network(observation)
        actions: Tensor = self.actions(made[0] if isinstance(made, tuple) else made)
        return actions


def export(policy: GreedyPolicy, space: gym.Space[Any], path: str | os.PathLike[str]) -> str:
    """Write a policy over observations of `space` for `torch.export.load` (.pt2) or ONNX (.onnx); returns its path.

    The program takes a batch of observations, of any number of rows. It is written whole or not at all.

    Raises:
        ConfigError: another ending, or a network that cannot be exported.
        MissingExtra: ONNX needs packages that are not installed.
        OSError: the file cannot be written (a full disk); what was there is as it was.
    """
    target = Path(path).absolute()
    if target.suffix not in (".pt2", ".onnx"):
        raise ConfigError(f"{target.name}: end it in .pt2 (torch.export) or .onnx")
    missing = [name for name in ("onnx", "onnxscript") if target.suffix == ".onnx" and find_spec(name) is None]
    if missing:
        raise MissingExtra(f"an export to ONNX needs {missing[0]}: pip install 'reactvec[export]'", name=missing[0])
    example = as_tensors(space, sample_rows(space))
    rows = torch.utils._pytree.tree_map(lambda tensor: {0: torch.export.Dim("rows")}, example)
    try:
        program = torch.export.export(policy, (example,), dynamic_shapes=(rows,))
    except Exception as error:  # torch has many of its own
        raise ConfigError(f"torch.export cannot export this network: {error}") from error
    made = io.BytesIO()  # torch ends the process where it cannot write a file
    if target.suffix == ".pt2":
        torch.export.save(program, made)
    else:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # torch warns of torch
            onnx = torch.onnx.export(program, (), dynamo=True, verbose=False)
        assert onnx is not None
        made.write(onnx.model_proto.SerializeToString())
    _write(target, made.getbuffer())
    return str(target)


def _write(target: Path, data: memoryview) -> None:
    """Write a file whole or not at all."""
    draft = target.with_name(f".{target.name}.{secrets.token_hex(4)}")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        draft.write_bytes(data)
        os.replace(draft, target)
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(target)) from error  # a full disk names no file
    finally:
        draft.unlink(missing_ok=True)
