"""Training goes on after kill -9: bit by bit where environments can be saved, else as any other resume would."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import gymnasium as gym
import numpy as np
import pytest
import torch

from reactvec.algorithms import DQN, PPO, SAC, PPOConfig, env_state, train_dqn, train_ppo
from reactvec.algorithms.checkpoint_folder import newest
from tests.algorithms.agents import fingerprint, small, weights_of
from tests.algorithms.agents import small_sac as soft

ROOT = Path(__file__).parents[2]
ENVS = ["CartPole-v1", "Acrobot-v1", "Pendulum-v1", "Taxi-v4", "FrozenLake-v1"]
OTHERS = ["Blackjack-v1", "MountainCar-v0", "MountainCarContinuous-v0", "CliffWalking-v1"]
STEPS = 1536
SMALL = {"train_batch_size": 128, "minibatch_size": 64, "num_epochs": 2, "seed": 3, "evaluation_duration": 2}

# Trains on all of them in turns, until it is killed after the sixth one.
KILLED = """
import sys, time
from reactvec.algorithms import PPOConfig
folder, settings = sys.argv[1], eval(sys.argv[2])
algorithms = [
    PPOConfig(env=env, checkpoint_dir=f"{folder}/{env}", checkpoint_interval=256, **settings).build_algo()
    for env in sys.argv[3:]
]
for turn in range(1, 100):
    for algorithm in algorithms:
        algorithm.train()
    print(turn, flush=True)
    time.sleep(0 if turn < 7 else 60)
"""
RESUMED = """
import sys
from reactvec.algorithms import train_ppo
from tests.algorithms.agents import weights_of
for folder in sys.argv[1:]:
    print(weights_of(train_ppo(resume=folder, progress=False).algorithm))
