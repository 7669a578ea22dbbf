"""Which observations are stacks of frames, and that keeping each frame once changes nothing."""

import functools
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium import spaces
from gymnasium.wrappers import FrameStackObservation, RecordEpisodeStatistics, TransformObservation, TransformReward

from reactvec.algorithms import ConfigError
from reactvec.algorithms.frame_stack import frame_stack
from tests.algorithms.agents import fingerprint, small


def stacked(padding: Any = "reset"):
    return FrameStackObservation(gym.make("CartPole-v1"), 3, padding_type=padding)


def test_the_wrapper_tells_the_stack():
    env = stacked()
    assert frame_stack(None, env, env.observation_space) == 3
    outer = TransformReward(RecordEpisodeStatistics(env), float)
    assert frame_stack(None, outer, outer.observation_space) == 3


def test_what_another_wrapper_may_have_changed_is_no_stack():
    env = stacked()
    outer = TransformObservation(env, lambda obs: obs[::-1], env.observation_space)
    assert frame_stack(None, outer, outer.observation_space) == 1
    plain = gym.make("CartPole-v1")
    assert frame_stack(None, plain, plain.observation_space) == 1
    assert frame_stack(None, None, env.observation_space) == 1


def test_the_setting_goes_before_the_wrapper():
    env = stacked()
    assert frame_stack(1, env, env.observation_space) == 1
    assert frame_stack(3, None, env.observation_space) == 3


@pytest.mark.parametrize(
    "space", [spaces.Box(0, 1, (4, 3)), spaces.Discrete(3), spaces.Dict({"a": spaces.Box(0, 1, (3, 2))})]
)
def test_a_setting_that_does_not_fit_is_refused(space):
    with pytest.raises(ConfigError, match=r"frame_stack=3, but observations are .* first axis, or 1"):
        frame_stack(3, None, space)


def test_dict_observations_are_kept_whole():
    env = FrameStackObservation(
        TransformObservation(
            gym.make("CartPole-v1"),
            lambda obs: {"a": obs},
            spaces.Dict({"a": gym.make("CartPole-v1").observation_space}),
        ),
        2,
    )
    assert frame_stack(None, env, env.observation_space) == 1


@pytest.mark.parametrize("padding", ["reset", "zero", np.array([1, -1, 0, 0.2], np.float32)])
def test_training_is_the_same_with_each_frame_kept_once(padding):
    prints = []
    for setting, stack in ((None, 3), (3, 3), (1, 1)):
        config = small(
            env=functools.partial(stacked, padding),
            seed=2,
            replay_buffer_config={"capacity": 90, "frame_stack": setting},
        )
        with config.build_algo() as algorithm:
            algorithm.train_steps(600)
            assert algorithm.replay.ring.observations.stack == stack
            prints.append(fingerprint(algorithm))
    assert len(set(prints)) == 1


def test_a_setting_that_the_environment_does_not_keep():
    env = TransformObservation(stacked(), lambda obs: obs[::-1], stacked().observation_space)
    with (
        small(env=[lambda: env], num_envs=1, replay_buffer_config={"frame_stack": 3}).build_algo() as algorithm,
        pytest.raises(ValueError, match=r"environment 0: .* set frame_stack=1"),
    ):
        algorithm.train_steps(50)
    with pytest.raises(ConfigError, match="replay_buffer_config: frame_stack=2, but observations are Box"):
        small(replay_buffer_config={"frame_stack": 2}).build_algo()
