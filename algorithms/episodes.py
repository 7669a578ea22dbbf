"""Episode statistics: what the environments return, episode by episode."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from reactvec import InputPort, Reactor, reaction

from .kernels.rollout import Episodes, RolloutMemory
from .rollout import BEGIN

Array = npt.NDArray[Any]
Bools = npt.NDArray[np.bool_]

BLOCK = 256  # tags that are counted together


class EpisodeStatistics:
    """Returns and lengths of the last `window` finished episodes, and counts of all.

    With `tells` the episodes that end are kept until `take_finished`.
    """

    def __init__(self, num_envs: int, *, window: int = 100, tells: bool = False) -> None:
        self.returns: deque[float] = deque(maxlen=window)
        self.lengths: deque[int] = deque(maxlen=window)
        self.episodes = 0  # that ended, since this program runs
        self.tags = 0  # counted so far
        self.steps = 0  # of environments, since this program runs
        self._current = Episodes(num_envs)
        self._tells = tells
        self._finished: list[tuple[int, float, int]] = []

    def add(self, rewards: npt.NDArray[np.float64], terminated: Bools, truncated: Bools, valid: Bools) -> None:
        """Count tags `[T, N]`; episodes close by time, then environment. Rows that are not `valid` are no steps, but
        may end an episode.
        """
        steps, episodes = self._current.add(rewards, terminated, truncated, valid)
        self.tags += len(rewards)
        self.steps += steps
        self.episodes += len(episodes)
        self.returns.extend(total for _, total, _ in episodes)
        self.lengths.extend(length for _, _, length in episodes)
        if self._tells:
            self._finished += episodes

    def take_finished(self) -> list[dict[str, Any]]:
        """The episodes that ended since the last call, in order: env, episode_return and episode_len of each."""
        finished, self._finished = self._finished, []
        return [{"env": env, "episode_return": total, "episode_len": length} for env, total, length in finished]

    @property
    def running(self) -> tuple[Array, Array]:
        """Sums of rewards, float64 `[N]`, and lengths, int64 `[N]`, of the episodes that go on: copies."""
        return self._current.totals.copy(), self._current.lengths.copy()

    def go_on(self, counted: Sequence[int], totals: Array, lengths: Array) -> None:
        """Take over tags, steps and episodes that were counted, and the episodes that go on."""
        self.tags, self.steps, self.episodes = counted
        self._current.totals[...], self._current.lengths[...] = totals, lengths

    def metrics(self) -> dict[str, float]:
        """RLlib's `env_runners` results; NaN where no episode has finished yet."""
        returns = np.array(self.returns or [np.nan])
        return {
            "episode_return_mean": float(returns.mean()),
            "episode_return_min": float(returns.min()),
            "episode_return_max": float(returns.max()),
            "episode_len_mean": float(np.mean(self.lengths or [np.nan])),
            "num_episodes_lifetime": self.episodes,
        }


class StepStatistics(Reactor):
    """Counts tags in blocks: a kernel keeps them, until a block is full or somebody wants to know."""

    reward = InputPort()
    terminated = InputPort(dtype=np.bool_)
    truncated = InputPort(dtype=np.bool_)
    valid = InputPort(dtype=np.bool_)

    def __init__(self, statistics: EpisodeStatistics, num_envs: int) -> None:
        flags = dict.fromkeys(("terminated", "truncated", "valid"), ((num_envs,), np.bool_))
        kept: dict[str, Any] = {"reward": ((num_envs,), np.float64), **flags}
        super().__init__(**kept)
        self.statistics, self.memory = statistics, RolloutMemory(kept, BLOCK, 1, begin=BEGIN)

    @reaction(sources=[reward, terminated, truncated, valid], native=True)
    def keep(self) -> object:
        """The kernel that keeps a step."""
        return self.memory.store()

    @reaction(period=BLOCK, offset=BEGIN + BLOCK - 1)
    def count(self) -> None:
        """Count a block that is full."""
        self.count_until((self.statistics.tags // BLOCK + 1) * BLOCK)

    def count_until(self, tags: int) -> None:
        """Count what happened up to `tags` tags of this run, and was not counted."""
        begin = self.statistics.tags
        if tags > begin:
            first = begin % BLOCK
            fields = self.memory.fields.values()
            self.statistics.add(*(field[first : first + tags - begin, 0] for field in fields))
