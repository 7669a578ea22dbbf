"""BestModel: the weights that an evaluation during training found best."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy.typing as npt


@dataclass
class BestModel:
    """Of equal ones the first; nothing before the first evaluation."""

    mean_return: float = -float("inf")
    """Of the evaluation that chose it, which flatters it: see `Algorithm.evaluate_best`."""
    steps: int = 0
    """Environment steps that it had learned from."""
    weights: dict[str, npt.NDArray[Any]] = field(default_factory=dict)

    def is_beaten_by(self, mean_return: float) -> bool:
        """Whether weights of this mean return are better; NaN is not."""
        return mean_return > self.mean_return

    @property
    def exists(self) -> bool:
        """Whether there was an evaluation."""
        return bool(self.weights)
