"""The wrappers around native environments that record episodes: Gymnasium's and Stable-Baselines3's own code does it.

A kernel counts and sums. Where an episode ends, the wrappers are shown what they have not seen, and their `step` is
called with the last step; where one begins, their `reset`. So they write their files and fill their queues themselves.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any, TypeAlias

import gymnasium as gym
import numpy as np
from gymnasium.wrappers import RecordEpisodeStatistics

from reactvec.envs import _recognition

Infos: TypeAlias = "dict[str, Any]"


class Recorders:
    """The recorders of each environment of a bank, outermost first, and the columns that the kernel keeps for them.

    Attributes:
        total: float64[n], the sum of an episode's rewards; `previous` that without the last one.
        length: int64[n], how many there were.
        final_previous, final_length: the same of the episode that has ended last.
        history: float64[n, most], the rewards themselves, where somebody asks for them.
    """

    def __init__(self, envs: Sequence[gym.Env[Any, Any]], limits: Sequence[int], reward_type: type) -> None:
        self._stacks = [_recognition.recorders(env) for env in envs]
        n = len(envs)
        self.total, self.previous, self.final_previous = np.zeros(n), np.zeros(n), np.zeros(n)
        self.length, self.final_length = np.zeros(n, np.int64), np.zeros(n, np.int64)
        watched = [limit for limit, stack in zip(limits, self._stacks, strict=True) if _keeps_rewards(stack)]
        self.history = np.zeros((n, max(watched, default=0)))
        self._reward_type = reward_type
        self._over: set[int] = set()  # rows whose recorders were not reset since an episode's end

    def load(self, i: int, limit: int, after_reset: bool) -> None:
        """Take over what the recorders of environment i have seen; ValueError if they do not agree about it."""
        stack = self._stacks[i]
        if after_reset:
            self._over.discard(i)
        if not stack:
            return
        lengths = {_length(recorder) for recorder in stack}
        totals = {float(recorder.episode_returns) for recorder in stack if type(recorder) is RecordEpisodeStatistics}
        rewards = [recorder.rewards for recorder in stack if type(recorder) is not RecordEpisodeStatistics]
        if len(lengths) > 1 or len(totals) > 1 or any(some != rewards[0] for some in rewards):
            raise ValueError(f"the recorders of environment {i} have seen different things")
        (length,) = lengths
        if rewards and length + limit > self.history.shape[1]:
            raise ValueError(f"environment {i} may take more steps than its Monitor was made for")
        if rewards:
            self.history[i, :length] = rewards[0]
        self.length[i], self.total[i] = length, next(iter(totals), 0.0)

    def store(self, i: int) -> None:
        """Show the recorders of environment i all that they have not seen."""
        self._show(i, int(self.length[i]), float(self.total[i]))

    def finish(self, i: int, reward: float, terminated: bool, truncated: bool, info: Infos) -> Infos:
        """Show them the last step of an episode; its info, with what they have to say."""
        stack = self._stacks[i]
        if not stack:
            return info
        self._show(i, int(self.final_length[i]) - 1, float(self.final_previous[i]))
        with _inside(stack[-1], _Last(self._reward_type(reward), terminated, truncated, info)):
            told: Infos = stack[0].step(None)[4]
        self._over.add(i)
        return told

    def begin(self, i: int) -> None:
        """Tell them that the kernel has reset environment i."""
        self._over.discard(i)
        stack = self._stacks[i]
        if stack:
            with _inside(stack[-1], _First()):
                stack[0].reset()

    def begin_all(self) -> None:
        """Tell of all whose episode was over before this step."""
        for i in sorted(self._over):
            self.begin(i)

    def _show(self, i: int, length: int, total: float) -> None:
        for recorder in self._stacks[i]:
            if type(recorder) is RecordEpisodeStatistics:
                recorder.episode_returns = self._reward_type(total) if length else 0.0
                recorder.episode_lengths = length
            else:
                recorder.total_steps += length - len(recorder.rewards)
                recorder.rewards = self.history[i, :length].tolist()


def _keeps_rewards(stack: Sequence[Any]) -> bool:
    return any(type(recorder) is not RecordEpisodeStatistics for recorder in stack)


def _length(recorder: Any) -> int:
    return recorder.episode_lengths if type(recorder) is RecordEpisodeStatistics else len(recorder.rewards)


class _Last:
    """In place of an environment: its last step."""

    def __init__(self, reward: float, terminated: bool, truncated: bool, info: Infos) -> None:
        self._outcome = None, reward, terminated, truncated, info

    def step(self, action: Any) -> tuple[Any, float, bool, bool, Infos]:
        return self._outcome


class _First:
    """In place of an environment: its reset."""

    def reset(self, **options: Any) -> tuple[Any, Infos]:
        return None, {}


@contextlib.contextmanager
def _inside(recorder: Any, stand_in: Any) -> Iterator[None]:
    env, recorder.env = recorder.env, stand_in
    try:
        yield
    finally:
        recorder.env = env
