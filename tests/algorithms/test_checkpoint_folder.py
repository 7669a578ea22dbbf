"""The folder of checkpoints: the newest whole one, what a kill leaves, full disks, one training each."""

from __future__ import annotations

import resource
import shutil
from pathlib import Path

import numpy as np
import pytest

from reactvec.algorithms import (
    PPO,
    CheckpointError,
    ConfigError,
    PPOConfig,
    train_dqn,
    train_ppo,
    whole_folder,
)
from reactvec.algorithms.checkpoint_folder import newest
from tests.algorithms.agents import small

SMALL = {"train_batch_size": 128, "minibatch_size": 64, "num_epochs": 2, "seed": 3, "evaluation_duration": 2}


def names_of(folder):
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("file", ["arrays.npz", "checkpoint.json"])
def test_the_newest_that_is_whole_is_taken(file, tmp_path):
    train_ppo("CartPole-v1", 768, checkpoint_dir=tmp_path, checkpoint_interval=128, progress=False, **SMALL)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["step_512", "step_640", "step_768"]
    (tmp_path / "step_768" / file).write_bytes(b"cut")
    with pytest.warns(RuntimeWarning, match=r"step_768 is damaged .*Going on from .*step_640 instead"):
        result = train_ppo(resume=tmp_path, progress=False)
    assert result.history[0]["num_env_steps_sampled_lifetime"] == 768
    assert newest(tmp_path).path.name == "step_768"
    assert newest(tmp_path / "step_512").path.name == "step_512"
    for path in (tmp_path / "nowhere", tmp_path / "step_512" / "nothing"):
        with pytest.raises(CheckpointError, match="is no checkpoint, and holds none"):
            newest(path)


def test_what_a_killed_process_left_is_finished_or_undone(tmp_path):
    train_ppo("CartPole-v1", 128, checkpoint_dir=tmp_path, progress=False, **SMALL)
    (tmp_path / "step_128").rename(tmp_path / ".step_128.0123abcd.old")
    (tmp_path / ".step_256.0123abcd").mkdir()
    (tmp_path / ".best.0123abcd").mkdir()
    (tmp_path / ".mine.0123abcd").mkdir()
    assert newest(tmp_path).path.name == "step_128"
    assert names_of(tmp_path) == [".mine.0123abcd", "step_128"]
    (tmp_path / "step_128").rename(tmp_path / ".step_128.89abcdef")
    train_ppo(resume=tmp_path, total_timesteps=256, progress=False)
    assert names_of(tmp_path) == [".mine.0123abcd", "step_128", "step_256"]


def test_a_new_one_goes_before_the_old_one_that_it_was_to_replace(tmp_path):
    for name, seed in (("step_128", 3), ("new", 4)):
        with PPOConfig(env="CartPole-v1", **{**SMALL, "seed": seed}).build_algo() as algorithm:
            algorithm.save_to_path(tmp_path / name)
    (tmp_path / "step_128").rename(tmp_path / ".step_128.89abcdef.old")
    (tmp_path / "new").rename(tmp_path / ".step_128.89abcdef")
    assert newest(tmp_path).checkpoint.state["config"]["seed"] == 4
    assert names_of(tmp_path) == ["step_128"]


def test_checkpoints_that_were_saved_by_hand_are_left_alone(tmp_path):
    """Even where they are called as a training would."""
    with PPOConfig(env="CartPole-v1", **SMALL).build_algo() as algorithm:
        for step in range(4):
            algorithm.train_steps(128)
            algorithm.save_to_path(tmp_path / f"step_{step}")
    saved = names_of(tmp_path)
    with PPO.from_checkpoint(tmp_path / "step_1") as algorithm:
        assert algorithm.config.checkpoint_dir is None
        algorithm.train_steps(128)
    train_ppo(resume=tmp_path, total_timesteps=768, progress=False)
    assert names_of(tmp_path) == saved


def test_who_saved_by_hand_beside_its_checkpoint_dir_goes_on_there(tmp_path):
    """Or elsewhere, but not among what was saved by hand."""
    here, hand = tmp_path / "here", tmp_path / "hand"
    with PPOConfig(env="CartPole-v1", checkpoint_dir=here, **SMALL).build_algo() as algorithm:
        for step in (128, 256, 384):
            algorithm.train_steps(128)
            algorithm.save_to_path(hand / f"step_{step}")
        algorithm.save_checkpoint()
    with pytest.raises(ConfigError, match=r"here' holds checkpoints, and this training does not go on"):
        train_ppo(resume=hand / "step_128", total_timesteps=256, progress=False)
    train_ppo(resume=hand / "step_128", checkpoint_dir=tmp_path / "new", total_timesteps=256, progress=False)
    assert names_of(hand) == ["step_128", "step_256", "step_384"]
    assert names_of(tmp_path / "new") == ["step_256"]
    assert names_of(here) == ["step_384"]


