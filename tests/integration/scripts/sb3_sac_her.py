"""SAC of Stable-Baselines3 with hindsight experience replay, on a goal in the plane."""

import gymnasium as gym
import numpy as np
from gymnasium import spaces
from gymnasium.wrappers import TimeLimit
from stable_baselines3 import SAC, HerReplayBuffer
from stable_baselines3.common.env_util import make_vec_env

from tests.integration.scripts.outcome import main
from tests.integration.scripts.sb3_vec_envs import VEC_ENVS, learned


class Plane(gym.Env):
    """Move to a goal; every step that does not reach it costs 1."""

    observation_space = spaces.Dict(
        {key: spaces.Box(-2, 2, (2,), np.float32) for key in ("observation", "achieved_goal", "desired_goal")}
    )
    action_space = spaces.Box(-1, 1, (2,), np.float32)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.place = np.zeros(2, np.float32)
        self.goal = self.np_random.uniform(-1, 1, 2).astype(np.float32)
        return self._seen(), {}

    def step(self, action):
        self.place = np.clip(self.place + 0.2 * action, -2, 2).astype(np.float32)
        reward = float(self.compute_reward(self.place, self.goal, {}))
        return self._seen(), reward, reward == 0, False, {"is_success": reward == 0}

    def compute_reward(self, achieved, desired, info):
        """HER asks for the rewards of other goals, of a batch of them or of one."""
        return -(np.linalg.norm(achieved - desired, axis=-1) > 0.2).astype(np.float32)

    def _seen(self):
        return {"observation": self.place.copy(), "achieved_goal": self.place.copy(), "desired_goal": self.goal.copy()}


def make_env():
    return TimeLimit(Plane(), 25)


def train(name):
    envs = make_vec_env(make_env, n_envs=4, seed=0, vec_env_cls=VEC_ENVS[name])
    model = SAC(
        "MultiInputPolicy",
        envs,
        replay_buffer_class=HerReplayBuffer,
        replay_buffer_kwargs={"n_sampled_goal": 4, "goal_selection_strategy": "future"},
        learning_starts=200,
        batch_size=64,
        gradient_steps=2,
        seed=0,
        device="cpu",
    )
    return learned(model, 1_600)


if __name__ == "__main__":
    main(train, VEC_ENVS)
