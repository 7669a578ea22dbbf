from typing import Any

import numpy as np
import numpy.typing as npt

def step_rows(
    bank: Any,
    first: int,
    actions: list[Any],
    envs: list[Any],
    ended: list[bool],
    dtype: np.dtype[Any] | None,
    obs: npt.NDArray[Any],
    reward: npt.NDArray[np.float64],
    terminated: npt.NDArray[np.bool_],
    truncated: npt.NDArray[np.bool_],
    final_obs: npt.NDArray[Any],
    infos: npt.NDArray[Any],
    running: npt.NDArray[np.int64],
) -> None: ...
