"""A batch of actions on its way to the environments: through the typed port where it fits, else as it was given."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import gymnasium as gym
import numpy as np
import numpy.typing as npt
from gymnasium.spaces import Discrete

from reactvec._stepping import put
from reactvec.arguments import action_rows
from reactvec.port_types import ARRAYS

Array = npt.NDArray[Any]


class Actions:
    """Where a vector environment writes the actions of a step.

    `space` is that of a batch, `single` that of one environment; `port` and `requests` are the inputs of an env bank.
    """

    def __init__(self, space: gym.Space[Any], single: gym.Space[Any], port: Array, requests: Array) -> None:
        self._space, self._single, self._port, self._requests = space, single, port, requests
        self._typed = isinstance(single, ARRAYS)

    def write(self, actions: Any, native: bool) -> bool:
        """Copy a batch of actions; True where it went to the typed port.

        For `native` environments that is also one of another form, if it means the same to them.

        Raises:
            ValueError, TypeError: a wrong number or kind of actions.
        """
        if self._typed and put(self._port, actions):
            return True
        if native:
            actions = list(actions) if isinstance(actions, Iterator) else actions
            array = self._meant(actions)
            if array is not None:
                self._port[...] = array
                return True
        rows = action_rows(self._space, actions, len(self._requests))
        self._requests[:] = np.fromiter(rows, object, len(rows))  # an array of the rows would unpack them
        return False

    def _meant(self, actions: Any) -> Array | None:
        """The whole numbers that these are to an environment of a Discrete space, as an array for the port, or None."""
        if not isinstance(self._single, Discrete):
            return None
        array = np.asarray(actions)
        if array.shape != self._port.shape or not np.can_cast(array.dtype, self._port.dtype):
            return None
        return array if self._takes(array.dtype) or _are_python_bools(actions) else None

    def _takes(self, dtype: np.dtype[Any]) -> bool:
        """Whether an environment would take numbers of this dtype, which depends on the version of Gymnasium."""
        if dtype == self._port.dtype or dtype.kind not in "iu":
            return bool(dtype == self._port.dtype)
        return self._single.contains(dtype.type(max(0, getattr(self._single, "start", 0))))


def _are_python_bools(actions: Any) -> bool:
    """Whether they are Python's, which are ints, to Gymnasium too; NumPy's are not."""
    return not isinstance(actions, np.ndarray) and all(type(action) is bool for action in actions)
