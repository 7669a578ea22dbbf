"""What goes wrong while sub-environments are built is named, and nothing of it stays."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from reactvec import ReactorVectorEnv
from reactvec.recovery import EnvironmentsLostError
from tests.faulty_envs import FaultyEnv, OddError
from tests.sample_envs import SampleEnv
from tests.vector_env.conftest import Make
from tests.vector_env.placements import INLINE, TWO_THREADS
from tests.vector_env.worker_places import ISOLATED, PROCESSES, in_processes, orders

HINT = "isolated=True, num_workers=4"
everywhere = pytest.mark.parametrize(
    "place", [INLINE, TWO_THREADS, PROCESSES, ISOLATED], ids=["inline", "threads", "processes", "isolated"]
)


class OnlyOne(FaultyEnv):
    """There can be one in a process, as with some simulators."""

    living = 0

    def __init__(self) -> None:
        super().__init__()
        if OnlyOne.living:
            raise RuntimeError("the simulator runs already")
        OnlyOne.living += 1

    def close(self) -> None:
        OnlyOne.living -= 1


def notes(error: BaseException) -> str:
    return " ".join(getattr(error, "__notes__", []))


def with_one(index: int, env_fn: Any) -> list[Any]:
    return [env_fn if i == index else FaultyEnv for i in range(4)]


@everywhere
@pytest.mark.parametrize("index", [0, 1, 3])
def test_an_exception_names_its_environment(make: Make, place: dict[str, Any], index: int) -> None:
    with pytest.raises(OddError, match="init: asked to") as raised:
        make(with_one(index, partial(FaultyEnv, init="raise")), **place)
    assert raised.value.place == "init"
    assert "misbehave" in [entry.name for entry in raised.traceback]
    assert not hasattr(raised.value, "__notes__") or f"sub-environment {index}" in notes(raised.value)


@in_processes
@pytest.mark.parametrize(("fault", "end"), [("exit", "exited with code 7"), ("segfault", "killed by SIGSEGV")])
def test_a_death_names_its_environments(make: Make, place: dict[str, Any], fault: str, end: str) -> None:
    with pytest.raises(EnvironmentsLostError, match=end) as raised:
        make(with_one(3, partial(FaultyEnv, init=fault)), **place)
    assert raised.value.environments == [2, 3]


@pytest.mark.parametrize(("fault", "end"), [("exit", "exited with code 7"), ("segfault", "was killed by SIGSEGV")])
def test_a_death_of_the_first_isolated_environment_is_named(make: Make, fault: str, end: str) -> None:
    with pytest.raises(RuntimeError, match=f"environment 0: the process .* {end}"):
        make(with_one(0, partial(FaultyEnv, init=fault)), **ISOLATED)


@pytest.mark.parametrize("place", [INLINE, TWO_THREADS, PROCESSES, ISOLATED], ids=str)
def test_one_instance_per_process_is_refused_with_the_remedy(make: Make, place: dict[str, Any]) -> None:
    with pytest.raises(RuntimeError, match="runs already") as raised:
        make([OnlyOne] * 4, **place)
    OnlyOne.living = 0  # what was built here is closed, or not: that is not what is tested
    assert not hasattr(raised.value, "__notes__") or HINT in notes(raised.value)


def test_one_instance_per_process_runs_in_processes_of_its_own(make: Make) -> None:
    vector = make([OnlyOne] * 4, isolated=True, num_workers=4, context="fork")
    vector.reset(seed=0)
    assert vector.step(orders())[1].tolist() == [1.0] * 4
    assert len({*vector.call("process"), os.getpid()}) == 5


def test_an_exception_of_the_only_one_has_no_remedy() -> None:
    with pytest.raises(OddError) as raised:
        ReactorVectorEnv([partial(FaultyEnv, init="raise")])
    assert "isolated" not in notes(raised.value)


@in_processes
def test_spaces_that_differ_name_their_environment(make: Make, place: dict[str, Any]) -> None:
    with pytest.raises(RuntimeError, match="observation spaces are not equivalent") as raised:
        make(with_one(3, SampleEnv), **place)
    assert HINT not in notes(raised.value)


@in_processes
def test_those_that_were_built_are_closed_when_another_fails(make: Make, place: dict[str, Any], tmp_path: Path) -> None:
    class Closes(FaultyEnv):
        def close(self) -> None:
            (tmp_path / f"{os.getpid()}-{id(self)}").touch()

    with pytest.raises(OddError):
        make([Closes, Closes, Closes, partial(FaultyEnv, init="raise")], **place)
    closed = len(list(tmp_path.iterdir()))
    assert closed == (4 if "isolated" in place else 3)  # with the one that was built to learn the spaces


@pytest.mark.filterwarnings("ignore:.*multi-threaded, use of fork:DeprecationWarning")  # by the timer
@pytest.mark.parametrize(("place", "index"), [(PROCESSES, 3), (ISOLATED, 3), (ISOLATED, 0)], ids=str)
def test_a_hang_while_building_can_be_left(
    make: Make, place: dict[str, Any], index: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("reactvec.execution.GRACE_S", 0.2)
    threading.Timer(0.3, signal.pthread_kill, (threading.get_ident(), signal.SIGINT)).start()
    begun = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        make(with_one(index, partial(FaultyEnv, init="hang")), **place)
    assert time.monotonic() - begun < 3
    assert multiprocessing.active_children() == []
