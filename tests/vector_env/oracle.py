"""What Gymnasium's SyncVectorEnv returns for the same calls is what ReactorVectorEnv must return."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import numpy as np
from gymnasium.vector import AutoresetMode, SyncVectorEnv, VectorEnv

from reactvec import ReactorVectorEnv

MODES = list(AutoresetMode)
RESETTING = [AutoresetMode.NEXT_STEP, AutoresetMode.SAME_STEP]


def same(one: Any, other: Any) -> bool:
    """Equal in type, structure, dtype and every bit."""
    if isinstance(one, dict):
        return isinstance(other, dict) and list(one) == list(other) and all(same(one[k], other[k]) for k in one)
    if isinstance(one, tuple | list):
        return type(one) is type(other) and len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, np.ndarray) and one.dtype == object:
        return isinstance(other, np.ndarray) and same(one.tolist(), other.tolist())
    if isinstance(one, np.ndarray | np.generic):
        return (
            type(one) is type(other)
            and one.dtype == other.dtype
            and one.shape == other.shape
            and one.tobytes() == other.tobytes()
        )
    if isinstance(one, np.random.Generator):
        return type(one) is type(other) and repr(one.bit_generator.state) == repr(other.bit_generator.state)
    return type(one) is type(other) and bool(one == other)


class Twins:
    """SyncVectorEnv and ReactorVectorEnv, given the same calls: what they return must be the same."""

    def __init__(self, oracle: VectorEnv[Any, Any, Any], vector: VectorEnv[Any, Any, Any]) -> None:
        self.oracle, self.vector = oracle, vector
        self.ended = np.zeros(oracle.num_envs, bool)

    def do(self, method: str, *args: Any, **kwargs: Any) -> Any:
        """Call a method of both and compare; what it returned."""
        one, other = getattr(self.oracle, method)(*args, **kwargs), getattr(self.vector, method)(*args, **kwargs)
        assert same(one, other), f"{method}: {one} differs from {other}"
        return one

    def reset(self, seed: Any = None, options: dict[str, Any] | None = None) -> Any:
        one = self.oracle.reset(seed=seed, options=None if options is None else dict(options))  # it pops the mask
        other = self.vector.reset(seed=seed, options=options)
        assert same(one, other), f"reset: {one} differs from {other}"
        self.ended &= False if options is None or "reset_mask" not in options else ~options["reset_mask"]
        return one

    def step(self, actions: Any = None) -> Any:
        """With autoreset disabled, whatever has ended is reset before."""
        if self.ended.any() and self.oracle.metadata["autoreset_mode"] == AutoresetMode.DISABLED:
            self.reset(options={"reset_mask": self.ended.copy()})
        result = self.do("step", self.oracle.action_space.sample() if actions is None else actions)
        self.ended = result[2] | result[3]
        return result

    def run(self, steps: int) -> None:
        """Steps with random actions."""
        for _ in range(steps):
            self.step()


@contextlib.contextmanager
def twins(
    env_fns: list[Any], mode: AutoresetMode = AutoresetMode.NEXT_STEP, observation_mode: Any = "same", **kwargs: Any
) -> Iterator[Twins]:
    """Both vector environments over the same functions, not reset yet."""
    kwargs = {"shared_memory": False, "observation_mode": observation_mode, "autoreset_mode": mode, **kwargs}
    oracle = SyncVectorEnv(env_fns, autoreset_mode=mode, observation_mode=observation_mode)
    vector = ReactorVectorEnv(env_fns, **kwargs)
    oracle.action_space.seed(7)
    with contextlib.closing(oracle), contextlib.closing(vector):
        yield Twins(oracle, vector)


def assert_like_sync(env_fns: list[Any], mode: AutoresetMode, steps: int, seed: Any, **kwargs: Any) -> None:
    """Seeded and masked resets, and steps between them."""
    with twins(env_fns, mode, **kwargs) as both:
        both.reset(seed=seed, options={"low": -0.01})
        for part in range(0, steps, 37):
            both.run(min(37, steps - part))
            if part + 37 < steps:
                both.reset(seed=part, options={"reset_mask": np.arange(len(env_fns)) % 2 == 0})
