"""Whole training scripts of other libraries with one changed line: the same weights and returns, and how fast."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
# Each script: the package it needs, what it is compared with, and what of ours it trains with.
SCRIPTS = {
    "sb3_ppo": ("stable_baselines3", "DummyVecEnv", ["SubprocVecEnv", "ReactorVecEnv"]),
    "sb3_dqn": ("stable_baselines3", "DummyVecEnv", ["ReactorVecEnv"]),
    "sb3_sac_her": ("stable_baselines3", "DummyVecEnv", ["ReactorVecEnv"]),
    "cleanrl_ppo": ("torch", "SyncVectorEnv", ["AsyncVectorEnv", "ReactorVectorEnv"]),
    "rllib_ppo": ("ray", "SyncVectorEnv", ["ReactorVectorEnv", "ReactorVectorEnv of a creator"]),
    "rllib_ppo in an env runner": ("ray", "SyncVectorEnv, env runner", ["ReactorVectorEnv, env runner"]),
}
# `make test-integration` has everything, and fails where anything is missing; elsewhere what is installed runs.
HERE = [name for name, (package, *_) in SCRIPTS.items() if os.environ.get("REACTVEC_ALL_SCRIPTS") or find_spec(package)]


def outcome(script: str, vec_env: str) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-m", f"tests.integration.scripts.{script}", vec_env],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0"},
        capture_output=True,
        text=True,
        timeout=110,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    print(f"{script:12} {vec_env:32} {found['steps_per_s']:8,.0f} steps/s, mean return {found['mean_return']:.1f}")
    return found


@pytest.mark.parametrize("name", HERE)
def test_a_script_with_one_changed_line(name: str) -> None:
    _, stock, others = SCRIPTS[name]
    script = name.split()[0]
    theirs = outcome(script, stock)
    for vec_env in others:
        ours = outcome(script, vec_env)
        assert (ours["weights"], ours["mean_return"]) == (theirs["weights"], theirs["mean_return"])
