"""Training goes on after kill -9: bit by bit where environments can be saved, else as any other resume would."""

from __future__ import annotations

import json
import os
import resource
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import gymnasium as gym
import numpy as np
import pytest

from reactvec.algorithms import DQN, PPO, SAC, CheckpointError, ConfigError, PPOConfig, env_state, train_dqn, train_ppo
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
    assert [newest(tmp_path / env).name for env in ENVS] == ["step_768"] * len(ENVS)
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
        assert other.restart_reason == "other settings: replay_buffer_config"
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


@pytest.mark.parametrize("file", ["arrays.npz", "checkpoint.json"])
def test_the_newest_that_is_whole_is_taken(file, tmp_path):
    train_ppo("CartPole-v1", 768, checkpoint_dir=tmp_path, checkpoint_interval=128, progress=False, **SMALL)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["step_512", "step_640", "step_768"]
    (tmp_path / "step_768" / file).write_bytes(b"cut")
    with pytest.warns(RuntimeWarning, match=r"step_768 is damaged .*Going on from .*step_640 instead"):
        result = train_ppo(resume=tmp_path, progress=False)
    assert result.history[0]["num_env_steps_sampled_lifetime"] == 768
    assert newest(tmp_path).name == "step_768"
    assert newest(tmp_path / "step_512").name == "step_512"
    for path in (tmp_path / "nowhere", tmp_path / "step_512" / "nothing"):
        with pytest.raises(CheckpointError, match="is no checkpoint, and holds none"):
            newest(path)


def test_what_a_killed_process_left_is_removed(tmp_path):
    train_ppo("CartPole-v1", 128, checkpoint_dir=tmp_path, progress=False, **SMALL)
    (tmp_path / "step_128").rename(tmp_path / ".step_128.0123abcd.old")
    (tmp_path / ".step_256.0123abcd").mkdir()
    (tmp_path / ".best.0123abcd").mkdir()
    assert newest(tmp_path).name == ".step_128.0123abcd.old"
    train_ppo(resume=tmp_path, total_timesteps=256, progress=False)
    assert sorted(path.name for path in tmp_path.iterdir()) == [".best.0123abcd", "step_256"]


def test_only_damaged_checkpoints(tmp_path):
    train_ppo("CartPole-v1", 128, checkpoint_dir=tmp_path, progress=False, **SMALL)
    (tmp_path / "step_128" / "arrays.npz").write_bytes(b"cut")
    with pytest.raises(CheckpointError, match="step_128 is damaged"):
        train_ppo(resume=tmp_path)


def test_what_cannot_be_resumed(tmp_path):
    train_ppo("CartPole-v1", 128, checkpoint_dir=tmp_path, progress=False, **SMALL)
    with pytest.raises(ConfigError, match="config and resume each say all settings"):
        train_ppo(config=PPOConfig(), resume=tmp_path)
    with pytest.raises(CheckpointError, match="is of PPO, not of DQN"):
        train_dqn(resume=tmp_path)


def test_a_full_disk_leaves_the_checkpoint_before(tmp_path):
    """By a limit on the size of files, which a write meets in the middle."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    with PPOConfig(env="CartPole-v1", **SMALL).build_algo() as algorithm:
        path = algorithm.save_to_path(tmp_path / "one")
        before = {file.name: file.read_bytes() for file in Path(path).iterdir()}
        assert any(len(data) > 20_000 for data in before.values())
        algorithm.train()
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, limits[1]))
        try:
            with pytest.raises(
                CheckpointError, match=r"one cannot be written \(File too large\); those written before"
            ):
                algorithm.save_to_path(path)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert {file.name: file.read_bytes() for file in Path(path).iterdir()} == before
    assert [file.name for file in tmp_path.iterdir()] == ["one"]


def test_a_disk_that_is_full_ends_training_with_one_error(tmp_path, monkeypatch):
    def full(descriptor):
        raise OSError(28, "No space left on device")

    config = small(checkpoint_dir=tmp_path, checkpoint_interval=400)
    with config.build_algo() as algorithm:
        algorithm.train()
        monkeypatch.setattr("os.fsync", full)
        with pytest.raises(CheckpointError, match=r"cannot be written \(No space left on device\)"):
            algorithm.train()
    assert newest(tmp_path).name == "step_400"


def names_of(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_folder_has_the_checkpoints_of_one_training(tmp_path):
    settings = {"checkpoint_dir": tmp_path / "c", "log_dir": tmp_path / "log", "progress": False, **SMALL}
    train_ppo("CartPole-v1", 256, evaluation_interval=256, **settings)
    logged = (tmp_path / "log" / "progress.csv").read_text()
    message = "holds checkpoints, and this training does not go on from any of them: resume"
    with pytest.raises(ConfigError, match=message):
        train_ppo("CartPole-v1", 128, **settings)
    shutil.rmtree(tmp_path / "c" / "step_256")
    with (
        PPOConfig(env="CartPole-v1", checkpoint_dir=tmp_path / "c", **SMALL).build_algo() as algorithm,
        pytest.raises(ConfigError, match=message),  # for `best`
    ):
        algorithm.train()
    with pytest.raises(ConfigError, match=message):
        algorithm.save_checkpoint()
    assert names_of(tmp_path / "c") == ["best"]
    assert (tmp_path / "log" / "progress.csv").read_text() == logged
    with PPOConfig(env="CartPole-v1", **SMALL).build_algo() as algorithm:
        algorithm.train_steps(128)
        path = algorithm.save_to_path(tmp_path / "alone")
    with pytest.raises(ConfigError, match=message):
        train_ppo(resume=path, checkpoint_dir=tmp_path / "c", total_timesteps=256, progress=False)


def test_seeds_that_have_checkpoints_are_refused_before_the_first_is_trained(tmp_path):
    settings = {"checkpoint_dir": tmp_path, "progress": False, **SMALL}
    del settings["seed"]
    train_ppo("CartPole-v1", 128, seeds=[1000], **settings)
    with pytest.raises(ConfigError, match=r"seed_1000' holds checkpoints"):
        train_ppo("CartPole-v1", 128, seeds=[0, 1000], **settings)
    assert names_of(tmp_path) == ["seed_1000"]


def test_the_future_that_is_given_up_is_removed(tmp_path):
    settings = {"evaluation_interval": 128, "checkpoint_interval": 128, "keep_checkpoints": None, **SMALL}
    first = train_ppo("CartPole-v1", 768, checkpoint_dir=tmp_path, progress=False, lr=1e-2, **settings)
    assert first.best.steps > 128
    (tmp_path / "mine").mkdir()
    resumed = train_ppo(resume=tmp_path / "step_128", total_timesteps=256, progress=False, evaluation_interval=None)
    assert resumed.algorithm.progress.steps == 256
    assert names_of(tmp_path) == ["mine", "step_128", "step_256"]
    with PPO.from_checkpoint(tmp_path / "step_256", keep_checkpoints=2) as algorithm:
        algorithm.restore_from_path(tmp_path / "step_128")
        algorithm.save_checkpoint()  # and nothing else is left to go on from
        assert names_of(tmp_path) == ["mine", "step_128"]
        before = algorithm.get_state()
        for _ in range(2):
            algorithm.set_state(before)
            algorithm.train_steps(128)
            assert names_of(tmp_path) == ["mine", "step_128", "step_256"]
