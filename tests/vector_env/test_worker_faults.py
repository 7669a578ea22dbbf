"""A worker process that is killed, crashes or exits is named, and nothing of it stays."""

from __future__ import annotations

import os
import signal
import threading
import time
from functools import partial
from typing import Any

import pytest
from gymnasium.error import ClosedEnvironmentError, ResetNeeded

from reactvec import ReactorVectorEnv
from reactvec.recovery import EnvironmentsLostError
from tests.faulty_envs import FaultyEnv, OddError
from tests.vector_env.conftest import Make
from tests.vector_env.worker_places import ISOLATED, in_processes, orders

ENDS = {"exit": "exited with code 7", "segfault": "was killed by SIGSEGV", "kill": "was killed by SIGKILL"}
each_end = pytest.mark.parametrize("fault", list(ENDS))
LAST = [None, None, None]


def what(method: str, vector: ReactorVectorEnv, fault: str = "") -> Any:
    """Call a method of the vector environment; the last sub-environment misbehaves in it."""
    if method == "step":
        return vector.step(orders(e3=fault))
    if method == "reset":
        return vector.reset(options=[*LAST, {"fault": fault}])
    if method == "set_attr":
        return vector.set_attr("mark", 1)
    return vector.call("obey", fault, indices=3)


@in_processes
@pytest.mark.parametrize("method", ["step", "reset", "call", "set_attr"])
def test_a_worker_killed_at_rest_is_named(make: Make, place: dict[str, Any], method: str) -> None:
    vector = make(**place)
    vector.reset(seed=0)
    victim = vector.call("process")[3]
    os.kill(victim, signal.SIGKILL)
    message = rf"worker \d \(process {victim}\) was killed by SIGKILL, and with it went environments 2 to 3"
    begun = time.monotonic()
    for again in (method, "step", "reset", "call"):
        with pytest.raises(EnvironmentsLostError, match=message) as raised:
            what(again, vector)
        assert raised.value.environments == [2, 3]
    vector.close()
    assert time.monotonic() - begun < 2
    with pytest.raises(ClosedEnvironmentError):
        vector.reset()


def test_a_loss_that_is_raised_again_and_again_does_not_grow(make: Make) -> None:
    vector = make(**ISOLATED)
    lengths = []
    for _ in range(4):
        with pytest.raises(EnvironmentsLostError) as raised:
            what("call", vector, "exit")
        lengths.append(len(raised.traceback))
    assert lengths[1:] == [lengths[1]] * 3


@in_processes
def test_closing_after_a_kill_at_rest_is_quiet(make: Make, place: dict[str, Any]) -> None:
    vector = make(**place)
    vector.reset()
    os.kill(vector.call("process")[3], signal.SIGKILL)
    vector.close()
    vector.close()


@in_processes
@pytest.mark.parametrize("method", ["step", "reset", "call"])
def test_a_worker_killed_at_work_is_named(make: Make, place: dict[str, Any], method: str) -> None:
    vector = make(**place)
    vector.reset(seed=0)
    threading.Timer(0.1, os.kill, (vector.call("process")[3], signal.SIGKILL)).start()
    with pytest.raises(EnvironmentsLostError, match=r"was killed by SIGKILL.*, and with it went environment"):
        what(method, vector, "hang")


@in_processes
@each_end
@pytest.mark.parametrize("method", ["step", "reset", "call"])
def test_a_death_is_named_at_once(make: Make, place: dict[str, Any], fault: str, method: str) -> None:
    vector = make(**place)
    vector.reset(seed=0)
    begun = time.monotonic()
    with pytest.raises(EnvironmentsLostError, match=rf"{ENDS[fault]}.*, and with it went environment.*'restart'"):
        what(method, vector, fault)
    assert time.monotonic() - begun < 2


@in_processes
@pytest.mark.parametrize("env", [2, 3])
def test_a_death_in_step_names_who_was_stepped(make: Make, place: dict[str, Any], env: int) -> None:
    vector = make(**place)
    vector.reset()
    vector.step(orders())
    with pytest.raises(EnvironmentsLostError, match=f"while it stepped environment {env}, and with it"):
        vector.step(orders(**{f"e{env}": "exit"}))
    vector = make(**place)
    vector.reset()
    os.kill(vector.call("process")[3], signal.SIGKILL)
    with pytest.raises(EnvironmentsLostError, match="SIGKILL, and with it"):
        vector.step(orders())


@in_processes
@pytest.mark.parametrize("fault", ["exit", "segfault"])
def test_a_death_in_render_is_named_and_in_close_it_is_the_end(make: Make, place: dict[str, Any], fault: str) -> None:
    env_fns = [*[FaultyEnv] * 3, partial(FaultyEnv, render=fault, close=fault)]
    vector = make(env_fns, **place)
    with pytest.raises(EnvironmentsLostError, match=ENDS[fault]):
        vector.render()
    vector = make(env_fns, **place)
    vector.reset()
    vector.close()
    assert vector.closed


