"""What a caller may pass to a vector environment: checked before anything is built, reset or stepped."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
import numpy.typing as npt
from gymnasium.vector.utils import iterate


def action_rows(space: gym.Space[Any], actions: Any, num_envs: int) -> list[Any]:
    """One action per sub-environment, as Gymnasium hands them out, of a copy of the batch."""
    if isinstance(actions, np.ndarray):
        actions = actions.copy()
    rows = list(iterate(space, actions))
    if len(rows) != num_envs:
        raise ValueError(f"Expected {num_envs} actions, one per sub-environment, got {len(rows)}")
    return rows


def refuse_timeout(timeout: float | None) -> None:
    """Raise ValueError for a timeout, which nothing in this process could keep."""
    if timeout is not None:
        raise ValueError(
            f"timeout={timeout}: an environment that runs in this process cannot be interrupted; leave timeout out"
        )


def checked_mask(mask: Any, num_envs: int) -> npt.NDArray[np.bool_]:
    """The `reset_mask` of a reset, bool `[num_envs]`, or the TypeError or ValueError that Gymnasium raises."""
    if not isinstance(mask, np.ndarray):
        raise TypeError(f"`options['reset_mask']` must be a numpy array, got {type(mask)}")
    if mask.shape != (num_envs,):
        raise ValueError(f"`options['reset_mask']` must have shape `({num_envs},)`, got {mask.shape}")
    if mask.dtype != np.bool_:
        raise TypeError(f"`options['reset_mask']` must have `dtype=np.bool_`, got {mask.dtype}")
    if not mask.any():
        raise ValueError(
            f"`options['reset_mask']` must contain a boolean array with at least one True value, got reset_mask={mask}"
        )
    return mask


def check_arguments(
    worker: object,
    observation_mode: object,
    isolated: bool,
    native: bool | str,
    on_worker_failure: str,
    max_concurrency: int | None,
) -> None:
    """Raise ValueError, naming the remedy, for arguments of the constructor that make no sense here."""
    if worker is not None:
        raise ValueError("worker= speaks AsyncVectorEnv's pipe protocol; use gymnasium.vector.AsyncVectorEnv for it")
    if observation_mode != "same":
        raise ValueError(f"observation_mode={observation_mode!r}: only 'same' is supported")
    if isolated:
        raise ValueError("isolated=True needs worker processes; the placements are 'inline' and 'threads'")
    if native != "auto" and not isinstance(native, bool):
        raise ValueError(f"native={native!r} must be 'auto', True or False")
    if on_worker_failure not in ("raise", "restart"):
        raise ValueError(f"on_worker_failure={on_worker_failure!r} must be 'raise' or 'restart'")
    if on_worker_failure == "restart":
        raise ValueError("on_worker_failure='restart' needs worker processes; leave it at 'raise'")
    if max_concurrency is not None and (not isinstance(max_concurrency, int) or max_concurrency < 1):
        raise ValueError(f"`max_concurrency` must be a positive or None, got {max_concurrency}.")
