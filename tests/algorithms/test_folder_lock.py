"""One training at a time writes to a folder, and nobody looks after what is being written."""

import multiprocessing
import os
import subprocess
import sys
import threading
import time

import pytest

from reactvec.algorithms import ConfigError, PPOConfig, checkpoint_folder, folder_lock, train_ppo, whole_folder
from reactvec.algorithms.checkpoint_folder import newest
from reactvec.algorithms.folder_lock import lock_folder
from tests.algorithms.agents import small_ppo as small

SMALL = {"train_batch_size": 128, "minibatch_size": 64, "num_epochs": 2, "seed": 3, "evaluation_duration": 2}


def names_of(folder):
    return sorted(path.name for path in folder.iterdir())


def can_be_locked(folder):
    """Whether another process can."""
    lock = f"from {lock_folder.__module__} import lock_folder as l; assert l({str(folder)!r}, 0) is not None"
    return subprocess.run([sys.executable, "-c", lock], stderr=subprocess.DEVNULL, check=False).returncode == 0


def test_nobody_looks_after_what_is_being_written(tmp_path):
    with PPOConfig(env="CartPole-v1", checkpoint_dir=tmp_path, **SMALL).build_algo() as algorithm:
        algorithm.save_checkpoint()
        (tmp_path / ".step_256.0123abcd").mkdir()
        assert newest(tmp_path).path.name == "step_0"
        assert names_of(tmp_path) == [".step_256.0123abcd", "step_0"]
        at_work = [sys.executable, "-c", f"from {newest.__module__} import newest as n; n({str(tmp_path)!r})"]
        subprocess.run(at_work, check=True)
        assert names_of(tmp_path) == [".step_256.0123abcd", "step_0"]
    subprocess.run(at_work, check=True)
    assert names_of(tmp_path) == ["step_0"]


def test_nobody_looks_after_what_is_being_saved_by_hand(tmp_path, monkeypatch):
    """Under a name that a training would have given it."""
    replace, seen = whole_folder._replace, []
    look = f"from pathlib import Path; from {newest.__module__} import look_after"

    def replaced(folder, target):
        subprocess.run([sys.executable, "-c", f"{look}; look_after(Path({str(tmp_path)!r}))"], check=True)
        seen.append(names_of(tmp_path))
        replace(folder, target)

    monkeypatch.setattr(whole_folder, "_replace", replaced)
    with small().build_algo() as algorithm:
        algorithm.save_to_path(tmp_path / "best")
        assert can_be_locked(tmp_path)
    assert [len(names) for names in seen] == [1]
    assert names_of(tmp_path) == ["best"]


def test_two_processes_do_not_write_to_one_folder(tmp_path, monkeypatch):
    train_ppo("CartPole-v1", 128, checkpoint_dir=tmp_path, progress=False, **SMALL)
    hold = f"import fcntl, os; fcntl.flock(os.open({str(tmp_path)!r}, os.O_RDONLY), fcntl.LOCK_EX); print(flush=True)"
    with subprocess.Popen(
        [sys.executable, "-c", f"{hold}; input()"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as other:
        assert other.stdin is not None
        assert other.stdout is not None
        other.stdout.readline()
        monkeypatch.setattr(checkpoint_folder, "PATIENCE", 0.1)
        with pytest.raises(ConfigError, match="is written to by another training that runs now; wait for it"):
            train_ppo(resume=tmp_path, total_timesteps=256, progress=False)
        monkeypatch.undo()
        threading.Timer(0.3, other.stdin.close).start()  # as the workers of a process that was killed
        train_ppo(resume=tmp_path, total_timesteps=256, progress=False)
    assert names_of(tmp_path) == ["step_128", "step_256"]


def test_where_no_lock_can_be_had_saving_goes_on(tmp_path, monkeypatch):
    def denied(*args, **options):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(checkpoint_folder, "lock_folder", denied)
    with small().build_algo() as algorithm:
        algorithm.save_to_path(tmp_path / "best")
    assert names_of(tmp_path) == ["best"]


def test_two_trainings_of_one_process_do_not_write_to_one_folder(tmp_path, monkeypatch):
    with small(checkpoint_dir=tmp_path).build_algo() as one, small(checkpoint_dir=tmp_path).build_algo() as other:
        one.train()
        monkeypatch.setattr(checkpoint_folder, "PATIENCE", 0.1)
        with pytest.raises(ConfigError, match=r"is written to by another training .* stop\(\) it if it is yours"):
            other.train()
        monkeypatch.undo()
        threading.Timer(0.3, one.stop).start()
        other.train()
        other.save_checkpoint()
    assert names_of(tmp_path) == ["step_128"]


def test_what_a_training_forks_does_not_hold_its_lock(tmp_path):
    with PPOConfig(env="CartPole-v1", checkpoint_dir=tmp_path, **SMALL).build_algo() as algorithm:
        algorithm.save_checkpoint()
        child = multiprocessing.get_context("fork").Process(target=time.sleep, args=(60,))
        child.start()
    try:
        lock = f"from {lock_folder.__module__} import lock_folder as l; assert l({str(tmp_path)!r}, 0) is not None"
        subprocess.run([sys.executable, "-c", lock], check=True)
    finally:
        child.kill()
        child.join()


def test_what_a_training_forks_does_not_write_to_its_folder(tmp_path, monkeypatch):
    monkeypatch.setattr(checkpoint_folder, "PATIENCE", 0.1)
    refused = multiprocessing.get_context("fork").Event()

    def save():
        with pytest.raises(ConfigError, match="is written to by another training"):
            algorithm.save_checkpoint()
        refused.set()
        os._exit(0)

    with small(checkpoint_dir=tmp_path).build_algo() as algorithm:
        algorithm.save_checkpoint()
        child = multiprocessing.get_context("fork").Process(target=save)
        child.start()
        child.join()
    assert refused.is_set()


def test_who_saves_after_all_training_does_not_keep_the_lock(tmp_path):
    result = train_ppo("CartPole-v1", 128, checkpoint_dir=tmp_path, progress=False, **SMALL)
    assert can_be_locked(tmp_path)
    result.algorithm.save_checkpoint()
    assert can_be_locked(tmp_path)


def test_an_interrupt_while_the_lock_is_waited_for_leaves_nothing_open(tmp_path, monkeypatch):
    def interrupted(seconds):
        raise KeyboardInterrupt

    held = lock_folder(tmp_path, 0)
    assert not can_be_locked(tmp_path)
    before = os.listdir("/proc/self/fd")
    monkeypatch.setattr(folder_lock.time, "sleep", interrupted)
    with pytest.raises(KeyboardInterrupt):
        lock_folder(tmp_path, 1, shared=False)
    assert os.listdir("/proc/self/fd") == before
    assert lock_folder(tmp_path, 0, shared=False) is None
    assert lock_folder(tmp_path, 0) is held
