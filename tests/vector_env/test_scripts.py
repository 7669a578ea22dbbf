"""Programs of their own: how they start workers, are interrupted, and end."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.vector_env.test_lifetimes import gone_within

ROOT = Path(__file__).parents[2]
WAYS = {
    "processes": "placement='processes', num_workers=2",
    "isolated": "isolated=True, num_workers=2",
}
START = """
import sys
import gymnasium as gym
import numpy as np
from reactvec import ReactorVectorEnv

class Mine(gym.Env):
    observation_space = gym.spaces.Box(0, 1, (1,))
    action_space = gym.spaces.Discrete(2)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        return np.zeros(1, np.float32), {}

    def step(self, action):
        return np.ones(1, np.float32), float(action), False, False, {"mine": len(Mine.__name__)}

def run():
    envs = ReactorVectorEnv([lambda: Mine()] * 2 + [Mine] * 2, context="%s", %s)
    envs.reset(seed=0)
    print(envs.step(np.array([0, 1, 0, 1]))[1].sum(), flush=True)
    envs.close()

if %s:
    run()
"""
INTERRUPTED = """
import numpy as np
from reactvec import ReactorVectorEnv
from tests.faulty_envs import FaultyEnv, NAP

if __name__ == "__main__":
    print("starting", flush=True)
    envs = ReactorVectorEnv([FaultyEnv] * 4, context="%s", %s)
    envs.reset(seed=0)
    print("ready", flush=True)
    try:
        while True:
            envs.step(np.full(4, NAP))
    except KeyboardInterrupt:
        envs.reset(seed=0)
        print(envs.step(np.zeros(4, int))[1].sum(), flush=True)
    envs.close()
"""
LEFT = """
import sys
import numpy as np
from reactvec import ReactorVectorEnv
from tests.faulty_envs import FaultyEnv, NAP

if __name__ == "__main__":
    envs = ReactorVectorEnv([FaultyEnv] * 4, context="fork", daemon=%s, %s)
    envs.reset(seed=0)
    print(*envs.call("process"), flush=True)
    envs.step_async(np.full(4, %s))
    sys.exit(3)
"""


def started(folder: Path, text: str) -> subprocess.Popen[str]:
    script = folder / f"script{len(list(folder.iterdir()))}.py"
    script.write_text(text)
    return subprocess.Popen(
        [sys.executable, str(script)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


@pytest.mark.parametrize(("method", "way"), [("spawn", "processes"), ("forkserver", "isolated")])
def test_lambdas_and_classes_of_main_cross(tmp_path: Path, method: str, way: str) -> None:
    with started(tmp_path, START % (method, WAYS[way], "__name__ == '__main__'")) as script:
        output, errors = script.communicate(timeout=60)
    assert (script.returncode, output, errors) == (0, "2.0\n", "")


@pytest.mark.parametrize(("method", "way"), [("spawn", "isolated"), ("forkserver", "processes")])
def test_without_the_guard_the_last_line_says_what_is_missing(tmp_path: Path, method: str, way: str) -> None:
    with started(tmp_path, START % (method, WAYS[way], "True")) as script:
        output, errors = script.communicate(timeout=60)
    assert script.returncode == 1
    assert output == ""
    last = " ".join(errors.splitlines()[-2:])  # a note may follow
    assert "exited with code 1" in last
    assert "a script must guard what it runs by `if __name__ == '__main__':`" in last


@pytest.mark.parametrize(
    ("method", "way"), [("fork", "processes"), ("fork", "isolated"), ("spawn", "processes"), ("forkserver", "isolated")]
)
def test_ctrl_c_makes_no_noise_and_a_reset_works(tmp_path: Path, method: str, way: str) -> None:
    with started(tmp_path, INTERRUPTED % (method, WAYS[way])) as script:
        assert script.stdout is not None
        assert script.stdout.readline() + script.stdout.readline() == "starting\nready\n"
        time.sleep(0.1)
        os.killpg(script.pid, signal.SIGINT)  # as a terminal does: to the workers too
        output, errors = script.communicate(timeout=60)
    assert (script.returncode, output, errors) == (0, "4.0\n", "")


def test_ctrl_c_while_workers_start_makes_one_traceback(tmp_path: Path) -> None:
    with started(tmp_path, INTERRUPTED % ("spawn", WAYS["isolated"])) as script:
        assert script.stdout is not None
        assert script.stdout.readline() == "starting\n"
        time.sleep(0.3)
        os.killpg(script.pid, signal.SIGINT)
        _, errors = script.communicate(timeout=60)
    assert errors.count("Traceback") <= 1


def test_a_program_may_end_without_close(tmp_path: Path) -> None:
    scripts = [
        (fault, started(tmp_path, LEFT % (daemon, way, fault)))
        for daemon in (True, False)
        for way in WAYS.values()
        for fault in ("0", "NAP")
    ]
    for fault, script in scripts:
        with script:
            output, errors = script.communicate(timeout=60)
        assert (script.returncode, errors) == (3, ""), fault
        gone_within({int(pid) for pid in output.split()}, 5)
