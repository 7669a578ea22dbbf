"""A vector environment beside SyncVectorEnv over the same probes: what each returns."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from copy import deepcopy
from typing import Any, TypeAlias

import numpy as np
from gymnasium.vector import AutoresetMode, SyncVectorEnv

from reactvec.testing.check import expect
from reactvec.testing.probe import probes

Vector: TypeAlias = Any  # a VectorEnv; that class has no `call`, `get_attr` and `set_attr`, but all that there are have
Make: TypeAlias = "Callable[..., Vector]"
RESET = ("observations", "infos")
STEP = ("observations", "rewards", "terminations", "truncations", "infos")
NUMBER = 3  # environments; odd, and more than two workers


class Twins:
    """The vector environment that is checked, and SyncVectorEnv over the same probes."""

    def __init__(self, make: Make, mode: AutoresetMode, **arguments: Any) -> None:
        self.mode = mode
        self.envs = make(probes(NUMBER, **arguments))
        self.oracle: Vector = SyncVectorEnv(probes(NUMBER, **arguments), autoreset_mode=mode)
        self.oracle.action_space.seed(11)
        self.returned: list[dict[str, Any]] = []  # by the first, itself

    def play(self) -> list[tuple[dict[str, Any], dict[str, Any]]]:
        """What both return of a reset and 14 steps, by name; with autoreset disabled, ends are reset by a mask."""
        results = [self._reset(seed=5)]
        ended = np.zeros(NUMBER, bool)
        for _ in range(14):
            if self.mode is AutoresetMode.DISABLED and ended.any():
                results.append(self._reset(mask=ended))
            actions = self.oracle.action_space.sample()
            results.append(self._named(STEP, self.envs.step(actions), self.oracle.step(actions)))
            ended = results[-1][1]["terminations"] | results[-1][1]["truncations"]
        return results

    def _reset(self, seed: int | None = None, mask: Any = None) -> tuple[dict[str, Any], dict[str, Any]]:
        given = [{} if mask is None else {"options": {"reset_mask": mask.copy()}} for _ in range(2)]  # it may be popped
        return self._named(RESET, self.envs.reset(seed=seed, **given[0]), self.oracle.reset(seed=seed, **given[1]))

    def _named(self, names: Sequence[str], found: Any, expected: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        expect(isinstance(found, tuple) and len(found) == len(names), f"expected a tuple of {names}, found {found!r}")
        self.returned.append(dict(zip(names, found, strict=True)))
        return deepcopy(self.returned[-1]), deepcopy(dict(zip(names, expected, strict=True)))

    def close(self) -> None:
        """Close both."""
        self.envs.close()
        self.oracle.close()
