"""The infos of sub-environments as Gymnasium's vector environments give them: one dict of arrays and masks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import gymnasium as gym
import numpy as np
import numpy.typing as npt

from reactvec._stepping import holds_nothing
from reactvec.env_bank import name_environment
from reactvec.port_types import unpack_row

Array: TypeAlias = "npt.NDArray[Any]"
Infos: TypeAlias = "dict[str, Any]"
AddInfo: TypeAlias = Callable[[Infos, Infos, int], Infos]  # VectorEnv._add_info


def merged(add_info: AddInfo, rows: Array) -> Infos:
    """One dict of the infos of all rows of a bank: per row None, or its info dicts in order."""
    return {} if holds_nothing(rows) else _merged(add_info, rows.tolist())


def merged_with_ends(add_info: AddInfo, space: gym.Space[Any], rows: Array, ended: Array, final_obs: Array) -> Infos:
    """The same of a step in SAME_STEP mode, where rows that `ended`, bool `[N]`, have their last observations, too."""
    if not ended.any():
        return merged(add_info, rows)
    infos = rows.tolist()
    for i in np.flatnonzero(ended).tolist():
        infos[i] = infos[i] or (plain_end(space, final_obs[i]),)
    return _merged(add_info, infos)


def plain_end(space: gym.Space[Any], final_obs: Array) -> Infos:
    """What an end in SAME_STEP mode says where the last observation is all that there is to say."""
    return {"final_obs": unpack_row(space, final_obs), "final_info": {}}


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
