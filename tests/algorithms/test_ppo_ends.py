"""What PPO bootstraps from: the final observation after a truncation, the next one after the rollout."""

import copy
import functools

import gymnasium as gym
import numpy as np
import pytest
import torch
from gymnasium.vector import AutoresetMode, SyncVectorEnv

from tests.algorithms.agents import small_ppo as small

STEP = np.array([0.0, 0.3], np.float32)


class Numbered(gym.Env):
    """Observes the number of the episode and of the step, so that each observation tells which one follows within
    the episode: the one after, `STEP` away. Episodes of `limit` steps are truncated, terminated, or both, in turn.
    """

    observation_space = gym.spaces.Box(-np.inf, np.inf, (2,), np.float32)
    action_space = gym.spaces.Discrete(2)

    def __init__(self, limit):
        self.limit, self.episode = limit, -1

    def reset(self, *, seed=None, options=None):
        self.episode, self.steps = self.episode + 1, 0
        return self._observe(), {}

    def step(self, action):
        self.steps += 1
        ended, kind = self.steps == self.limit, self.episode % 3
        return self._observe(), 1.0, ended and kind > 0, ended and kind != 1, {}

    def _observe(self):
        return np.array([self.episode, 0], np.float32) + self.steps * STEP


def environments(kind):
    makers = [functools.partial(Numbered, limit) for limit in (2, 3, 8, 13)]
    return makers if kind == "own" else SyncVectorEnv(makers, autoreset_mode=AutoresetMode[kind])


@pytest.mark.parametrize("kind", ["own", "SAME_STEP", "NEXT_STEP"])
@pytest.mark.parametrize("backend", ["kernel", "torch"])
@pytest.mark.parametrize("normalize", [False, True])
def test_values_of_what_comes_after(kind, backend, normalize):
    config = small(
        env=environments(kind), num_envs=None, inference_backend=backend, train_batch_size=32, minibatch_size=16,
        normalize_observations=normalize,
    )  # fmt: skip
    with config.build_algo() as algorithm:
        ends_in_the_last_row = 0
        for number in range(4):
            acted = copy.deepcopy(algorithm.get_module())  # with the statistics that see this rollout
            algorithm.train()
            steps = algorithm.rollout.steps(number)
            cut = steps.truncated & ~steps.terminated
            assert cut.any()
            ended = steps.truncated | steps.terminated
            wanted = cut | ~ended & (np.arange(len(ended)) == len(ended) - 1)[:, None]
            wanted &= steps.valid
            ends_in_the_last_row += cut[-1].sum()
            with torch.no_grad():
                _, after = acted(torch.from_numpy(steps.obs[wanted] + STEP))
                _, begun = acted(torch.from_numpy(np.floor(steps.obs[cut] + 1) * [1, 0]).float())  # of the next episode
            np.testing.assert_allclose(steps.end_value[wanted], after, rtol=1e-4, atol=1e-5)
            assert np.abs(steps.end_value[cut] - begun.numpy()).min() > 1e-3
        assert ends_in_the_last_row
    if kind != "own":
        config.env.close()
