"""A wait of isolated environments may have an end; what it waited for stays pending, and nothing is ever stale."""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from typing import Any

import pytest
from gymnasium.error import AlreadyPendingCallError, NoAsyncCallError

from reactvec import ReactorVectorEnv
from reactvec.recovery import EnvironmentsLostError
from tests.faulty_envs import NAP_S
from tests.vector_env.conftest import Make
from tests.vector_env.worker_places import ISOLATED, PROCESSES, orders

timed_out = pytest.raises(multiprocessing.TimeoutError, match=r"has timed out .* stays pending: wait again, or close")
closing = pytest.warns(UserWarning, match="waiting for a pending call")


def hanging(make: Make, **named: Any) -> ReactorVectorEnv:
    """One whose step has timed out and will never end."""
    vector = make(**{**ISOLATED, **named})
    vector.reset(seed=0)
    vector.step_async(orders(e3="hang"))
    with timed_out:
        vector.step_wait(timeout=0.05)
    return vector


@pytest.mark.parametrize("timeout", [-1, 0, 0.01, 0.1])
def test_a_step_that_timed_out_gives_its_own_rows_later(make: Make, timeout: float) -> None:
    vector, twin = make(**ISOLATED), make(placement="inline")
    vector.reset(seed=0)
    twin.reset(seed=0)
    for _ in range(2):
        begun = time.monotonic()
        vector.step_async(orders(e3="nap"))
        with timed_out:
            vector.step_wait(timeout=timeout)
        assert time.monotonic() - begun < NAP_S
        with pytest.raises(AlreadyPendingCallError):
            vector.step(orders())
        with pytest.raises(AlreadyPendingCallError):
            vector.reset()
        with pytest.raises(NoAsyncCallError):
            vector.reset_wait()
        result = vector.step_wait(timeout=20)
        assert result[0].tobytes() == twin.step(orders())[0].tobytes()
        assert vector.step(orders())[0].tobytes() == twin.step(orders())[0].tobytes()


def test_resets_and_calls_time_out_likewise(make: Make) -> None:
    vector, twin = make(**ISOLATED), make(placement="inline")
    vector.reset_async(seed=4, options=[None, None, None, {"fault": "nap"}])
    with timed_out:
        vector.reset_wait(timeout=0.05)
    assert vector.reset_wait(timeout=20)[0].tobytes() == twin.reset(seed=4)[0].tobytes()
    vector.call_async("obey", "nap", indices=[0, 3])
    with timed_out:
        vector.call_wait(timeout=0.05)
    assert vector.call_wait(timeout=20) == ("nap", "nap")
    assert vector.step(orders())[0].tobytes() == twin.step(orders())[0].tobytes()


def test_a_timeout_is_a_number_of_seconds(make: Make) -> None:
    vector = make(**ISOLATED)
    vector.reset(seed=0)
    vector.step_async(orders(e3="nap"))
    for wrong, error in ((float("nan"), ValueError), ("1", TypeError)):
        with pytest.raises(error, match=r"timeout=.*: give seconds, or None"):
            vector.step_wait(timeout=wrong)
        with pytest.raises(error, match=r"timeout=.*: give seconds, or None"):
            vector.close(timeout=wrong)
        assert not vector.closed
    with timed_out:
        vector.step_wait(timeout=float("-inf"))
    vector.step_wait(timeout=float("inf"))
    assert vector.step(orders())[0].shape == (4, 2)


@pytest.mark.parametrize("timeout", [-1, 0])
def test_what_is_there_already_is_given_without_waiting(make: Make, timeout: float) -> None:
    vector = make(**ISOLATED)
    vector.reset_async()
    time.sleep(NAP_S)
    assert vector.reset_wait(timeout=timeout)[0].shape == (4, 2)


@pytest.mark.parametrize("how", [{"terminate": True}, {"timeout": 0.1}, {"timeout": 0}], ids=str)
def test_a_hang_ends_with_close(make: Make, how: dict[str, Any]) -> None:
    vector = hanging(make)
    worker = vector._deployment.execution._crew._processes[2].pid  # type: ignore[union-attr]
    begun = time.monotonic()
    with closing:
        vector.close(**how)
    assert time.monotonic() - begun < 2
    assert vector.closed
    assert not os.path.exists(f"/proc/{worker}")


@pytest.mark.parametrize("place", [PROCESSES, ISOLATED], ids=["processes", "isolated"])
def test_close_with_a_timeout_ends_what_hangs(make: Make, place: dict[str, Any]) -> None:
    vector = make(**place)
    vector.reset()
    vector.step_async(orders(e3="hang"))
    begun = time.monotonic()
    with closing:
        vector.close(timeout=0.1)
    assert time.monotonic() - begun < 2


def test_who_is_killed_while_a_step_is_pending_is_named(make: Make) -> None:
    vector = hanging(make)
    os.kill(vector._deployment.execution._crew._processes[2].pid, signal.SIGKILL)  # type: ignore[union-attr,arg-type]
    with pytest.raises(EnvironmentsLostError, match="while it stepped environment 3"):
        vector.step_wait(timeout=20)


def test_who_is_killed_while_a_step_is_pending_comes_back(make: Make) -> None:
    vector, twin = hanging(make, on_worker_failure="restart"), make(placement="inline")
    twin.reset(seed=0)
    os.kill(vector._deployment.execution._crew._processes[2].pid, signal.SIGKILL)  # type: ignore[union-attr,arg-type]
    obs, _, _, truncated, _ = vector.step_wait(timeout=20)
    assert obs[:2].tobytes() == twin.step(orders())[0][:2].tobytes()
    assert truncated.tolist() == [False, False, True, True]
    assert vector.step(orders())[0][:2].tobytes() == twin.step(orders())[0][:2].tobytes()
