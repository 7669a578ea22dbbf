"""Learner: the part of a learning reactor that all algorithms share, one gradient step on flat parameters."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn.modules.dropout import _DropoutNd

from reactvec import OutputPort, Reactor, reaction

from .checks import why_not_finite
from .draws import Draws
from .gradient_program import GradientProgram
from .parameters import FlatParameters
from .piecewise import Piecewise


class Learner(Reactor):
    """Owns a module, its flat weights and Adam (Kingma & Ba 2015); subclasses declare reactions and the loss.

    `part_sizes` split the weights into consecutive parts, without which they are one; each has its learning rate of
    `lrs`. `steps_before` environment steps have been taken by the run that this one resumes.
    """

    weights: OutputPort
    saved: ClassVar[tuple[str, ...]] = ("gradient_steps",)

    def __init__(
        self,
        module: nn.Module,
        parameters: FlatParameters,
        *,
        lrs: Sequence[Piecewise],
        part_sizes: Sequence[int] = (),
        grad_clip: float | None,
        adam_epsilon: float,
        seed: int,
        steps_before: int = 0,
        **port_types: tuple[tuple[int, ...], npt.DTypeLike],
    ) -> None:
        super().__init__(bank=None, **port_types)
        self.module = module
        self.parameters = parameters
        self.grad_clip, self.steps_before = grad_clip, steps_before
        self.lrs, self.adam_epsilon = lrs, adam_epsilon
        self.current_lrs = [rate.at(steps_before) for rate in lrs]
        self.parts = parameters.split(part_sizes) if part_sizes else [parameters.trainable]
        self.by_kernel: GradientProgram[Any] | None = None  # gradient steps are torch's without
        self.gradient_steps = 0
        self._luck = Draws(seed, "layer")
        self.has_luck = any(isinstance(part, _DropoutNd) for part in module.modules())
        self.seconds = 0.0  # spent learning, and waited for it
        self.waited = 0.0  # of these in `settle`; whoever counts them sets it to 0
        self._sums: dict[str, Tensor] = {}
        self._counts: dict[str, int] = {}

    @cached_property
    def optimizer(self) -> torch.optim.Adam:
        """Torch's Adam, for learners without a kernel; made when it is needed, since importing it takes seconds."""
        return torch.optim.Adam([{"params": [part]} for part in self.parts], eps=self.adam_epsilon, fused=True)

    @property
    def current_lr(self) -> float:
        """The learning rate of the next gradient step, of the first part."""
        return self.current_lrs[0]

    def set_lr(self, steps: int) -> None:
        """Set the learning rates for `steps` environment steps into this run."""
        self.current_lrs = [rate.at(self.steps_before + steps) for rate in self.lrs]

    @contextmanager
    def luck(self) -> Iterator[None]:
        """Let layers that draw while they learn, Dropout's, do so as a function of the seed and of how many gradient
        steps there were; torch's generators go on from where they were.
        """
        if not self.has_luck:
            yield
            return
        with torch.random.fork_rng():
            torch.manual_seed(int(self._luck.integers(2**53, self.gradient_steps)[0]))
            yield

    def descend(self, loss: Tensor) -> None:
        """One gradient step, the norm of each part limited to `grad_clip`."""
        gradient = self.parameters.trainable.grad
        assert gradient is not None
        gradient.zero_()
        loss.backward()  # type: ignore[no-untyped-call]
        if self.grad_clip is not None:
            for part in self.parts:
                assert part.grad is not None
                norm = torch.linalg.vector_norm(part.grad)
                part.grad.mul_((self.grad_clip / (norm + 1e-6)).clamp_(max=1.0))
        for group, rate in zip(self.optimizer.param_groups, self.current_lrs, strict=True):
            group["lr"] = rate
        self.optimizer.step()

    @contextmanager
    def counted(self) -> Iterator[None]:
        """Count the gradient steps that are taken meanwhile, even if that is interrupted."""
        before = self._steps_of_adam
        try:
            yield
        finally:
            self.gradient_steps += self._steps_of_adam - before

    @property
    def _steps_of_adam(self) -> int:
        if self.by_kernel is not None:
            steps: int = self.by_kernel.kernel.steps
            return steps
        return int(self.optimizer.state.get(self.parts[0], {}).get("step", 0))

    def log(self, name: str, value: Tensor, count: int = 1) -> None:
        """Add a scalar, or the sum of `count` of them, to the mean that `metrics` reports."""
        value = value.detach()
        self._sums[name] = self._sums[name] + value if name in self._sums else value
        self._counts[name] = self._counts.get(name, 0) + count

    def check_finite(self, name: str, steps: int, blamed: Callable[[], list[int]]) -> None:
        """FloatingPointError if a value that was logged is NaN or infinite, which the weights then are too.

        `blamed` finds the environments whose observations were learned from and are not finite.
        """
        if not math.isfinite(value := float(self._sums[name])):
            steps += self.steps_before
            raise FloatingPointError(f"{name} is {value} after {steps} environment steps: {why_not_finite(blamed())}")

    def settle(self) -> None:
        """Wait until the weights are those of all that was learned from; where nothing goes on meanwhile, they are."""

    def acting_weights(self) -> npt.NDArray[Any]:
        """The weights that the policy acts by, in torch's order; not to be changed."""
        return self.parameters.numpy()

    @property
    def steps_done(self) -> int:
        """Gradient steps of this run whose weights are there."""
        return self.gradient_steps

    def metrics(self) -> dict[str, float]:
        """Take the means of what was logged since the last call, and where the optimizer stands."""
        means = {name: float(total) / self._counts[name] for name, total in self._sums.items()}
        self._sums, self._counts = {}, {}
        return {**means, "default_optimizer_learning_rate": self.current_lr}

    def optimizer_state(self) -> dict[str, npt.NDArray[Any]]:
        """Copies of Adam's moments and step count; empty before the first step."""
        if self.by_kernel is not None:
            return self.by_kernel.optimizer_state()
        states = [self.optimizer.state.get(part, {}) for part in self.parts]
        whole = {
            name: torch.cat([state[name] for state in states]) if value.dim() else value
            for name, value in states[0].items()
        }
        return {name: value.detach().cpu().numpy().copy() for name, value in whole.items()}

    def optimizer_fits(self, arrays: dict[str, npt.NDArray[Any]]) -> bool:
        """Whether these are what `optimizer_state` gives, by names and shapes."""
        shape = self.parameters.trainable.shape
        shapes = {"step": (), "exp_avg": shape, "exp_avg_sq": shape}
        return not arrays or {name: array.shape for name, array in arrays.items()} == shapes

    def load_optimizer_state(self, arrays: dict[str, npt.NDArray[Any]]) -> None:
        """The inverse of `optimizer_state`, for what `optimizer_fits`."""
        if self.by_kernel is not None:
            self.by_kernel.load_optimizer_state(arrays)
        elif arrays:
            begin = 0
            for part in self.parts:
                here, begin = slice(begin, begin + part.numel()), begin + part.numel()
                own = {name: array[here] if array.ndim else array for name, array in arrays.items()}
                tensors = {name: torch.from_numpy(np.array(array, np.float32)) for name, array in own.items()}
                self.optimizer.state[part] = {name: tensor.to(part.device) for name, tensor in tensors.items()}

    @reaction(on="shutdown")
    def close(self) -> None:
        """End the workers of the kernels."""
        if self.by_kernel is not None:
            self.by_kernel.close()
