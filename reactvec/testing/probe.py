"""The environment that the checks step: what it tells follows from what was done to it, and from nothing else."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import numpy.typing as npt
from gymnasium import spaces

NUMBERS = spaces.Box(-np.inf, np.inf, (4,), np.float32)
COUNT = spaces.Discrete(1000)
OBSERVATIONS: dict[str, gym.Space[Any]] = {
    "box": NUMBERS,
    "image": spaces.Box(0, 255, (3, 2, 1), np.uint8),
    "count": COUNT,
    "dict": spaces.Dict({"numbers": NUMBERS, "count": COUNT}),
    "tuple": spaces.Tuple((NUMBERS, COUNT)),
    "nested": spaces.Dict({"numbers": NUMBERS, "inner": spaces.Tuple((NUMBERS, COUNT))}),
}
ACTIONS: dict[str, gym.Space[Any]] = {
    "discrete": spaces.Discrete(5),
    "box": spaces.Box(-1, 1, (2,), np.float32),
    "multi": spaces.MultiDiscrete([3, 4]),
    "dict": spaces.Dict({"turn": spaces.Box(-1, 1, (2,), np.float32), "jump": spaces.Discrete(2)}),
}
POISON = 4  # the discrete action that an environment raises at, if it is asked to


class ProbeError(Exception):
    """What an environment raises when it is asked to."""


class Probe(gym.Env[Any, Any]):
    """Episodes of `length` steps that end by termination, truncation ("cut") or "both".

    An observation has the number of the episode, the steps in it, the seed of its reset (-1: none) and the sum of the
    last action. `seeds`, `options` and `actions` are all that it was given; `log` is a file to write a line to when it
    closes.
    """

    def __init__(
        self,
        index: int = 0,
        observation: str = "box",
        action: str = "discrete",
        length: int = 4,
        end: str = "terminated",
        raises: bool = False,
        log: Path | None = None,
        render_mode: str | None = None,
    ) -> None:
        self.index, self.length, self.end, self.raises, self.log = index, length, end, raises, log
        self.observation, self.observation_space = observation, OBSERVATIONS[observation]
        self.action_space = ACTIONS[action]
        self.metadata, self.render_mode = {"render_modes": ["rgb_array"]}, render_mode
        self.episode = self.steps = 0
        self.seeds: list[int | None] = []
        self.options: list[dict[str, Any] | None] = []
        self.actions: list[Any] = []

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """Begin the next episode."""
        super().reset(seed=seed)
        self.seeds.append(seed)
        self.options.append(options)
        self.episode += 1
        self.steps = 0
        return self._seen(), {"begun": self.episode, "by": f"seed {seed}"}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """One step; the reward is one thousandth of its number, plus the sum of the action."""
        if self.raises and type(action) is not dict and np.array_equal(action, POISON):
            raise ProbeError(f"environment {self.index} was given {POISON}")
        self.actions.append(action)
        self.steps += 1
        over = self.steps >= self.length
        terminated, truncated = over and self.end != "cut", over and self.end != "terminated"
        return self._seen(), self.steps / 1000 + total(action), terminated, truncated, self._info()

    def render(self) -> npt.NDArray[np.uint8]:
        """A frame that is as bright as the environment's number."""
        return np.full((4, 4, 3), self.index, np.uint8)

    def close(self) -> None:
        """Write a line to the log."""
        if self.log is not None:
            with self.log.open("a") as file:
                file.write(f"{self.index}\n")

    def greet(self, word: str, *, mark: str = "!") -> str:
        """Something to call."""
        return f"{word} {self.index}{mark}"

    def _seen(self) -> Any:
        seed = -1 if not self.seeds or self.seeds[-1] is None else self.seeds[-1]
        last = total(self.actions[-1]) if self.actions else -1
        numbers = np.array([self.episode, self.steps, seed, last], np.float32)
        count = np.int64((100 * self.episode + 10 * self.steps + self.index) % 1000)
        return {
            "box": numbers,
            "image": np.full((3, 2, 1), count % 256, np.uint8),
            "count": count,
            "dict": {"numbers": numbers, "count": count},
            "tuple": (numbers, count),
            "nested": {"numbers": numbers, "inner": (numbers, count)},
        }[self.observation]

    def _info(self) -> dict[str, Any]:
        """Values of all kinds; those of some environments are there at some steps only."""
        info: dict[str, Any] = {"steps": self.steps, "share": self.steps / self.length}
        if (self.steps + self.index) % 2:
            info |= {"odd": True, "name": f"step {self.steps}", "place": np.array([self.index, self.steps], np.float32)}
        if self.index == 1:
            info["inner"] = {"episode": self.episode}
        return info


def total(action: Any) -> float:
    """The sum of all numbers in an action."""
    return float(sum(np.sum(part) for part in (action.values() if isinstance(action, dict) else [action])))


def probes(number: int, **arguments: Any) -> list[Any]:
    """Functions that make `number` probes, whose episodes end at different steps and in different ways."""
    ends = ("terminated", "cut", "both")
    return [partial(Probe, **{"index": i, "length": 3 + i, "end": ends[i % 3], **arguments}) for i in range(number)]
