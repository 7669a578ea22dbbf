"""The worked example of docs/kernels.md: another package that brings a kernel."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SCRIPT = """
import gymnasium as gym, numpy as np
from gymnasium.wrappers import TimeLimit
from ferry import FerryEnv
from reactvec import ReactorVectorEnv
from tests.vector_env.oracle import MODES, twins

def make():
    return TimeLimit(FerryEnv(gust=0.3), 40)

for mode in MODES:
    with twins([make] * 3, mode, placement="threads", num_workers=2) as both:
        both.reset(seed=5)
        for value in (0.2, 0.7, 0.4):
            both.run(150)
            both.do("get_attr", "offset")
            both.do("get_attr", "np_random")
            both.do("set_attr", "gust", value)
        both.reset(seed=2)
        both.run(50)
        assert ", native: Ferries" in both.vector.explain(), both.vector.explain()
        try:
            both.vector.step(np.full(3, 3))
        except AssertionError as error:
            assert "invalid" in str(error)
        else:
            raise RuntimeError("an action that is none was taken")

class Tug(FerryEnv):
    pass

with twins([Tug] * 2) as both:
    assert "no native kernel for Tug" in both.vector.explain()
print("the same")
"""


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the package is installed, built from a copy of its sources."""
    path = tmp_path_factory.mktemp("ferry")
    shutil.copytree(ROOT / "docs" / "ferry", path / "source")
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-build-isolation", "--no-deps", "--target"]
    done = subprocess.run(
        [*command, str(path / "installed"), str(path / "source")],
        capture_output=True,
        text=True,
        timeout=110,
        env=os.environ | {"PYTHONPATH": str(ROOT), "PIP_NO_INDEX": "1", "PIP_DISABLE_PIP_VERSION_CHECK": "1"},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return path / "installed"


def test_its_environments_are_stepped_by_its_kernel(installed: Path, tmp_path: Path) -> None:
    paths = os.pathsep.join([str(installed), str(ROOT)])
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", SCRIPT],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        env=os.environ | {"PYTHONPATH": paths},
    )
    assert done.stdout == "the same\n", done.stderr
