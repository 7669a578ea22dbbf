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
        if isinstance(actions, np.ndarray):
            fits = actions.dtype.kind == "i" and self._takes(actions.dtype.type)
        else:
            kinds = set(map(type, actions)) if isinstance(actions, list | tuple) else set()
            fits = bool(kinds) and all(kind in (int, bool) or self._takes(kind) for kind in kinds)
        try:
            array = np.asarray(actions) if fits else None
        except OverflowError:
            return None
        return array if array is not None and self._fits(array) else None

    def _fits(self, array: Array) -> bool:
        return array.shape == self._port.shape and np.can_cast(array.dtype, self._port.dtype)

    def _takes(self, kind: type) -> bool:
        """Whether an environment would take numbers of this type, which depends on the version of Gymnasium.

        Unsigned ones it may take, and go on with them as with no others: 0 - 1 is 255.
        """
        return issubclass(kind, np.signedinteger) and self._single.contains(
            kind(max(0, getattr(self._single, "start", 0)))
        )
