from __future__ import annotations

import multiprocessing
import os
from typing import Any

import pytest

from reactvec import placement
from reactvec.placement import limited, resolve_placement, usable_cores


@pytest.fixture(params=[1, 2, 8])
def cores(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setattr(placement, "usable_cores", lambda: request.param)
    return int(request.param)


def resolve(*arguments: Any, **named: Any) -> tuple[str, int, int]:
    place = resolve_placement(*arguments, **named)
    return place.name, place.workers, place.scheduled


def test_python_environments_share_cores_as_the_interpreter_allows(cores: int, monkeypatch: Any) -> None:
    monkeypatch.setattr(placement, "gil_enabled", lambda: True)
    processes = ("inline" if cores == 1 else "processes", cores, cores)
    assert resolve("auto", None, 16, native=False) == processes
    assert resolve("auto", None, 1, native=False) == ("inline", 1, 1)
    monkeypatch.setattr(placement, "_processes_refused", lambda: "not here")
    assert resolve("auto", None, 16, native=False) == ("inline", 1, 1)
    monkeypatch.setattr(placement, "gil_enabled", lambda: False)
    threads = ("inline" if cores == 1 else "threads", cores, cores)
    assert resolve("auto", None, 16, native=False) == threads


def test_native_environments_share_only_what_pays(cores: int) -> None:
    assert resolve("auto", None, 8, native=True) == ("inline", 1, 1)
    assert resolve("auto", None, 8192, native=True)[1] == cores


def test_what_is_asked_for_is_done(cores: int) -> None:
    least = min(cores, 4)
    assert resolve("threads", None, 4, native=False) == ("threads", least, least)
    assert resolve("threads", 3, 4, native=True) == ("threads", 3, 3)
    assert resolve("auto", 3, 4, native=True) == ("threads", 3, 3)
    assert resolve("inline", 1, 4, native=True) == ("inline", 1, 1)
    assert resolve("processes", 3, 4, native=False) == ("processes", 3, 3)
    assert resolve("auto", 4, 4, native=False, isolated=True) == ("processes", 4, 5)
    assert limited(resolve_placement("processes", 4, 4, native=False), 2).workers == 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("cloud", None, 4, False), "'auto', 'inline', 'threads'"),
        (("inline", 2, 4, False), "placement='threads'"),
        (("threads", 5, 4, False), "from 1 to the number of environments, 4"),
        (("auto", 0, 4, False), "from 1 to"),
        (("inline", None, 4, False, True), "isolated=True keeps environments out of this process"),
    ],
)
def test_what_makes_no_sense(arguments: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        resolve_placement(*arguments)


def test_a_daemonic_process_has_no_workers() -> None:
    method = multiprocessing.get_context("fork")
    process = method.Process(target=_inside_of_a_daemon, daemon=True)
    process.start()
    process.join(20)
    assert process.exitcode == 0


def _inside_of_a_daemon() -> None:
    assert resolve_placement("auto", None, 4, native=False).name == "inline"
    with pytest.raises(ValueError, match="daemon=False"):
        resolve_placement("processes", None, 4, native=False)


def test_usable_cores_follow_affinity_and_quota(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(placement, "_cgroup_quota", lambda: None)
    if hasattr(os, "sched_getaffinity"):
        everywhere = os.sched_getaffinity(0)
        assert usable_cores() == len(everywhere)
        try:
            os.sched_setaffinity(0, {min(everywhere)})
            assert usable_cores() == 1
        finally:
            os.sched_setaffinity(0, everywhere)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(64)), raising=False)
    assert usable_cores() == 64
    for quota, cores in ((2.5, 2), (0.5, 1), (100.0, 64)):
        monkeypatch.setattr(placement, "_cgroup_quota", lambda quota=quota: quota)
        assert usable_cores() == cores


def test_cgroup_quota_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    files: dict[str, str] = {}

    class FakePath:
        def __init__(self, name: str) -> None:
            self.name = name

        def read_text(self) -> str:
            if self.name not in files:
                raise FileNotFoundError(self.name)
            return files[self.name]

    monkeypatch.setattr(placement, "Path", FakePath)
    assert placement._cgroup_quota() is None
    files["/sys/fs/cgroup/cpu.max"] = "max 100000\n"
    assert placement._cgroup_quota() is None
    files["/sys/fs/cgroup/cpu.max"] = "150000 100000\n"
    assert placement._cgroup_quota() == 1.5
    files.clear()
    files["/sys/fs/cgroup/cpu/cpu.cfs_quota_us"] = "-1\n"
    files["/sys/fs/cgroup/cpu/cpu.cfs_period_us"] = "100000\n"
    assert placement._cgroup_quota() is None
    files["/sys/fs/cgroup/cpu/cpu.cfs_quota_us"] = "300000\n"
    assert placement._cgroup_quota() == 3.0
