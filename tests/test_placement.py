from __future__ import annotations

import os
from typing import Any

import pytest

from reactvec import placement
from reactvec.placement import resolve_placement, usable_cores


@pytest.fixture(params=[1, 2, 8])
def cores(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setattr(placement, "usable_cores", lambda: request.param)
    return int(request.param)


def test_python_environments_run_inline_under_a_gil(cores: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(placement, "gil_enabled", lambda: True)
    assert resolve_placement("auto", None, 16, native=False) == ("inline", 1)
    monkeypatch.setattr(placement, "gil_enabled", lambda: False)
    assert resolve_placement("auto", None, 16, native=False) == ("inline" if cores == 1 else "threads", cores)
    assert resolve_placement("auto", None, 1, native=False) == ("inline", 1)


def test_native_environments_share_only_what_pays(cores: int) -> None:
    assert resolve_placement("auto", None, 8, native=True) == ("inline", 1)
    assert resolve_placement("auto", None, 8192, native=True)[1] == cores


def test_what_is_asked_for_is_done(cores: int) -> None:
    assert resolve_placement("threads", None, 4, native=False) == ("threads", min(cores, 4))
    assert resolve_placement("threads", 3, 4, native=True) == ("threads", 3)
    assert resolve_placement("auto", 3, 4, native=True) == ("threads", 3)
    assert resolve_placement("inline", 1, 4, native=True) == ("inline", 1)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("cloud", None, 4), "'auto', 'inline', 'threads'"),
        (("inline", 2, 4), "placement='threads'"),
        (("threads", 5, 4), "from 1 to the number of environments, 4"),
        (("auto", 0, 4), "from 1 to"),
    ],
)
def test_what_makes_no_sense(arguments: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        resolve_placement(*arguments, native=False)


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