@in_processes
@pytest.mark.parametrize("method", ["step", "reset", "call", "render"])
@pytest.mark.parametrize("env", [0, 3])
def test_an_exception_is_raised_and_the_next_reset_works(
    make: Make, place: dict[str, Any], method: str, env: int
) -> None:
    vector, twin = make(**place), make(placement="inline")
    vector.reset(seed=0)
    with pytest.raises(OddError, match=f"{method}: asked to") as raised:
        raise_in(vector, method, env)
    assert raised.value.place == method
    assert "misbehave" in [entry.name for entry in raised.traceback]
    assert any(
        f"sub-environment {env}" in note for note in getattr(raised.value, "__notes__", [f"sub-environment {env}"])
    )
    if method in ("step", "reset"):
        with pytest.raises(ResetNeeded):
            vector.step(orders())
    assert vector.reset(seed=0)[0].tobytes() == twin.reset(seed=0)[0].tobytes()
    assert vector.step(orders())[0].tobytes() == twin.step(orders())[0].tobytes()


def raise_in(vector: ReactorVectorEnv, method: str, env: int) -> None:
    if method == "step":
        vector.step(orders(**{f"e{env}": "raise"}))
    elif method == "reset":
        vector.reset(options=[{"fault": "raise"} if i == env else None for i in range(4)])
    elif method == "render":
        vector.set_attr("faults", {"render": "raise"}, indices=env)
        vector.render()
    else:
        vector.call("obey", "raise", indices=env)


@in_processes
@pytest.mark.parametrize("env", [0, 3])
def test_an_exception_in_close_is_raised_when_all_are_closed(make: Make, place: dict[str, Any], env: int) -> None:
    vector = make([partial(FaultyEnv, close="raise") if i == env else FaultyEnv for i in range(4)], **place)
    vector.reset()
    with pytest.raises(OddError, match="close: asked to"):
        vector.close()
    assert vector.closed
    vector.close()


@in_processes
@pytest.mark.parametrize(("fault", "error"), [("shape", ValueError), ("dtype", TypeError)])
def test_wrong_observations_name_their_environment(
    make: Make, place: dict[str, Any], fault: str, error: type[Exception]
) -> None:
    vector = make(**place)
    vector.reset()
    with pytest.raises(error) as raised:
        vector.step(orders(e3=fault))
    assert any("sub-environment 3" in note for note in getattr(raised.value, "__notes__", ["sub-environment 3"]))
    vector.reset()
    assert vector.step(orders())[1].tolist() == [1.0] * 4


@in_processes
def test_wrong_actions_step_nothing(make: Make, place: dict[str, Any]) -> None:
    vector, twin = make(**place), make(placement="inline")
    assert vector.reset(seed=0)[0].tobytes() == twin.reset(seed=0)[0].tobytes()
    for wrong in (orders(3), orders(5), orders(0), [0, 0, 0], 0, None, orders(4).reshape(2, 2)):
        for step in (vector.step, vector.step_async):
            with pytest.raises((ValueError, TypeError)):
                step(wrong)
        assert vector.get_attr("steps") == twin.get_attr("steps")
        assert vector.step(orders())[0].tobytes() == twin.step(orders())[0].tobytes()


@in_processes
def test_ctrl_c_in_a_hang_can_be_followed_by_close(
    make: Make, place: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("reactvec.vector_env.GRACE_S", 0.2)
    vector = make(**place)
    vector.reset()
    threading.Timer(0.2, signal.raise_signal, (signal.SIGINT,)).start()
    with pytest.raises(KeyboardInterrupt):
        vector.step(orders(e3="hang"))
    begun = time.monotonic()
    vector.close()
    assert time.monotonic() - begun < 3


def test_an_interrupted_isolated_step_can_be_waited_for(make: Make) -> None:
    vector, twin = make(**ISOLATED), make(placement="inline")
    vector.reset(seed=0)
    twin.reset(seed=0)
    vector.step_async(orders(e3="nap"))
    threading.Timer(0.1, signal.raise_signal, (signal.SIGINT,)).start()
    with pytest.raises(KeyboardInterrupt):
        vector.step_wait()
    assert vector.step_wait()[0].tobytes() == twin.step(orders())[0].tobytes()
    assert vector.step(orders())[0].tobytes() == twin.step(orders())[0].tobytes()


def test_a_death_in_the_first_call_is_blamed_on_no_step(make: Make) -> None:
    vector = make(**ISOLATED)
    with pytest.raises(EnvironmentsLostError) as raised:
        vector.call("obey", "exit", indices=0)
    assert "while it stepped" not in str(raised.value)
