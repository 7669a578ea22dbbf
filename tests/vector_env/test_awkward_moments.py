"""Forks, signals, and errors of unusual kinds, at moments when something is half done."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium import spaces
from gymnasium.error import AlreadyPendingCallError

from reactvec import ReactorVectorEnv
from reactvec.recovery import EnvironmentsLostError
from tests.faulty_envs import FaultyEnv, OddError
from tests.vector_env.conftest import Make
from tests.vector_env.test_interrupts import Interrupt, alarms  # noqa: F401
from tests.vector_env.worker_places import ISOLATED, PROCESSES, in_processes, orders

PLACES: list[dict[str, Any]] = [{"placement": "inline"}, {"placement": "threads"}, PROCESSES, ISOLATED]


@in_processes
@pytest.mark.parametrize("what", ["reset", "step", "call"])
def test_a_forked_child_changes_nothing_of_the_parents(make: Make, place: dict[str, Any], what: str) -> None:
    vector, twin = make(**place), make(placement="inline")
    for env in (vector, twin):
        env.reset(seed=0)
        env.step(orders())
    vector.step_async(orders(e3="nap"))
    child = os.fork()
    if child == 0:
        refused = 0
        for _ in range(20):
            try:
                {"reset": vector.reset, "step": partial(vector.step, orders(e0="exit")), "call": vector.render}[what]()
            except Exception:
                refused += 1
        os._exit(refused)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 20
    assert vector.step_wait()[0].tobytes() == twin.step(orders())[0].tobytes()


def test_a_forked_child_that_goes_on_stepping_changes_nothing_of_the_parents(make: Make) -> None:
    vector, twin = make(**PROCESSES), make(placement="inline")
    for env in (vector, twin):
        env.reset(seed=0)
        env.step(orders())
    child = os.fork()
    if child == 0:
        while True:
            try:
                vector.step(orders(e0="exit", e3="exit"))
            except Exception:
                time.sleep(0.0001)
    try:
        for _ in range(200):
            assert vector.step(orders())[0].tobytes() == twin.step(orders())[0].tobytes()
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


class Slow(FaultyEnv):
    """Its steps and resets take 20 ms, and calls of `work`, too."""

    def step(self, action: Any) -> Any:
        time.sleep(0.02)
        return super().step(action)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> Any:
        time.sleep(0.02)
        return super().reset(seed=seed, options=options)

    def work(self) -> int:
        time.sleep(0.02)
        return self.steps


@pytest.mark.usefixtures("alarms")
@pytest.mark.parametrize("what", ["step", "reset", "call"])
@pytest.mark.parametrize("policy", ["raise", "restart"])
def test_results_that_a_signal_hid_can_be_waited_for_again(make: Make, what: str, policy: str) -> None:
    vector, twin = (make([Slow] * 4, on_worker_failure=policy, **ISOLATED) for _ in range(2))
    for env in (vector, twin):
        env.reset(seed=0)
    named: dict[str, Any] = {"reset": {"seed": 4}}.get(what, {})
    arguments = {"step": (orders(),), "call": ("work",)}.get(what, ())
    for late in (0.004, 0.012, 0.019, 0.021):
        getattr(vector, f"{what}_async")(*arguments, **named)
        with pytest.raises(Interrupt):
            wait_for_signal(late, getattr(vector, f"{what}_wait"))
        ours = getattr(vector, f"{what}_wait")() if vector._pending.value == what else None
        theirs = getattr(twin, what)(*arguments, **named)
        if ours is not None:
            assert repr(ours[:-1]) == repr(theirs[:-1])  # infos name processes


@pytest.mark.usefixtures("alarms")
@pytest.mark.parametrize("policy", ["raise", "restart"])
def test_a_signal_does_not_hide_a_death(make: Make, policy: str) -> None:
    vector, twin = make(on_worker_failure=policy, **ISOLATED), make(placement="inline")
    for env in (vector, twin):
        env.reset(seed=0)
    victim = vector.call("process")[3]
    vector.step_async(orders(e3="hang"))
    with pytest.raises(multiprocessing.TimeoutError):
        vector.step_wait(timeout=0.05)

    def kill(*_: Any) -> None:
        os.kill(victim, signal.SIGKILL)
        time.sleep(0.1)  # until it has died
        raise Interrupt

    signal.signal(signal.SIGALRM, kill)
    signal.setitimer(signal.ITIMER_REAL, 0.02)
    with pytest.raises(Interrupt):
        vector.step_wait()
    if policy == "raise":
        with pytest.raises(EnvironmentsLostError):
            vector.step_wait()
        return
    obs, _, _, truncated, infos = vector.step_wait()
    assert obs[:2].tobytes() == twin.step(orders())[0][:2].tobytes()
    assert truncated.tolist() == infos["worker_restarted"].tolist() == [False, False, True, True]


def test_two_threads_are_told_of_each_other(make: Make) -> None:
    vector = make([Slow] * 4, **ISOLATED)
    vector.reset()
    other = threading.Thread(target=lambda: [vector.step(orders()) for _ in range(5)])
    other.start()
    time.sleep(0.03)
    for method in (vector.reset, partial(vector.step, orders()), vector.render):
        with pytest.raises(RuntimeError, match="another thread is using these environments"):
            method()
    other.join()
    assert vector.step(orders())[1].tolist() == [6] * 4


def wait_for_signal(seconds: float, wait: Callable[[], Any]) -> None:
    signal.setitimer(signal.ITIMER_REAL, seconds)
    wait()
    time.sleep(1)  # where the results came first


def test_what_is_done_and_not_returned_is_pending(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    vector, twin = make(placement="inline"), make(placement="inline")
    for env in (vector, twin):
        env.reset(seed=0)
    vector.step_async(orders())
    monkeypatch.setattr(vector, "_step_result", interrupted)
    with pytest.raises(Interrupt):
        vector.step_wait()
    monkeypatch.undo()
    with pytest.raises(AlreadyPendingCallError):
        vector.reset()
    assert vector.step_wait()[0].tobytes() == twin.step(orders())[0].tobytes()
    assert vector.step(orders())[0].tobytes() == twin.step(orders())[0].tobytes()


def interrupted() -> None:
    raise Interrupt


class Outer(FaultyEnv):
    """Has a vector environment in it, whose worker dies when it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = ReactorVectorEnv([FaultyEnv] * 2, isolated=True, num_workers=2, context="fork")
        self.inner.reset()

    def step(self, action: Any) -> Any:
        self.inner.step([action, action])
        return super().step(0)

    def close(self) -> None:
        self.inner.close()


