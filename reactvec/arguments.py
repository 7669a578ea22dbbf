"""What a caller may pass to a vector environment: checked before anything is built, reset, called or stepped."""

from __future__ import annotations

import math
import multiprocessing
from collections.abc import Iterable, Sequence
from numbers import Real
from types import SimpleNamespace
from typing import Any

import gymnasium as gym
import numpy as np
import numpy.typing as npt
from gymnasium.error import CustomSpaceError
from gymnasium.vector.utils import create_shared_memory, iterate

from reactvec.whole_number import is_truth_value, whole_number

# What Gymnasium's own worker refuses to call.
NOT_CALLED = ("reset", "step", "close", "_setattr", "_check_spaces")
Options = dict[str, Any] | None


class ArgumentValueError(ValueError, AssertionError):
    """A wrong value; Gymnasium 1.4 raises ValueError there, and AssertionError before 1.3."""


class ArgumentTypeError(TypeError, AssertionError):
    """A wrong type; Gymnasium 1.4 raises TypeError there, and AssertionError before 1.3."""


def action_rows(space: gym.Space[Any], actions: Any, num_envs: int) -> list[Any]:
    """One action per sub-environment, as Gymnasium hands them out, of a copy of the batch."""
    if isinstance(actions, np.ndarray):
        actions = actions.copy()
    rows = list(iterate(space, actions))
    if len(rows) != num_envs:
        raise ValueError(f"Expected {num_envs} actions, one per sub-environment, got {len(rows)}")
    return rows


def seed_rows(seed: int | Sequence[int | None] | None, num_envs: int) -> Sequence[int | None]:
    """The seed of each sub-environment: None, `seed + i`, or its own."""
    if seed is None:
        return [None] * num_envs
    if isinstance(seed, int | np.integer):
        return [int(seed) + i for i in range(num_envs)]
    if len(seed) != num_envs:
        raise ArgumentValueError(
            f"If seeds are passed as a list the length must match num_envs={num_envs} but got length={len(seed)}."
        )
    return seed


def option_rows(
    options: Options | Sequence[Options], num_envs: int
) -> tuple[Sequence[Options], npt.NDArray[np.bool_] | None]:
    """The options of each sub-environment, and the `reset_mask`, which the caller's dict keeps."""
    if isinstance(options, list | tuple):
        if len(options) != num_envs:
            raise ValueError(
                f"If options are passed as a list the length must match num_envs={num_envs} but got length="
                f"{len(options)}."
            )
        return options, None
    if options is None or "reset_mask" not in options:
        return [options] * num_envs, None  # type: ignore[list-item]  # a dict: lists and tuples are dealt with
    mask = checked_mask(options["reset_mask"], num_envs)  # type: ignore[call-overload]
    rest = {key: value for key, value in options.items() if key != "reset_mask"}  # type: ignore[union-attr]
    return [rest] * num_envs, mask


def checked_mask(mask: Any, num_envs: int) -> npt.NDArray[np.bool_]:
    """The `reset_mask` of a reset, bool `[num_envs]`, or the TypeError or ValueError that Gymnasium raises."""
    if not isinstance(mask, np.ndarray):
        raise ArgumentTypeError(f"`options['reset_mask']` must be a numpy array, got {type(mask)}")
    if mask.shape != (num_envs,):
        raise ArgumentValueError(f"`options['reset_mask']` must have shape `({num_envs},)`, got {mask.shape}")
    if mask.dtype != np.bool_:
        raise ArgumentTypeError(f"`options['reset_mask']` must have `dtype=np.bool_`, got {mask.dtype}")
    if not mask.any():
        raise ArgumentValueError(
            f"`options['reset_mask']` must contain a boolean array with at least one True value, got reset_mask={mask}"
        )
    return mask


def row_indices(indices: int | Iterable[int] | None, num_envs: int) -> list[int]:
    """Which sub-environments are meant: all, one, or some, each once; negative ones count from the end."""
    if indices is None:
        return list(range(num_envs))
    listed = indices.tolist() if isinstance(indices, np.ndarray) else indices
    given = list(listed) if isinstance(listed, Iterable) else [listed]
    rows = []
    for index in map(whole_number, given):
        if index is None:
            raise TypeError(_misread(given))
        if not -num_envs <= index < num_envs:
            raise IndexError(f"indices: there is no sub-environment {index}; there are {num_envs}")
        rows.append(index % num_envs)
    if len(set(rows)) < len(rows):
        raise ValueError(f"indices={given} names a sub-environment twice")
    return rows


