"""Stable-Baselines3's own wrappers and algorithms over ReactorVecEnv, against DummyVecEnv: the same bytes."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium import spaces
from gymnasium.wrappers import TimeLimit
from stable_baselines3 import DQN, PPO, SAC, HerReplayBuffer
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.evaluation import evaluate_policy
from stable_baselines3.common.vec_env import (
    DummyVecEnv,
    VecCheckNan,
    VecEnv,
    VecExtractDictObs,
    VecFrameStack,
    VecMonitor,
    VecNormalize,
    VecTransposeImage,
    VecVideoRecorder,
)

from reactvec.sb3 import ReactorVecEnv
from tests.sample_envs import SampleEnv, cartpole
from tests.sb3.oracle import PLACES, same

everywhere = pytest.mark.parametrize("place", PLACES.values(), ids=PLACES)
Wrap = Callable[[VecEnv], VecEnv]
WRAPPERS: dict[str, tuple[str, Wrap]] = {
    "normalize": ("box", VecNormalize),
    "normalize a dict": ("dict_of_boxes", partial(VecNormalize, norm_obs_keys=["b"])),
    "monitor": ("box", VecMonitor),
    "stack": ("image", partial(VecFrameStack, n_stack=3)),
    "transpose": ("image", VecTransposeImage),
    "nan": ("box", partial(VecCheckNan, raise_exception=True)),
    "extract": ("dict", partial(VecExtractDictObs, key="b")),
}


class Boxes(SampleEnv):
    """Its observations are a dict of boxes alone."""

    def __init__(self) -> None:
        super().__init__("dict")
        self.observation_space = spaces.Dict({key: spaces.Box(0, 1, (3,)) for key in "ab"})


class Reach(gym.Env[Any, Any]):
    """A goal on a line, for HER."""

    observation_space = spaces.Dict(
        {key: spaces.Box(-9, 9, (1,), np.float32) for key in ("observation", "achieved_goal", "desired_goal")}
    )
    action_space = spaces.Box(-1, 1, (1,), np.float32)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        self.at = np.zeros(1, np.float32)
        self.goal = self.np_random.uniform(-2, 2, 1).astype(np.float32)
        return self.seen(), {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        self.at = np.clip(self.at + action, -9, 9).astype(np.float32)
        reward = float(self.compute_reward(self.at, self.goal, {}))
        return self.seen(), reward, reward == 0, False, {}

    def seen(self) -> dict[str, Any]:
        return {"observation": self.at.copy(), "achieved_goal": self.at.copy(), "desired_goal": self.goal.copy()}

    def compute_reward(self, achieved: Any, desired: Any, info: Any) -> Any:
        return -(np.abs(achieved - desired).sum(-1) > 0.3).astype(np.float32)


@pytest.mark.parametrize("name", WRAPPERS)
@everywhere
def test_wrappers(place: dict[str, Any], name: str) -> None:
    observation, wrap = WRAPPERS[name]
    make = Boxes if observation == "dict_of_boxes" else partial(SampleEnv, observation)
    oracle, vector = wrap(DummyVecEnv([make] * 3)), wrap(ReactorVecEnv([make] * 3, **place))
    for env in (oracle, vector):
        env.seed(2)
    same(vector.reset(), oracle.reset())
    for _ in range(40):
        actions = np.array([vector.action_space.sample() for _ in range(3)])
        same(vector.step(actions), oracle.step(actions))
    oracle.close()
    vector.close()


def trained(make_env: Callable[..., Any], learn: Callable[[VecEnv], BaseAlgorithm], **vec_env: Any) -> bytes:
    vector = make_vec_env(make_env, n_envs=4, seed=5, **vec_env)
    model = learn(vector)
    vector.close()
    return b"".join(weights.detach().numpy().tobytes() for weights in model.policy.parameters())


def ppo(vector: VecEnv) -> BaseAlgorithm:
    return PPO("MlpPolicy", vector, n_steps=64, batch_size=64, n_epochs=2, seed=1, device="cpu").learn(512)


def dqn(vector: VecEnv) -> BaseAlgorithm:
    return DQN("MlpPolicy", vector, learning_starts=100, seed=1, device="cpu").learn(400)


def sac_with_her(vector: VecEnv) -> BaseAlgorithm:
    model = SAC(
        "MultiInputPolicy",
        vector,
        replay_buffer_class=HerReplayBuffer,
        replay_buffer_kwargs={"n_sampled_goal": 4},
        learning_starts=100,
        batch_size=32,
        seed=1,
        device="cpu",
    )
    return model.learn(240)


@everywhere
@pytest.mark.parametrize(
    ("make_env", "learn"),
    [(cartpole, ppo), (cartpole, dqn), (lambda: TimeLimit(Reach(), 20), sac_with_her)],
    ids=["ppo", "dqn", "her"],
)
def test_the_same_weights(place: dict[str, Any], make_env: Any, learn: Any) -> None:
    ours = trained(make_env, learn, vec_env_cls=ReactorVecEnv, vec_env_kwargs=place)
    assert ours == trained(make_env, learn, vec_env_cls=DummyVecEnv)


def test_evaluation_and_video(tmp_path: Any) -> None:
    vector = make_vec_env(
        "CartPole-v1", n_envs=2, seed=0, vec_env_cls=ReactorVecEnv, vec_env_kwargs=PLACES["processes"]
    )
    recorder = VecVideoRecorder(vector, str(tmp_path), record_video_trigger=lambda step: step == 0, video_length=10)
    model = PPO("MlpPolicy", recorder, n_steps=16, batch_size=16, device="cpu", seed=0)
    rewards, lengths = evaluate_policy(model, recorder, n_eval_episodes=4, return_episode_rewards=True)
    assert [float(length) for length in lengths] == rewards
    recorder.close()
    assert list(tmp_path.glob("*.mp4"))
