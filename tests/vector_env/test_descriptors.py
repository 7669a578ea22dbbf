"""What worker processes cost in file descriptors, and what happens where there are too few."""

from __future__ import annotations

import errno
import gc
import multiprocessing
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from reactvec import ReactorVectorEnv
from reactvec.descriptors import EACH
from reactvec.recovery import EnvironmentsLostError
from tests.faulty_envs import FaultyEnv
from tests.sample_envs import never_fails
from tests.vector_env.conftest import Make
from tests.vector_env.worker_places import ISOLATED, in_processes, orders

# What is mapped is open for as long on older CPythons: the arena and the control word.
MAPPED = 0 if sys.version_info >= (3, 13) else 2


def open_files(pid: int | str = "self") -> int:
    return len(os.listdir(f"/proc/{pid}/fd"))


def isolated(number: int, env: Any = FaultyEnv, **named: Any) -> ReactorVectorEnv:
    return ReactorVectorEnv([env] * number, isolated=True, num_workers=number, **{"context": "fork", **named})


@pytest.mark.parametrize("context", ["fork", "forkserver", "spawn"])
def test_a_worker_costs_the_caller_four_and_holds_none_of_the_others(context: str) -> None:
    isolated(1, context=context).close()  # multiprocessing's own processes run now
    gc.collect()
    before, held, theirs = open_files(), [], set()
    for number in (1, 3):
        vector = isolated(number, context=context)
        held.append(open_files() - before)
        theirs |= {open_files(pid) for pid in vector.call("process")}
        vector.close()
        assert open_files() - before == MAPPED
        del vector
        gc.collect()
        assert open_files() == before
    assert held[1] - held[0] == 2 * EACH
    assert len(theirs) == 1


@in_processes
def test_what_comes_back_costs_nothing_more(make: Make, place: dict[str, Any]) -> None:
    vector = make(on_worker_failure="restart", **place)
    vector.reset()
    before = open_files()
    for _ in range(3):
        assert "worker_restarted" in vector.step(orders(e3="exit"))[-1]
        vector.step(orders())  # the first of the next episode
    assert open_files() == before


@in_processes
def test_results_outlive_what_close_closes(make: Make, place: dict[str, Any]) -> None:
    vector, twin = make(copy=False, **place), make(placement="inline")
    obs, expected = vector.reset(seed=0)[0], twin.reset(seed=0)[0]
    vector.close()
    assert obs.tobytes() == expected.tobytes()


class DiesAnswering(FaultyEnv):
    """Its process can be killed while it answers a call."""

    def tear(self) -> bytes:
        """An answer of which only the beginning is written."""
        write = os.pwrite

        def half(fd: int, data: Any, offset: int) -> int:
            write(fd, data[: len(data) // 2], offset)
            os.kill(os.getpid(), signal.SIGKILL)
            return 0

        os.pwrite = half
        return bytes(300_000)


def test_a_death_in_the_middle_of_an_answer_leaves_nothing_of_it() -> None:
    vector = isolated(2, DiesAnswering, on_worker_failure="restart")
    vector.reset(seed=0)
    with pytest.raises(EnvironmentsLostError, match="SIGKILL"):
        vector.call("tear", indices=1)
    *_, infos = vector.step(orders(2))
    assert infos["worker_restarted"].tolist() == [False, True]
    assert vector.call("obey", "") == ("", "")
    assert vector.step(orders(2))[-1]["_steps"].tolist() == [True, False]
    assert vector.step(orders(2))[-1]["steps"].tolist() == [3, 1]
    vector.close()


SCRIPT = """
import gc, multiprocessing, os, resource, sys
from tests.sample_envs import never_fails
from tests.vector_env.test_descriptors import isolated, open_files
number, limit = map(int, sys.argv[1:])
resource.setrlimit(resource.RLIMIT_NOFILE, (limit, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
before = open_files()
try:
    vector = isolated(number, never_fails)
    vector.reset()
    print(vector.step([0] * number)[1].sum())
    vector.close()
    del vector
except OSError as error:
    print(error.errno, error)
gc.collect()
print(open_files() - before, multiprocessing.active_children())
"""


def limited(number: int, limit: int) -> list[str]:
    """What a program prints that makes, steps and closes so many workers under a limit."""
    root = Path(__file__).parents[2]
    command = [sys.executable, "-c", SCRIPT, str(number), str(limit)]
    environment = {**os.environ, "PYTHONPATH": str(root)}
    result = subprocess.run(command, cwd=root, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    return result.stdout.splitlines()


def test_two_hundred_workers_fit_into_the_usual_limit() -> None:
    assert limited(200, 1024) == ["200.0", "0 []"]


def test_too_few_descriptors_are_known_beforehand_and_the_remedy_named() -> None:
    message, left = limited(40, 64)
    assert message.startswith(f"{errno.EMFILE} [Errno {errno.EMFILE}] Too many open files: each worker process takes 4")
    assert "40 of them 160, besides those that are open already, and it may have 64 in all; raise that by" in message
    assert message.endswith("`ulimit -n`, or use fewer workers")
    assert left == "0 []"


def failing_at(turn: int, error: int, act: Any) -> Any:
    """The same function, until it is called for the n-th time."""
    turns = iter(range(turn))

    def act_or_fail(*arguments: Any) -> Any:
        if next(turns, None) is None:
            raise OSError(error, os.strerror(error))
        return act(*arguments)

    return act_or_fail


@pytest.mark.parametrize("number", [errno.EMFILE, errno.EAGAIN])
@pytest.mark.parametrize("where", ["os.pidfd_open", "os.pipe2", "multiprocessing.popen_fork.Popen._launch"])
def test_what_runs_is_ended_when_the_next_cannot_start(
    monkeypatch: pytest.MonkeyPatch, number: int, where: str
) -> None:
    gc.collect()
    before = open_files()
    act = {"os.pidfd_open": os.pidfd_open, "os.pipe2": os.pipe2}.get(
        where,
        multiprocessing.popen_fork.Popen._launch,  # type: ignore[attr-defined]
    )
    monkeypatch.setattr(where, failing_at(3, number, act))
    with pytest.raises(OSError, match=r"ulimit -n" if number == errno.EMFILE else r"unavailable$") as raised:
        isolated(6, never_fails)
    assert raised.value.errno == number
    assert multiprocessing.active_children() == []
    del raised
    gc.collect()
    assert open_files() == before


def test_too_few_for_a_restart_lose_the_environments_with_the_remedy(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    vector = make(on_worker_failure="restart", **ISOLATED)
    vector.reset()
    monkeypatch.setattr("os.pipe2", failing_at(0, errno.EMFILE, os.pipe2))
    with pytest.raises(EnvironmentsLostError, match=r"could not be brought back: OSError\(24, .*ulimit -n"):
        vector.step(orders(e3="exit"))
    vector.close()
    assert multiprocessing.active_children() == []
