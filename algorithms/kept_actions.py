"""KeptActions: the form in which a replay buffer keeps actions, which is the one that networks learn from."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from gymnasium import spaces

Array = npt.NDArray[Any]


class KeptActions:
    """Makes of actions `[n, *space.shape]` what is kept of them, `[n, *shape]` of `dtype`.

    Discrete actions are counted from 0. Real ones become float32 `[n, parts]`, the bounds of the space being -1 and 1.
    """

    def __init__(self, space: spaces.Discrete | spaces.Box) -> None:
        self.action_type = space.shape or (), space.dtype
        self.shape: tuple[int, ...] = ()
        self.dtype: np.dtype[Any] = np.dtype(np.int64)
        self._first = np.int64(0)
        self._bounds: tuple[Array, Array] | None = None
        if isinstance(space, spaces.Discrete):
            self._first = space.start
        else:
            self._bounds = space.low.reshape(-1).astype(np.float64), space.high.reshape(-1).astype(np.float64)
            self.shape, self.dtype = self._bounds[0].shape, np.dtype(np.float32)

    def __call__(self, actions: Array) -> Array:
        """What is kept of actions that lie in the space."""
        if self._bounds is None:
            return actions - self._first
        low, high = self._bounds
        width = np.where(high > low, high - low, 1)
        share: Array = (actions.reshape(len(actions), -1) - low) / width
        return (2 * share - 1).astype(np.float32)
