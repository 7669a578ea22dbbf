"""All weights of a module as one flat vector, which ports, optimizers and checkpoints handle as a whole."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from .checks import ConfigError


class FlatParameters:
    """Moves the weights of `module` into one float32 vector that its parameters are views of.

    `values` `[size]` holds the parameters, then the float32 buffers (such as running means). `trainable` is
    the part that an optimizer changes; its `grad` is the vector that the gradients of the module's parameters
    are views of.
    """

    def __init__(self, module: nn.Module) -> None:
        self.module = module
        parameters = list(module.parameters())
        for name, parameter in module.named_parameters():
            if parameter.dtype != torch.float32:
                raise ConfigError(f"the model's parameter {name} is {parameter.dtype}; make it float32")
        buffers = [buffer for buffer in module.buffers() if buffer.dtype == torch.float32]
        trained = sum(tensor.numel() for tensor in parameters)
        size = trained + sum(tensor.numel() for tensor in buffers)
        if not trained:
            raise ConfigError("the model has no parameters to train")
        self.values = torch.empty(size, dtype=torch.float32, device=parameters[0].device)
        self.trainable = nn.Parameter(self.values[:trained])
        self.trainable.grad = torch.zeros_like(self.values[:trained])
        end = 0
        tensors: list[torch.Tensor] = [*parameters, *buffers]
        for tensor in tensors:
            start, end = end, end + tensor.numel()
            self.values[start:end] = tensor.detach().reshape(-1)
            tensor.data = self.values[start:end].view_as(tensor)
            if end <= trained:
                tensor.grad = self.trainable.grad[start:end].view_as(tensor)

    def within(self, part: nn.Module) -> tuple[torch.Tensor, torch.Tensor]:
        """The parameters of a submodule that has some, and its float32 buffers: views of `values`."""
        parameters = list(part.parameters())
        buffers = [buffer for buffer in part.buffers() if buffer.dtype == torch.float32]
        return self._view(parameters), self._view(buffers)

    def _view(self, tensors: Sequence[torch.Tensor]) -> torch.Tensor:
        """Tensors that follow one another in `values`, as one vector."""
        if not tensors:
            return self.values[:0]
        begin = tensors[0].storage_offset()
        return self.values[begin : begin + sum(tensor.numel() for tensor in tensors)]

    def split(self, sizes: Sequence[int]) -> list[nn.Parameter]:
        """Consecutive parts of `trainable`, their gradients included, for optimizers that treat them differently."""
        assert self.trainable.grad is not None
        parts = [nn.Parameter(part) for part in torch.split(self.trainable.detach(), list(sizes))]
        for part, gradient in zip(parts, torch.split(self.trainable.grad, list(sizes)), strict=True):
            part.grad = gradient
        return parts

    def load(self, values: npt.NDArray[Any]) -> None:
        """Take over weights, `[size]` float32."""
        with torch.no_grad():
            self.values.copy_(torch.from_numpy(np.array(values, np.float32)))

    def numpy(self) -> npt.NDArray[np.float32]:
        """The weights, `[size]` float32; shares memory with the module when that is on the CPU."""
        array: npt.NDArray[np.float32] = self.values.detach().cpu().numpy()
        return array
