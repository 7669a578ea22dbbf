"""An environment that misbehaves when it is told to, in every method, in every way."""

from __future__ import annotations

import ctypes
import faulthandler
import os
import random
import signal
import time
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium import spaces

# What an action tells it to do; 0 is to behave.
FAULTS = ["", "raise", "exit", "segfault", "kill", "hang", "nap", "shape", "dtype"]
RAISE, EXIT, SEGFAULT, KILL, HANG, NAP, SHAPE, DTYPE = range(1, len(FAULTS))
NAP_S = 0.4


class OddError(Exception):
    """What no library raises; its `__init__` wants other arguments than it passes on."""

    def __init__(self, place: str, *, reason: str = "asked to") -> None:
        super().__init__(f"{place}: {reason}")
        self.place = place


def misbehave(fault: str, place: str = "") -> None:
    """Do it; "" is nothing."""
    if fault == "raise":
        raise OddError(place)
    if fault == "exit":
        os._exit(7)
    if fault == "segfault":
        faulthandler.disable()
        ctypes.string_at(0)
    if fault == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    if fault == "hang":
        time.sleep(1000)
    if fault == "nap":
        time.sleep(NAP_S)


class FaultyEnv(gym.Env[Any, Any]):
    """Counts its steps and draws numbers; its action, or `faults` by the name of the method, say how to misbehave.

    The observation is `[steps in this episode, a draw of np_random]`; an episode ends after `length` steps. A `quiet`
    one has no infos.
    """

    observation_space = spaces.Box(0, 1e9, (2,), np.float64)
    action_space = spaces.Discrete(len(FAULTS))

    def __init__(self, length: int = 1_000_000, quiet: bool = False, **faults: str) -> None:
        self.length, self.quiet, self.faults, self.steps = length, quiet, faults, 0
        misbehave(faults.get("init", ""), "init")

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        self.steps = 0
        misbehave((options or {}).get("fault", self.faults.get("reset", "")), "reset")
        return self.observe(), {} if self.quiet else {"pid": os.getpid()}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        fault = FAULTS[action]
        misbehave(fault, "step")
        self.steps += 1
        seen = {"shape": np.zeros(3), "dtype": np.array(["a", "b"])}.get(fault, self.observe())
        info = {} if self.quiet else {"steps": self.steps}
        return seen, float(self.steps), self.steps == self.length, False, info

    def observe(self) -> Any:
        return np.array([self.steps, self.np_random.random()])

    def render(self) -> Any:
        misbehave(self.faults.get("render", ""), "render")
        return np.full((2, 2, 3), self.steps, np.uint8)

    def close(self) -> None:
        misbehave(self.faults.get("close", ""), "close")

    def process(self) -> int:
        """The process that it lives in."""
        return os.getpid()

    def obey(self, fault: str) -> str:
        """Misbehave in a call."""
        misbehave(fault, "call")
        return fault

    def draw(self, seed: int | None = None) -> tuple[float, float]:
        """From the global generators, seeded before if asked to."""
        if seed is not None:
            np.random.seed(seed)
            random.seed(seed)
        return float(np.random.random()), random.random()
