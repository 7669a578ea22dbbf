"""Windows over a ring of steps, and the stacks of frames at their ends; all arrays are C-contiguous, none is kept.

A place is `slot * envs + env`: the next step of an environment is `envs` places further on, after the last slot comes
the first one. Nobody checks that places lie in the ring.
"""

from typing import Final

import numpy as np
import numpy.typing as npt

TERMINATED: Final = 1
"""The bit of `ends` for a step that terminated its episode."""
TRUNCATED: Final = 2
"""The bit of `ends` for a step that truncated its episode."""
NO_TRANSITION: Final = 4
"""The bit of `ends` for a step that is no transition; no window reaches it."""

Bytes = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]
Places = npt.NDArray[np.int64]

def close_windows(
    rewards: Floats,
    ends: Bytes,
    envs: int,
    places: Places,
    n_step: int,
    gamma: float,
    returns: Floats,
    discounts: Floats,
    last: Places,
) -> None:
    """Sum the rewards of windows of up to `n_step` steps from each of `places` `[n]`; see `returns.n_step_windows`.

    `rewards` and `ends` `[slots * envs]` are read; `returns`, `discounts` and `last` `[n]` are written, the last being
    the place of the window's last step.
    """

def gather_stacks(
    frames: Bytes,
    padding: Bytes,
    ages: Bytes,
    padded: Bytes,
    finals: Bytes,
    kept: npt.NDArray[np.int32],
    places: Places,
    after: bool,
    out: Bytes,
) -> None:
    """Copy the stacks that were acted on at `places` `[n]`, or those `after`, to `out` `[n, stack, frame_bytes]`.

    `frames` `[slots * envs, frame_bytes]`; `padding` `[envs, frame_bytes]`; `ages`, `padded` and `kept`
    `[slots * envs]`; `finals` `[rows, frame_bytes]`: what `ObservationRing` has. The newest frame of a stack after
    is that of the next slot, or the row of `finals` that `kept` names where it is not negative.
    """