"""


def python(script, *arguments, **options):
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.Popen(
        [sys.executable, "-c", script, *arguments], env=environment, stdout=subprocess.PIPE, text=True, **options
    )


def test_killed_trainings_go_on_bit_by_bit(tmp_path):
    settings = {**SMALL, "total_timesteps": STEPS}
    killed = python(KILLED, str(tmp_path), repr(settings), *ENVS)
    assert killed.stdout is not None
    assert any(line == "7\n" for line in killed.stdout)
    killed.send_signal(signal.SIGKILL)
    assert killed.wait() == -signal.SIGKILL
    killed.stdout.close()
    assert [newest(tmp_path / env).path.name for env in ENVS] == ["step_768"] * len(ENVS)
    process = python(RESUMED, *(str(tmp_path / env) for env in ENVS))
    resumed, _ = process.communicate()
    assert process.returncode == 0
    for env, fingerprint_of_resumed in zip(ENVS, resumed.split(), strict=True):
        whole = train_ppo(env, progress=False, **settings).algorithm
        assert whole.envs.how.startswith("native")
        assert fingerprint_of_resumed == weights_of(whole), env


@pytest.mark.parametrize(
    "settings",
    [
        {"env": "CartPole-v1", "native": False},
        {"env": "CartPole-v1", "inference_backend": "torch", "learner_backend": "torch"},
        {"env": "CartPole-v1", "pipeline": True, "num_workers": 2},
        {"env": "CartPole-v1", "pipeline": True, "normalize_observations": True, "normalize_rewards": True},
        {"env": "Pendulum-v1", "normalize_observations": True, "normalize_rewards": True},
        {"env": "Blackjack-v1"},
        {"env": "MountainCar-v0", "env_config": {"max_episode_steps": 50}},
        {"env": "MountainCarContinuous-v0"},
        {"env": "CliffWalking-v1"},
    ],
)
@pytest.mark.parametrize("rollouts", [1, 3])
def test_ppo_goes_on_bit_by_bit(settings, rollouts, tmp_path):
    with PPOConfig(**{**SMALL, **settings}).build_algo() as algorithm:
        for _ in range(rollouts):
            algorithm.train()
        path = algorithm.save_to_path(tmp_path / "one")
        for _ in range(3):
            result = algorithm.train()
        expected = weights_of(algorithm)
    with PPO.from_checkpoint(path) as other:
        assert other.restart_reason is None
        for _ in range(3):
            again = other.train()
        assert weights_of(other) == expected
    for metrics in (result, again):
        del metrics["timers"], metrics["time_this_iter_s"], metrics["time_total_s"]
    np.testing.assert_equal(again, result)


class Own(torch.nn.Module):
    """An actor-critic of a caller, with a weight and running counts that have no axes."""

    def __init__(self, observation_space, action_space):
        super().__init__()
        self.normalize, self.scale = torch.nn.BatchNorm1d(4), torch.nn.Parameter(torch.tensor(1.0))
        self.layer = torch.nn.Linear(4, 3)

    def forward(self, observations):
        outputs = self.layer(self.normalize(observations)) * self.scale
        return outputs[:, :2], outputs[:, 2]


def test_a_model_of_ones_own_goes_on_bit_by_bit(tmp_path):
    settings = {"env": "CartPole-v1", "model": Own, **SMALL}
    with PPOConfig(**settings).build_algo() as algorithm:
        algorithm.train()
        path = algorithm.save_to_path(tmp_path / "one")
        algorithm.train()
        expected = weights_of(algorithm)
    with PPO.from_checkpoint(path, model=Own) as other, PPOConfig(**settings).build_algo() as third:
        third.restore_from_path(path)
        for resumed in (other, third):
            assert resumed.restart_reason is None
            resumed.train()
            assert weights_of(resumed) == expected


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"replay_buffer_config": {"capacity": 500, "prioritized": True}, "train_freq": 100},
        {"weights_delay": 50, "train_freq": 33, "gradient_steps": 1},
        {"native": False, "num_envs": 3},
        {"inference_backend": "torch", "learner_backend": "torch"},
    ],
)
def test_dqn_with_its_replay_buffer_goes_on_bit_by_bit(settings, tmp_path):
    with small(save_replay_buffer=True, **settings).build_algo() as algorithm:
        algorithm.train_steps(616)
        path = algorithm.save_to_path(tmp_path / "one")
        algorithm.train_steps(500)
        expected = fingerprint(algorithm)
    with DQN.from_checkpoint(path) as other:
        assert other.restart_reason is None
        other.train_steps(500)
        assert fingerprint(other) == expected
        assert other.progress.steps == algorithm.progress.steps


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"replay_buffer_config": {"capacity": 300, "prioritized": True}, "num_envs": 3, "train_freq": 5},
        {"weights_delay": 20, "n_step": 2, "num_steps_sampled_before_learning_starts": 250},
    ],
)
def test_sac_with_its_replay_buffer_goes_on_bit_by_bit(settings, tmp_path):
    with soft(save_replay_buffer=True, **settings).build_algo() as algorithm:
        algorithm.train_steps(220)
        path = algorithm.save_to_path(tmp_path / "one")
        algorithm.train_steps(150)
        expected = weights_of(algorithm), algorithm.learner.target_parameters.numpy().tobytes()
    with SAC.from_checkpoint(path) as other:
        assert other.restart_reason is None
        other.train_steps(150)
        assert (weights_of(other), other.learner.target_parameters.numpy().tobytes()) == expected


class Unknown(gym.Wrapper):
    """CartPole in a wrapper of which nobody knows what it keeps."""


def unknown():
    return Unknown(gym.make("CartPole-v1"))


def test_two_resumes_agree_where_environments_cannot_be_saved(tmp_path):
    train_ppo(unknown, 512, checkpoint_dir=tmp_path, progress=False, **SMALL)
    hashes = []
    for _ in range(2):
        with pytest.warns(RuntimeWarning, match="does not go on bit by bit .nobody knows how to save the state"):
            result = train_ppo(unknown, 1024, resume=tmp_path / "step_512", checkpoint_dir=None, progress=False)
        hashes.append(weights_of(result.algorithm))
    assert len(set(hashes)) == 1


@pytest.mark.parametrize("saved", [True, False])
def test_two_resumes_of_dqn_agree(saved, tmp_path):
    with small(env=unknown, save_replay_buffer=saved).build_algo() as algorithm:
        algorithm.train_steps(400)
        held = len(algorithm.replay.ring)
        path = algorithm.save_to_path(tmp_path / "one")
    hashes = []
    for _ in range(2):
        with DQN.from_checkpoint(path, env=unknown) as other:
            assert len(other.replay.ring) == (held if saved else 0)
            other.train_steps(400)
            hashes.append(fingerprint(other))
    assert len(set(hashes)) == 1


def test_a_state_stays_as_it_was_while_training_goes_on():
    config = small(save_replay_buffer=True, replay_buffer_config={"capacity": 600, "prioritized": True})
    with config.build_algo() as algorithm:
        algorithm.train()
        arrays = algorithm.get_state().arrays
        before = {name: array.copy() for name, array in arrays.items()}
        algorithm.train()
        name = "memory/replay/priorities/priorities"
        assert not np.array_equal(algorithm.get_state().arrays[name], before[name])
        np.testing.assert_equal(arrays, before)


def test_the_size_of_a_replay_buffer_is_printed(tmp_path, capsys):
    config = small(checkpoint_dir=tmp_path, total_timesteps=400, save_replay_buffer=True)
    train_dqn(config=config)
    (line,) = capsys.readouterr().out.splitlines()
    size = int(line.split()[-3].replace(",", ""))
    assert line.startswith("checkpoints hold the replay buffer, too: ")
    assert size < (tmp_path / "step_400" / "arrays.npz").stat().st_size < size + 100_000
    train_dqn(config=config.copy().update({"save_replay_buffer": False, "checkpoint_dir": tmp_path / "other"}))
    assert capsys.readouterr().out == ""


def test_a_replay_buffer_of_another_size_begins_empty(tmp_path):
    with small(save_replay_buffer=True).build_algo() as algorithm:
        algorithm.train()
        path = algorithm.save_to_path(tmp_path / "one")
    with DQN.from_checkpoint(path, replay_buffer_config={"capacity": 900}) as other:
        assert other.restart_reason == (
            "other settings: replay_buffer_config; the saved replay buffer does not fit them, and is left out"
        )
        assert len(other.replay.ring) == 0
        other.train()


def test_no_window_reaches_across_a_restart(tmp_path):
    with small(env=unknown, save_replay_buffer=True, num_envs=2).build_algo() as algorithm:
        algorithm.train_steps(100)
        path = algorithm.save_to_path(tmp_path / "one")
        ring = algorithm.replay.ring
        before = ring.gather(ring.places(np.arange(100)), 3, 0.9)
    with DQN.from_checkpoint(path, env=unknown) as other:
        other.train_steps(20)
        ring = other.replay.ring
        assert len(ring) == 120
        after = ring.gather(ring.places(np.arange(120)), 3, 0.9)
    for one, other_one in zip(before, after, strict=True):
        np.testing.assert_array_equal(one, other_one[:100])


def test_other_settings_may_restart_environments(tmp_path):
    with PPOConfig(env="CartPole-v1", **SMALL).build_algo() as algorithm:
        algorithm.train()
        path = algorithm.save_to_path(tmp_path / "one")
    with PPO.from_checkpoint(path, lr=1e-4, total_timesteps=7, native=False) as other:
        assert other.restart_reason is None
    with PPO.from_checkpoint(path, num_envs=4) as other:
        assert other.restart_reason == "other settings: num_envs"
    with PPO.from_checkpoint(path, env=unknown) as other:
        assert other.restart_reason == "the environments are others"
        other.train()


@pytest.mark.parametrize(
    "env", [*ENVS, "Blackjack-v1", "MountainCar-v0", "MountainCarContinuous-v0", "CliffWalking-v1"]
)
def test_the_state_of_an_environment_is_json_and_comes_back(env):
    one, other = gym.make(env), gym.make(env)
    one.reset(seed=3)
    one.action_space.seed(0)
    actions = [one.action_space.sample() for _ in range(150)]

    def play(target, some):
        told = []
        for action in some:
            obs, *rest = target.step(action)
            if rest[1] or rest[2]:
                obs, _ = target.reset()
            told.append((np.asarray(obs).tolist(), *rest[:3]))
        return told

    play(one, actions[:70])
    state = json.loads(json.dumps(env_state.capture(one)))
    other.reset(seed=9)
    assert env_state.restore(other, state)
    assert play(other, actions[70:]) == play(one, actions[70:])
    assert env_state.capture(unknown()) is None
    assert not env_state.restore(other, [*state, {}])
