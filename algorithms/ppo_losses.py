"""PPO's losses, and what makes up for choices that older weights have acted."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

F32 = npt.NDArray[np.float32]

MOST_IMPORTANCE = np.float32(2.0)


def policy_loss(ratio: Tensor, advantages: Tensor, clip: float) -> Tensor:
    """The clipped surrogate objective of ratios and advantages `[B]`, to be minimised (Schulman et al. 2017, eq. 7)."""
    return -torch.minimum(ratio * advantages, ratio.clamp(1 - clip, 1 + clip) * advantages).mean()


def value_loss(values: Tensor, old_values: Tensor, returns: Tensor, clip: float | None) -> Tensor:
    """Mean squared error of values `[B]`.

    With `clip`, an error counts as the larger of what it is and of what it would be if the value had moved from the old
    one by so much at most (as in the implementation of Schulman et al. 2017; Engstrom et al. 2020, section 3).
    """
    errors = (values - returns).square()
    if clip is not None:
        near = old_values + (values - old_values).clamp(-clip, clip)
        errors = torch.maximum(errors, (near - returns).square())
    return errors.mean()


def importance(log_probs: F32, acted: F32) -> F32:
    """How much likelier choices are than when they were acted, of logarithms `[B]`; at most MOST_IMPORTANCE.

    A loss in which advantages are weighted so, and ratios count from the weights that learning begins with, is the
    decoupled one of Hilton et al. 2022 ("Batch size-invariance for policy optimization"). The limit is that
    of Espeholt et al. 2018 (IMPALA, section 4.1), where it is 1.
    """
    weights: F32 = np.exp(np.minimum(log_probs - acted, np.log(MOST_IMPORTANCE)))
    return weights