@pytest.mark.parametrize("name", ["step_128", "best"])
def test_who_names_a_checkpoint_that_was_half_renamed_gets_it(name, tmp_path):
    settings = {"evaluation_interval": 128, "checkpoint_dir": tmp_path, "progress": False, **SMALL}
    weights = train_ppo("CartPole-v1", 128, **settings).algorithm.get_weights()
    path = tmp_path / name

    def half_renamed():
        path.rename(tmp_path / f".{name}.0123abcd.old")
        return path

    with PPO.from_checkpoint(half_renamed()) as algorithm:
        np.testing.assert_equal(algorithm.get_weights(), weights)
        algorithm.restore_from_path(half_renamed())
    assert train_ppo(resume=half_renamed(), total_timesteps=256, progress=False).algorithm.progress.steps == 256


def test_the_best_goes_along_to_another_folder(tmp_path):
    first = train_ppo(
        "CartPole-v1", 256, checkpoint_dir=tmp_path / "a", evaluation_interval=128, progress=False, **SMALL
    )
    settings = {"total_timesteps": 384, "evaluation_interval": None, "progress": False}
    resumed = train_ppo(resume=tmp_path / "a", checkpoint_dir=tmp_path / "b", **settings)
    assert names_of(tmp_path / "b") == ["best", "step_384"]
    assert resumed.best.steps == first.best.steps
    assert newest(tmp_path / "b").path.name == "step_384"
    with PPO.from_checkpoint(tmp_path / "b" / "best") as best, PPO.from_checkpoint(tmp_path / "a" / "best") as original:
        assert best.progress.steps == first.best.steps
        assert "nothing is left of the best evaluation but its weights" in best.restart_reason
        for name, value in original.get_weights().items():
            np.testing.assert_array_equal(best.get_weights()[name], value)
        best.train_steps(128)


def test_who_is_killed_while_removing_leaves_nothing_that_counts(tmp_path, monkeypatch):
    """Of a checkpoint that is being removed, some files may be there, in a folder that nobody takes for one."""
    settings = {"checkpoint_dir": tmp_path, "checkpoint_interval": 128, "progress": False, **SMALL}
    train_ppo("CartPole-v1", 384, **settings)

    def killed(path, **options):
        if path.suffix == ".gone":
            raise KeyboardInterrupt

    monkeypatch.setattr(whole_folder.shutil, "rmtree", killed)
    with pytest.raises(KeyboardInterrupt):
        train_ppo(resume=tmp_path / "step_256", progress=False)  # step_384 is of its future
    monkeypatch.undo()
    (gone,) = (path for path in tmp_path.iterdir() if path.name.startswith("."))
    assert gone.name.startswith(".step_384.")
    assert newest(tmp_path).path.name == "step_256"
    train_ppo(resume=tmp_path, progress=False)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["step_128", "step_256", "step_384"]


@pytest.mark.parametrize("text", ["[" * 100_000, '{"state": {"progress": {"steps": 1e999}}}'])
def test_a_file_that_no_reader_likes(text, tmp_path):
    train_ppo("CartPole-v1", 256, checkpoint_dir=tmp_path, checkpoint_interval=128, progress=False, **SMALL)
    (tmp_path / "step_256" / "checkpoint.json").write_text(text)
    with pytest.warns(RuntimeWarning, match=r"step_256 is damaged .*Going on from .*step_128 instead"):
        assert train_ppo(resume=tmp_path, progress=False).algorithm.progress.steps == 256


def test_the_folder_above_is_not_the_folder(tmp_path):
    kept = tmp_path / "checkpoints"
    train_ppo("CartPole-v1", 128, checkpoint_dir=kept, progress=False, **SMALL)
    with pytest.raises(CheckpointError, match=rf"holds none; did you mean {kept}\?"):
        newest(tmp_path)


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
    assert newest(tmp_path).path.name == "step_400"


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
    assert names_of(tmp_path) == ["best", "mine", "step_128", "step_256"]
    assert newest(tmp_path / "best").checkpoint.state["best"][1] == resumed.best.steps == 128
    with PPO.from_checkpoint(tmp_path / "step_256", keep_checkpoints=2) as algorithm:
        algorithm.restore_from_path(tmp_path / "step_128")
        algorithm.save_checkpoint()  # and nothing else is left to go on from
        assert names_of(tmp_path) == ["best", "mine", "step_128"]
        before = algorithm.get_state()
        for _ in range(2):
            algorithm.set_state(before)
            algorithm.train_steps(128)
            assert names_of(tmp_path) == ["best", "mine", "step_128", "step_256"]
