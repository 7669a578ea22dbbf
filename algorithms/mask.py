"""Masks: what in an observation says which actions are possible."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from reactvec.port_types import unpack

from .encoding import Inputs
from .heads import Categories, Head

Array = npt.NDArray[Any]

NO_CHOICE = "hold something else than 0 and 1, or no 1 for some part of the action"


def leaves_no_choice(inputs: Inputs, head: Head, rows: Array) -> npt.NDArray[np.bool_]:
    """Which rows `[...]` of observations have a mask that nothing can be chosen by, see NO_CHOICE."""
    if inputs.mask is None or not isinstance(head, Categories):
        return np.zeros((1, 1), np.bool_)
    (key,) = inputs.mask.path
    mask = unpack(inputs.space, rows)[key].reshape(*rows.shape, head.outputs)
    first = np.cumsum([0, *head.sizes[:-1]])  # category of each part
    possible = np.logical_or.reduceat(mask == 1, first, axis=-1).all(-1)
    bad: npt.NDArray[np.bool_] = ~possible | ((mask != 0) & (mask != 1)).any(-1)
    return bad
