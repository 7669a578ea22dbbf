"""The infos of sub-environments as Gymnasium's vector environments give them: one dict of arrays and masks."""

from __future__ import annotations

from collections.abc import Callable
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
    infos: Infos = {}
    if holds_nothing(rows):
        return infos
    for i, row in [(i, row) for i, row in enumerate(rows.tolist()) if row]:
        for info in row:
            try:
                infos = add_info(infos, info, i)
            except Exception as error:
                name_environment(error, i)
                raise
    return infos


def of_kernel(add_info: AddInfo, space: gym.Space[Any], ended: Array, final_obs: Array) -> Infos:
    """The infos of a kernel in SAME_STEP mode: the final observations of the rows that `ended`, bool `[N]`."""
    infos: Infos = {}
    for i in np.flatnonzero(ended):
        infos = add_info(infos, {"final_obs": unpack_row(space, final_obs[i]), "final_info": {}}, int(i))
    return infos
