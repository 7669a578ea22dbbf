"""An environment that fails is named, its exception comes back whole, and a reset or a close works afterwards."""

from __future__ import annotations

import threading
from functools import partial
from typing import Any

import numpy as np
import pytest
from gymnasium.error import ResetNeeded

from reactvec import ReactorVectorEnv
from tests.sample_envs import FailingEnv, never_fails
from tests.vector_env.placements import everywhere, on_few


class OddError(Exception):
    """What no library raises."""


def names_environment(error: BaseException, index: int) -> bool:
    name = f"sub-environment {index}"
    return any(name in note for note in getattr(error, "__notes__", [name]))


@everywhere
@pytest.mark.parametrize("where", ["step", "reset", "shape", "dtype", "reward", "info"])
def test_an_environments_exception_comes_back_whole(where: str, place: dict[str, Any]) -> None:
    vector = ReactorVectorEnv([*[never_fails] * 3, partial(FailingEnv, where, OddError("odd"))], **place)
    expected = {"shape": (ValueError,), "dtype": (TypeError,), "step": (OddError,), "reset": (OddError,)}
    with pytest.raises(expected.get(where, (ValueError, TypeError, AttributeError))) as raised:
        reset_and_step(vector, 5)
    if where in ("step", "reset"):
        assert where in [entry.name for entry in raised.traceback]
    assert names_environment(raised.value, 3)
    with pytest.raises(ResetNeeded):
        vector.step(np.zeros(4, int))
    assert vector.get_attr("where") == ("never", "never", "never", where)
    vector.close()


def reset_and_step(vector: ReactorVectorEnv, steps: int) -> None:
    vector.reset(seed=0)
    for _ in range(steps):
        vector.step(np.zeros(vector.num_envs, int))


@on_few
def test_failing_to_build_or_to_close(place: dict[str, Any]) -> None:
    before = threading.active_count()
    with pytest.raises(KeyError, match="building") as raised:
        ReactorVectorEnv([never_fails, never_fails, partial(FailingEnv, "init", KeyError("building"))], **place)
    assert names_environment(raised.value, 2)
    vector = ReactorVectorEnv([never_fails, partial(FailingEnv, "close", KeyError("closing"))], **place)
    with pytest.raises(KeyError, match="closing"):
        vector.close()
    assert threading.active_count() == before
