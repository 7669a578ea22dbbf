"""The infos of sub-environments as Gymnasium's vector environments give them: one dict of arrays and masks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import gymnasium as gym
import numpy.typing as npt

from reactvec._stepping import holds_nothing
from reactvec.env_bank import name_environment
from reactvec.port_types import unpack_row

Array: TypeAlias = "npt.NDArray[Any]"
Infos: TypeAlias = "dict[str, Any]"
AddInfo: TypeAlias = Callable[[Infos, Infos, int], Infos]  # VectorEnv._add_info
End: TypeAlias = "tuple[Any, Infos, list[Infos]]"
NO_INFO: Infos = {"final_info": {}}


def merged(add_info: AddInfo, rows: Array) -> Infos:
    """One dict of the infos of all rows of a bank: per row None, or its info dicts in order."""
    return {} if holds_nothing(rows) else _merged(add_info, rows.tolist())


def merged_with_ends(
    add_info: AddInfo, space: gym.Space[Any], rows: Array, ended: Sequence[int], final_obs: Array
) -> Infos:
    """The same of a step in SAME_STEP mode, where the rows that `ended` have their last observations, too."""
    if not ended:
        return merged(add_info, rows)
    infos = rows.tolist()
    for i in ended:
        observation, info, begun = end_of(space, infos[i], final_obs[i])
        infos[i] = {"final_obs": observation, "final_info": info}, *begun
    return _merged(add_info, infos)


def end_of(space: gym.Space[Any], row: tuple[Infos, ...] | None, final_obs: Array) -> End:
    """What a row with an episode's end says: the last observation, its info, and the infos of the reset.

    The first info dict of such a row has "final_info", and "final_obs" where the port of that name cannot hold what the
    environment gave; a row that is None has neither info.
    """
    end, *begun = row or (NO_INFO,)
    observation = end["final_obs"] if "final_obs" in end else unpack_row(space, final_obs)
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
