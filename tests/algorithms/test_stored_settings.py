"""By which settings a training goes on: objects given again, a run that was moved or copied, one of several seeds."""

import shutil

import gymnasium as gym
import pytest

from reactvec.algorithms import PPO, CheckpointError, train_ppo
from tests.algorithms.agents import small_ppo


def test_a_copied_run_leaves_the_logs_of_the_first_alone(tmp_path):
    here, copy = tmp_path / "here", tmp_path / "copy"
    first = small_ppo(checkpoint_dir=str(here / "kept"), log_dir=str(here / "logs"), total_timesteps=128)
    train_ppo(config=first, progress=False)
    logs = (here / "logs" / "progress.csv").read_text()
    shutil.copytree(here, copy)
    train_ppo(resume=copy / "kept", total_timesteps=256, progress=False)
    assert len((copy / "logs" / "progress.csv").read_text().splitlines()) == 3
    shutil.copytree(here / "kept", tmp_path / "alone")
    with pytest.warns(RuntimeWarning, match=r"alone is a copy of .*kept, whose logs are in .*; give log_dir="):
        result = train_ppo(resume=tmp_path / "alone", total_timesteps=256, progress=False)
    assert result.algorithm.config.log_dir is None
    train_ppo(resume=tmp_path / "alone", total_timesteps=384, log_dir=tmp_path / "own", progress=False)
    assert (tmp_path / "own" / "progress.csv").is_file()
    assert (here / "logs" / "progress.csv").read_text() == logs


@pytest.mark.parametrize("copy", ["run/copy", "home/copy"])
def test_a_copy_of_checkpoints_beside_other_logs_or_none_leaves_them_alone(copy, tmp_path):
    run = tmp_path / "run"
    train_ppo(config=small_ppo(checkpoint_dir=str(run / "kept"), log_dir=str(run)), progress=False)
    logs = (run / "progress.csv").read_text()
    shutil.copytree(run / "kept", tmp_path / copy)
    with pytest.warns(RuntimeWarning, match=r"copy is a copy of .*kept, whose logs are in .*; give log_dir="):
        result = train_ppo(resume=tmp_path / copy, total_timesteps=640, progress=False)
    assert result.algorithm.config.log_dir is None
    assert (run / "progress.csv").read_text() == logs
    assert (tmp_path / copy).with_name("progress.csv").exists() == (copy == "run/copy")


def test_seeds_that_had_not_begun_have_the_settings_of_those_that_had(tmp_path):
    config = small_ppo(checkpoint_dir=str(tmp_path / "kept"), log_dir=str(tmp_path / "logs"), lr=1e-4)
    train_ppo(config=config, seeds=[0], progress=False)
    results = train_ppo(resume=tmp_path / "kept", seeds=[0, 1000], progress=False)
    assert [result.algorithm.config.seed for result in results] == [0, 1000]
    wanted, first, second = (given.to_dict() for given in (config, *(result.algorithm.config for result in results)))
    for name in wanted.keys() - {"seed", "checkpoint_dir", "log_dir"}:
        assert first[name] == second[name] == wanted[name], name
    assert (tmp_path / "kept" / "seed_1000" / "step_512").is_dir()
    assert (tmp_path / "logs" / "seed_1000" / "progress.csv").is_file()
    with pytest.raises(CheckpointError, match="logs holds no seed_S/ with a checkpoint"):
        train_ppo(resume=tmp_path / "logs", seeds=[0, 1000], progress=False)


def test_seeds_whose_checkpoints_are_damaged_or_were_being_written(tmp_path):
    config = small_ppo(checkpoint_dir=str(tmp_path), lr=1e-4)
    train_ppo(config=config, seeds=[0, 1000], progress=False)
    (tmp_path / "seed_0" / "step_512" / "arrays.npz").write_bytes(b"cut")
    with pytest.raises(CheckpointError, match=r"seed_0/step_512 is damaged"):
        train_ppo(resume=tmp_path, seeds=[1000, 0], total_timesteps=640, progress=False)
    assert [path.name for path in (tmp_path / "seed_1000").iterdir()] == ["step_512"]  # found out beforehand
    (half := tmp_path / "seed_2000" / ".step_512.0123abcd").mkdir(parents=True)
    (half / "checkpoint.json").write_text("{")
    results = train_ppo(resume=tmp_path, seeds=[1000, 2000], total_timesteps=640, progress=False)
    assert [result.algorithm.config.lr for result in results] == [1e-4, 1e-4]
    assert [path.name for path in (tmp_path / "seed_2000").iterdir()] == ["step_640"]


def test_an_evaluation_env_that_was_an_object_is_asked_for_again(tmp_path):
    make = lambda: gym.make("CartPole-v1", max_episode_steps=5)  # noqa: E731
    with small_ppo(evaluation_env=make).build_algo() as algorithm:
        path = algorithm.save_to_path(tmp_path / "one")
    with pytest.raises(CheckpointError, match=r"evaluation_env was an object, which .* cannot hold"):
        PPO.from_checkpoint(path)
    with PPO.from_checkpoint(path, evaluation_env=make) as algorithm:
        assert algorithm.evaluate()["env_runners"]["episode_return_max"] == 5


def test_a_moved_run_goes_on_where_it_is(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    train_ppo(config=small_ppo(checkpoint_dir="here/kept", log_dir="here/logs", total_timesteps=128), progress=False)
    (tmp_path / "here" / "kept").rename(tmp_path / "moved")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    result = train_ppo(resume=tmp_path / "moved", total_timesteps=256, progress=False)
    assert result.algorithm.config.checkpoint_dir == str(tmp_path / "moved")
    assert (tmp_path / "moved" / "step_256").is_dir()
    assert len((tmp_path / "here" / "logs" / "progress.csv").read_text().splitlines()) > 2
    assert not list((tmp_path / "elsewhere").iterdir())


def test_a_moved_run_whose_newest_checkpoint_was_being_written_goes_on_where_it_is(tmp_path):
    config = small_ppo(checkpoint_dir=str(tmp_path / "here/kept"), log_dir=str(tmp_path / "here"), total_timesteps=128)
    train_ppo(config=config, progress=False)
    (tmp_path / "here/kept/step_128").rename(tmp_path / "here/kept/.step_128.0123abcd")
    (tmp_path / "here").rename(tmp_path / "moved")
    result = train_ppo(resume=tmp_path / "moved/kept", total_timesteps=256, progress=False)
    assert result.algorithm.config.checkpoint_dir == str(tmp_path / "moved/kept")
    assert result.algorithm.config.log_dir == str(tmp_path / "moved")
    assert [path.name for path in tmp_path.iterdir()] == ["moved"]


def test_seeds_are_not_resumed_from_nowhere(tmp_path):
    with pytest.raises(CheckpointError, match="nowhere holds no seed_S/ with a checkpoint"):
        train_ppo("CartPole-v1", 128, seeds=[1], resume=tmp_path / "nowhere", progress=False)
