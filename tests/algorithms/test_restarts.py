"""An environment that is lost and comes back: the row in which that happened is no step, and enters nothing."""

from __future__ import annotations

import functools
import os
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode

from reactvec import ReactorVectorEnv
from reactvec.algorithms import DQNConfig
from tests.algorithms.agents import small_ppo

MODES = [AutoresetMode.SAME_STEP, AutoresetMode.NEXT_STEP]


class Fragile(gym.Env[Any, Any]):
    """Observes how many steps the episode has, is truncated after 6, and ends its process once, in step 10."""

    observation_space = gym.spaces.Box(-1e6, 1e6, (1,), np.float32)
    action_space = gym.spaces.Discrete(2)

    def __init__(self, lost: Path | None) -> None:
        self.lost, self.made, self.steps = lost, 0, 0

    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        self.steps = 0
        return np.zeros(1, np.float32), {}

    def step(self, action: Any) -> Any:
        self.made += 1
        self.steps += 1
        if self.made == 10 and self.lost is not None and not self.lost.exists():
            self.lost.touch()
            os._exit(3)
        return np.array([self.steps], np.float32), 1.0, False, self.steps == 6, {}


def environments(folder: Path, mode: AutoresetMode) -> ReactorVectorEnv:
    """Four, of which the second is lost once; each in a process of its own."""
    makers = [functools.partial(Fragile, folder / "lost" if i == 1 else None) for i in range(4)]
    options = {"isolated": True, "num_workers": 4, "on_worker_failure": "restart", "autoreset_mode": mode}
    return ReactorVectorEnv(makers, **options)


@pytest.mark.parametrize("mode", MODES)
def test_ppo_learns_nothing_of_it(tmp_path: Path, mode: AutoresetMode):
    envs = environments(tmp_path, mode)
    with small_ppo(env=envs, num_envs=None, train_batch_size=80, normalize_observations=True).build_algo() as algorithm:
        algorithm.train_steps(80)
        assert (tmp_path / "lost").exists()
        tag = 9 if mode is AutoresetMode.SAME_STEP else 10  # in which the second environment's tenth step was lost
        steps = algorithm.rollout.steps(0)
        assert not steps.valid[tag, 1]
        resets = 0 if mode is AutoresetMode.SAME_STEP else np.count_nonzero(steps.reward == 0) - 1
        assert np.count_nonzero(~steps.valid) == 1 + resets
        assert algorithm.progress.steps == 80 - 1 - resets
        assert set(algorithm.statistics.lengths) == {6}  # an episode that was lost is none
        assert list(algorithm.statistics.returns) == list(algorithm.statistics.lengths)
        assert algorithm.learner.moments.count == pytest.approx(80 - 1 - resets, abs=0.01)
    envs.close()


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("backend", ["kernel", "torch"])
def test_replay_does_not_hold_it(tmp_path: Path, mode: AutoresetMode, backend: str):
    envs = environments(tmp_path, mode)
    config = DQNConfig(
        env=envs, n_step=3, train_freq=4, gradient_steps=1, num_steps_sampled_before_learning_starts=8,
        train_batch_size=8, inference_backend=backend, learner_backend=backend, model={"hiddens": (8,)},
    )  # fmt: skip
    with config.build_algo() as algorithm:
        algorithm.train_steps(80)
        assert (tmp_path / "lost").exists()
        steps, ring = algorithm.progress.steps, algorithm.replay.ring
        if mode is AutoresetMode.SAME_STEP:
            assert algorithm.statistics.tags * 4 == steps + 1
        assert len(ring) == steps
        assert algorithm.learner.gradient_steps == steps // 4 - 1
        one = ring.gather(ring.places(np.arange(steps)), 1, 0.5)
        np.testing.assert_array_equal(one.observations + 1, one.next_observations)
        three = ring.gather(ring.places(np.arange(steps)), 3, 0.5)
        lengths = (three.next_observations - three.observations)[:, 0]
        np.testing.assert_allclose(three.discounts, 0.5**lengths)  # up to the end, or to what is lost, and not beyond
        assert set(algorithm.statistics.lengths) == {6}
    envs.close()