def _misread(given: list[Any]) -> str:
    """What is wrong with indices that are no whole numbers."""
    if any(map(is_truth_value, given)):
        return f"indices={given}: truth values, which are no numbers of environments; give np.flatnonzero(mask)"
    return f"indices={given}: give whole numbers, or None for all"


def check_timeout(timeout: object) -> None:
    """Raise TypeError or ValueError for what is no number of seconds. As in Gymnasium, below 0 is the same as 0."""
    if timeout is None:
        return
    if not isinstance(timeout, Real) or math.isnan(timeout):
        wrong = ValueError if isinstance(timeout, Real) else TypeError
        raise wrong(f"timeout={timeout!r}: give seconds, or None for as long as it takes")


def check_call(name: str) -> None:
    """Raise ValueError for what has a method of its own."""
    if name in NOT_CALLED:
        raise ValueError(f"Trying to call function `{name}` with `call`, use `{name}` directly instead.")


def value_rows(values: Any, rows: int) -> Sequence[Any]:
    """The value of each of these environments: those of a list or tuple, or the same one for all."""
    if not isinstance(values, list | tuple):
        return [values] * rows
    if len(values) != rows:
        raise ValueError(
            "Values must be a list or tuple with length equal to the number of environments. "
            f"Got `{len(values)}` values for {rows} environments."
        )
    return values


def check_shareable(space: gym.Space[Any]) -> None:
    """Raise what AsyncVectorEnv raises where observations of this space cannot lie in shared memory."""
    try:
        create_shared_memory(space, n=1, ctx=SimpleNamespace(Array=lambda *_: None))  # type: ignore[arg-type]
    except CustomSpaceError as error:
        raise ValueError(
            "Using `ReactorVectorEnv(..., shared_memory=True)` caused an error, you can disable this feature with "
            "`shared_memory=False` however this is slower."
        ) from error


def check_arguments(
    worker: object,
    observation_mode: object,
    native: bool | str,
    on_worker_failure: str,
    max_concurrency: int | None,
    context: str | None,
) -> None:
    """Raise ValueError or TypeError, naming the remedy, for arguments of the constructor that make no sense here."""
    if worker is not None:
        raise ValueError("worker= speaks AsyncVectorEnv's pipe protocol; use gymnasium.vector.AsyncVectorEnv for it")
    multiprocessing.get_context(context)
    _check_observation_mode(observation_mode)
    _check_max_concurrency(max_concurrency)
    if native != "auto" and not isinstance(native, bool):
        raise ValueError(f"native={native!r} must be 'auto', True or False")
    if on_worker_failure not in ("raise", "restart"):
        raise ValueError(f"on_worker_failure={on_worker_failure!r} must be 'raise' or 'restart'")


def check_not_native(native: bool | str) -> bool:
    """False: environments in worker processes are stepped in Python; ValueError where a kernel is insisted on."""
    if native is True:
        raise ValueError("native=True: kernels run on threads of this process; leave placement and isolated out")
    return False


def _check_observation_mode(mode: object) -> None:
    if isinstance(mode, tuple) and len(mode) == 2:
        if not all(isinstance(space, gym.Space) for space in mode):
            raise ArgumentTypeError(
                f"Expected both elements of observation_mode to be Spaces, got {type(mode[0])} and {type(mode[1])}"
            )
    elif mode not in ("same", "different"):
        raise ValueError(
            "Invalid `observation_mode`, expected: 'same' or 'different' or tuple of single and batch observation "
            f"space, actual got {mode}"
        )


def _check_max_concurrency(limit: object) -> None:
    if limit is None:
        return
    number = whole_number(limit)
    if number is None:
        raise ValueError(f"`max_concurrency` must be an integer or None, got {type(limit)}.")
    if number < 1:
        raise ValueError(f"`max_concurrency` must be a positive or None, got {limit}.")
