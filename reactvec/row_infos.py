"""A vector environment that gives infos row by row, as Stable-Baselines3 has them."""

from __future__ import annotations

from collections.abc import Iterable
from copy import deepcopy
from typing import Any, TypeAlias

import numpy as np

from reactvec._stepping import ended_rows
from reactvec.calls import Pending
from reactvec.deployment import Results
from reactvec.vector_env import ReactorVectorEnv

Info: TypeAlias = "dict[str, Any]"
PLAIN = (bool, int, float, str, type(None), np.generic)  # what nobody can change


class RowInfos(ReactorVectorEnv):
    """`reset` gives `(observations, infos)`, `step` `(observations, rewards float32, dones, infos, begun)`.

    `infos` is a list with a dict for each row, the caller's own; `begun` has those of the resets of rows that are done.
    The autoreset mode is SAME_STEP.
    """

    _known_as = "ReactorVecEnv"

    @property
    def processes(self) -> list[Any]:
        """The worker processes."""
        return self._deployment.execution.processes

    @property
    def waiting(self) -> bool:
        """Whether a step was begun and its results were not returned."""
        return self._pending is Pending.STEP

    def _reset_result(self) -> Any:
        results = self._deployment.results()
        result = self._observations(results.obs), [_joined(row or ()) for row in results.infos.tolist()]
        self._reset_needed = ""
        return result

    def _step_result(self) -> Any:
        results = self._deployment.results()
        dones = results.terminated | results.truncated
        self._told.follow(results)
        infos: list[Info] = [{"TimeLimit.truncated": False} for _ in range(self.num_envs)]
        begun: dict[int, Info] = {}
        for i in ended_rows(results.terminated, results.truncated):
            infos[i], begun[i] = self._at_end(results, i)
        for i, row in enumerate(self._told.rows(results) or ()):
            if row and i not in begun:
                infos[i] = {**_joined(row), "TimeLimit.truncated": False}
        result = self._observations(results.obs), results.reward.astype(np.float32), dones, infos, begun
        self._reset_needed = ""
        return result

    def _at_end(self, results: Results, i: int) -> tuple[Info, Info]:
        """The infos of a row that is done: of its last step, and of the reset that follows."""
        observation, end, begun = self._told.end(results, i)
        cut = bool(results.truncated[i] and not results.terminated[i])
        info = {**_joined([end]), "TimeLimit.truncated": cut, "terminal_observation": _own(observation)}
        return info, _joined(begun)


def _joined(infos: Iterable[Info]) -> Info:
    """The dicts as one, with values that nobody else can change."""
    return {key: _own(value) for info in infos for key, value in info.items()}


def _own(value: Any) -> Any:
    if isinstance(value, PLAIN):
        return value
    if type(value) is np.ndarray and not value.dtype.hasobject:
        return value.copy(order="K")
    if type(value) is dict and all(isinstance(part, PLAIN) for part in value.values()):  # such as Monitor's "episode"
        return value.copy()
    return deepcopy(value)