@pytest.mark.parametrize("policy", ["raise", "restart"])
def test_a_death_that_an_environment_comes_across_is_an_exception_of_its_own(make: Make, policy: str) -> None:
    vector = make([Outer] * 2, isolated=True, daemon=False, num_workers=2, context="fork", on_worker_failure=policy)
    vector.reset()
    lives = vector.call("process")
    with pytest.raises(EnvironmentsLostError) as raised:
        vector.step(np.array([0, 2]))
    assert "raised by sub-environment 1" in " ".join(
        getattr(raised.value, "__notes__", ["raised by sub-environment 1"])
    )
    assert vector.call("process") == lives


class Unreadable(Exception):
    """Can be pickled, and not unpickled."""

    def __init__(self, one: int, two: int) -> None:
        super().__init__(one)


class Tells(gym.Env[Any, Any]):
    """Puts something into its info, or raises."""

    observation_space, action_space = spaces.Box(0, 9, (1,), np.float64), spaces.Discrete(3)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        return np.zeros(1), {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        if action == 2:
            raise OddError("step")
        return np.ones(1), 1.0, False, False, {"error": Unreadable(1, 2)} if action else {}


def test_mail_that_cannot_be_read_is_an_error_of_its_own_command_alone(make: Make) -> None:
    vector = make([Tells] * 2, **ISOLATED)
    vector.reset()
    for actions, error in (([1, 2], TypeError), ([2, 1], OddError), ([1, 0], TypeError)):
        with pytest.raises(error):
            vector.step(np.array(actions))
        vector.set_attr("mark", 1)
        vector.reset()
        assert vector.step(np.zeros(2, int))[1].tolist() == [1, 1]


@pytest.fixture
def children_are_reaped() -> Iterator[None]:
    before = signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    yield
    signal.signal(signal.SIGCHLD, before)


@pytest.mark.usefixtures("children_are_reaped")
def test_close_where_the_kernel_reaps_children(make: Make) -> None:
    vector = make(**ISOLATED)
    vector.reset()
    vector.close()
    vector = make(on_worker_failure="restart", **ISOLATED)
    vector.reset()
    assert vector.step(orders(e3="exit"))[3].tolist() == [False, False, True, True]


@pytest.mark.parametrize("end", [SystemExit("no licence"), GeneratorExit(), OddError("init")], ids=repr)
def test_whatever_building_raises_it_was_not_brought_back(make: Make, tmp_path: Path, end: BaseException) -> None:
    def once() -> FaultyEnv:
        if (tmp_path / "built").exists():
            raise end
        (tmp_path / "built").touch()
        return FaultyEnv()

    vector = make([*[FaultyEnv] * 3, once], on_worker_failure="restart", **ISOLATED)
    vector.reset()
    vector.step_async(orders(e3="exit"))
    with pytest.raises(EnvironmentsLostError, match="could not be brought back"):
        vector.step_wait(timeout=20)
    with pytest.raises(EnvironmentsLostError):
        vector.reset()


class DiesInReset(FaultyEnv):
    """In the first reset of the second process that it lives in."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path = path

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> Any:
        self.path.mkdir(exist_ok=True)
        times = len(list(self.path.iterdir()))
        (self.path / str(times)).touch()
        if times == 1:
            os._exit(7)
        return super().reset(seed=seed, options=options)


def test_a_death_while_others_are_reset_resets_no_one_twice(make: Make, tmp_path: Path) -> None:
    env_fns = [FaultyEnv, partial(DiesInReset, tmp_path / "resets")]
    vector = make(
        env_fns, isolated=True, num_workers=2, context="fork", on_worker_failure="restart", autoreset_mode="SameStep"
    )
    vector.reset(seed=10)
    obs, *_, infos = vector.step(np.array([2, 2]))
    seed = int(np.random.SeedSequence([10, 1]).generate_state(1)[0])
    assert obs[0].tobytes() == FaultyEnv().reset(seed=seed)[0].tobytes()
    assert infos["worker_restarted"].tolist() == [True, True]


@pytest.mark.parametrize("place", [{"placement": "processes", "num_workers": 1}, {"placement": "inline"}], ids=str)
def test_restart_is_refused_where_nothing_can_restart(make: Make, place: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="needs worker processes"):
        make(on_worker_failure="restart", **place)


@pytest.mark.parametrize("place", PLACES, ids=str)
def test_a_context_that_does_not_exist_is_refused_everywhere(make: Make, place: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="cannot find context for 'forks'"):
        make(**{**place, "context": "forks"})
