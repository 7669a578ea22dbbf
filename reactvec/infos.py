"""The infos of sub-environments as Gymnasium's vector environments give them: one dict of arrays and masks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

import gymnasium as gym
import numpy.typing as npt

from reactvec._stepping import holds_nothing
from reactvec.env_bank import name_environment
from reactvec.port_types import unpack_row

if TYPE_CHECKING:
    from reactvec.deployment import Results

Array: TypeAlias = "npt.NDArray[Any]"
Infos: TypeAlias = "dict[str, Any]"
AddInfo: TypeAlias = Callable[[Infos, Infos, int], Infos]  # VectorEnv._add_info
End: TypeAlias = "tuple[Any, Infos, list[Infos]]"
NO_INFO: Infos = {"final_info": {}}


def merged(add_info: AddInfo, rows: Array) -> Infos:
    """One dict of the infos of all rows of a bank: per row None, or its info dicts in order."""
    return {} if holds_nothing(rows) else _merged(add_info, rows.tolist())


class ObjectInfos:
    """Reads the port `infos` of a bank whose environments have the observation space `space`."""

    def __init__(self, space: gym.Space[Any]) -> None:
        self._space = space

    def follow(self, results: Results) -> None:
        """Take note of a step, before anything is asked about it: there is nothing to note."""

    def batched(self, add_info: AddInfo, results: Results, ended: Sequence[int]) -> Infos:
        """The infos of all rows, and the last observations and infos of the rows that `ended` in this step."""
        if not ended:
            return merged(add_info, results.infos)
        infos = results.infos.tolist()
        for i in ended:
            observation, info, begun = self.end(results, i)
            infos[i] = {"final_obs": observation, "final_info": info}, *begun
        return _merged(add_info, infos)

    def rows(self, results: Results) -> list[tuple[Infos, ...] | None] | None:
        """The info dicts of each row, in order; None where no row has any."""
        return None if holds_nothing(results.infos) else results.infos.tolist()

    def end(self, results: Results, i: int) -> End:
        """What a row with an episode's end says: the last observation, its info, and the infos of the reset.

        The first info dict of such a row has "final_info", and "final_obs" where the port of that name cannot hold what
        the environment gave; a row that is None has neither info.
        """
        end, *begun = results.infos[i] or (NO_INFO,)
        observation = end["final_obs"] if "final_obs" in end else unpack_row(self._space, results.final_obs[i])
        return observation, end["final_info"], begun


def _merged(add_info: AddInfo, rows: Sequence[tuple[Infos, ...] | None]) -> Infos:
    infos: Infos = {}
    for i, row in enumerate(rows):
        for info in row or ():
            try:
                infos = add_info(infos, info, i)
            except Exception as error:
                name_environment(error, i)
                raise
    return infos
