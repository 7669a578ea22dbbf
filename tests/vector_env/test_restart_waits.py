"""Bringing environments back takes time: a wait may end before, be interrupted, or be the last one."""

from __future__ import annotations

import multiprocessing
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gymnasium.error import AlreadyPendingCallError

from reactvec import ReactorVectorEnv
from reactvec.recovery import EnvironmentsLostError
from tests.faulty_envs import NAP_S, FaultyEnv
from tests.vector_env.conftest import Make
from tests.vector_env.test_interrupts import Interrupt, alarms  # noqa: F401
from tests.vector_env.worker_places import ISOLATED, in_processes, orders

every_mode = pytest.mark.parametrize("mode", ["NextStep", "SameStep", "Disabled"])
being_brought_back = pytest.raises(
    multiprocessing.TimeoutError, match=r"being brought back\. It stays pending: wait again, or close"
)
SLOW = {"init": "nap", "reset": "nap"}


def built_anew(path: Path, *again: dict[str, str]) -> list[Callable[[], FaultyEnv]]:
    """Four environments; the last one, each time that it is built, has other faults, the last of them for ever."""

    def build() -> FaultyEnv:
        built = len(list(path.iterdir()))
        (path / str(built)).touch()
        return FaultyEnv(**({}, *again)[min(built, len(again))])

    return [FaultyEnv, FaultyEnv, FaultyEnv, build]


def restarting(make: Make, path: Path, *again: dict[str, str], **named: Any) -> ReactorVectorEnv:
    path.mkdir()
    vector = make(built_anew(path, *again), on_worker_failure="restart", **{**ISOLATED, **named})
    vector.reset(seed=0)
    return vector


def waited_for(wait: Callable[..., Any]) -> tuple[Any, int]:
    """What a wait gives in the end, and how often it was late before."""
    late = 0
    while True:
        begun = time.monotonic()
        try:
            return wait(timeout=0.05), late
        except multiprocessing.TimeoutError:
            late += 1
            assert time.monotonic() - begun < NAP_S / 2


def assert_same(one: Any, other: Any) -> None:
    for mine, its in zip(one[:-1], other[:-1], strict=True):
        assert mine.tobytes() == its.tobytes()
    assert one[-1]["_worker_restarted"].tolist() == other[-1]["_worker_restarted"].tolist()


@every_mode
def test_a_step_that_brings_back_can_be_late(make: Make, tmp_path: Path, mode: str) -> None:
    vector = restarting(make, tmp_path / "slow", SLOW, autoreset_mode=mode)
    twin = restarting(make, tmp_path / "quick", autoreset_mode=mode)
    vector.step_async(orders(e3="exit"))
    with being_brought_back:
        vector.step_wait(timeout=0.1)
    for method in (vector.reset, lambda: vector.step(orders()), lambda: vector.call("process")):
        with pytest.raises(AlreadyPendingCallError):
            method()
    result, late = waited_for(vector.step_wait)
    assert late >= (2 if mode == "SameStep" else 1)
    assert_same(result, twin.step(orders(e3="exit")))
    if mode != "Disabled":
        assert vector.step(orders())[0].tobytes() == twin.step(orders())[0].tobytes()


def test_a_reset_that_brings_back_can_be_late(make: Make, tmp_path: Path) -> None:
    vector, twin = restarting(make, tmp_path / "slow", SLOW), restarting(make, tmp_path / "quick")
    for env in (vector, twin):
        env.set_attr("faults", {"reset": "exit"}, indices=3)
    mask = {"reset_mask": np.array([True, False, False, True])}
    vector.reset_async(seed=3, options=dict(mask))
    result, late = waited_for(vector.reset_wait)
    assert late >= 2
    assert_same(result, twin.reset(seed=3, options=dict(mask)))


@pytest.mark.usefixtures("alarms")
@every_mode
def test_a_signal_does_not_end_what_brings_back(make: Make, tmp_path: Path, mode: str) -> None:
    vector = restarting(make, tmp_path / "slow", SLOW, autoreset_mode=mode)
    twin = restarting(make, tmp_path / "quick", autoreset_mode=mode)
    vector.step_async(orders(e3="exit"))
    for _ in range(3 if mode == "SameStep" else 2):
        signal.setitimer(signal.ITIMER_REAL, NAP_S / 3)
        with pytest.raises(Interrupt):
            vector.step_wait()
    assert_same(vector.step_wait(), twin.step(orders(e3="exit")))


@pytest.mark.usefixtures("alarms")
def test_after_a_signal_in_step_a_reset_finds_all_environments(make: Make, tmp_path: Path) -> None:
    vector, twin = restarting(make, tmp_path / "slow", SLOW), make(placement="inline")
    signal.setitimer(signal.ITIMER_REAL, NAP_S / 2)
    with pytest.raises(Interrupt):
        vector.step(orders(e3="exit"))
    assert len(vector.call("process")) == 4
    assert vector.reset(seed=5)[0].tobytes() == twin.reset(seed=5)[0].tobytes()


@in_processes
def test_one_that_dies_while_it_starts_is_started_again(make: Make, tmp_path: Path, place: dict[str, Any]) -> None:
    dies = {"init": "exit"}
    vector, twin = restarting(make, tmp_path / "dies", dies, dies, {}, **place), make(placement="inline")
    twin.reset(seed=0)
    obs, _, _, truncated, infos = vector.step(orders(e3="exit"))
    assert obs[:2].tobytes() == twin.step(orders())[0][:2].tobytes()
    assert truncated.tolist() == infos["worker_restarted"].tolist() == [False, False, True, True]
    assert vector.step(orders())[0][:2].tobytes() == twin.step(orders())[0][:2].tobytes()


@in_processes
def test_one_that_always_dies_while_it_starts_is_given_up(make: Make, tmp_path: Path, place: dict[str, Any]) -> None:
    vector = restarting(make, tmp_path / "dies", {"init": "exit"}, **place)
    with pytest.raises(EnvironmentsLostError, match=r"environments 2 to 3\. They could not .* died 4 times"):
        vector.step(orders(e3="exit"))
    with pytest.raises(EnvironmentsLostError):
        vector.step(orders())


@pytest.mark.parametrize("how", [{"terminate": True}, {"timeout": 0.1}], ids=str)
def test_who_waits_no_longer_closes(make: Make, tmp_path: Path, how: dict[str, Any]) -> None:
    vector = restarting(make, tmp_path / "hangs", {"init": "hang"})
    vector.step_async(orders(e3="exit"))
    with being_brought_back:
        vector.step_wait(timeout=0.1)
    begun = time.monotonic()
    with pytest.warns(UserWarning, match="waiting for a pending call"):
        vector.close(**how)
    assert time.monotonic() - begun < 2
    assert multiprocessing.active_children() == []
