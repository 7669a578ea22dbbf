"""What a training writes about itself: CSV, JSON lines, TensorBoard, Weights & Biases, and the progress bar."""

import csv
import errno
import gc
import json
import math
import os
import sys
import types

import pytest

from reactvec.algorithms import ConfigError, MissingExtra, train_ppo
from reactvec.algorithms.progress_file import STEPS, CsvFile, JsonLinesFile, read_csv

SMALL = {
    "train_batch_size": 128,
    "minibatch_size": 128,
    "num_epochs": 1,
    "evaluation_duration": 2,
    "log_interval": 128,
    "progress": False,
}
RETURN = "env_runners/episode_return_mean"


@pytest.mark.parametrize("folder", ["file", "file/deeper"])
def test_a_folder_that_cannot_be_written(tmp_path, folder):
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match=rf"log_dir='{tmp_path / folder}' cannot be written: "):
        train_ppo("CartPole-v1", 128, log_dir=tmp_path / folder, **SMALL)


def test_a_log_that_cannot_be_begun_leaves_none_open(tmp_path):
    """A warning of what stays open would be an error."""
    (tmp_path / "progress.jsonl").mkdir()
    with pytest.raises(ConfigError, match="cannot be written: "):
        train_ppo("CartPole-v1", 128, log_dir=tmp_path, **SMALL)
    gc.collect()
    assert not any(str(tmp_path) in os.readlink(f"/proc/self/fd/{name}") for name in open_files())
    assert sorted(path.name for path in tmp_path.iterdir()) == ["progress.csv", "progress.jsonl"]


def open_files():
    return [name for name in os.listdir("/proc/self/fd") if os.path.exists(f"/proc/self/fd/{name}")]


def lines_of(folder):
    return [json.loads(line) for line in (folder / "progress.jsonl").read_text().splitlines()]


def steps_of(folder):
    with (folder / "progress.csv").open() as file:
        rows = [int(row[STEPS]) for row in csv.DictReader(file)]
    assert rows == [row[STEPS] for row in lines_of(folder)]
    return rows


def events_of(folder):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(folder))
    events.Reload()
    return events


def test_the_same_rows_in_all_logs(tmp_path):
    result = train_ppo("CartPole-v1", 512, log_dir=tmp_path, evaluation_interval=256, **SMALL)
    assert steps_of(tmp_path) == [128, 256, 384, 512]
    rows, lines, events = read_csv(tmp_path / "progress.csv"), lines_of(tmp_path), events_of(tmp_path)
    means = [outcome["env_runners"]["episode_return_mean"] for outcome in result.history]
    assert [row[RETURN] for row in rows] == [line[RETURN] for line in lines] == means
    assert [event.value for event in events.Scalars(RETURN)] == pytest.approx(means)
    evaluated = "evaluation/env_runners/episode_return_mean"
    assert [evaluated in row for row in rows] == [evaluated in line for line in lines] == [False, True, False, True]
    assert rows[-1][evaluated] == result.evaluation["env_runners"]["episode_return_mean"]


def test_a_resumed_run_goes_on_in_its_logs(tmp_path):
    settings = {"checkpoint_dir": tmp_path / "c", "checkpoint_interval": 256, **SMALL, "log_interval": 200}
    train_ppo("CartPole-v1", 1024, log_dir=tmp_path / "whole", **{**settings, "checkpoint_dir": tmp_path / "other"})
    whole = read_csv(tmp_path / "whole" / "progress.csv")
    train_ppo("CartPole-v1", 1024, log_dir=tmp_path / "log", **settings)
    with (tmp_path / "log" / "progress.csv").open("a") as file:
        file.write("1152,3")  # what a killed process leaves
    with (tmp_path / "log" / "progress.jsonl").open("a") as file:
        file.write('{"num_env')
    train_ppo(resume=tmp_path / "c" / "step_512", log_dir=tmp_path / "log", progress=False)
    assert steps_of(tmp_path / "log") == [row[STEPS] for row in whole] == [256, 512, 768, 1024]
    assert [row[RETURN] for row in read_csv(tmp_path / "log" / "progress.csv")] == [row[RETURN] for row in whole]
    assert [event.step for event in events_of(tmp_path / "log").Scalars(RETURN)] == [256, 512, 768, 1024]
    train_ppo(resume=tmp_path / "c", log_dir=tmp_path / "log", progress=False)  # which is over
    assert steps_of(tmp_path / "log") == [256, 512, 768, 1024]
    assert [event.step for event in events_of(tmp_path / "log").Scalars(f"evaluation/{RETURN}")] == [1024]
    train_ppo("CartPole-v1", 256, log_dir=tmp_path / "log", **SMALL)  # and another one
    assert steps_of(tmp_path / "log") == [128, 256]


@pytest.mark.parametrize(
    "damage", [b"\xff\xfe\x00\n", b"x" * 200_000 + b",1\n", b"[" * 100_000 + b"\n", b'"\n', b"1\n"]
)
@pytest.mark.parametrize("name", ["progress.csv", "progress.jsonl"])
def test_damaged_lines_are_left_out(name, damage, tmp_path):
    train_ppo("CartPole-v1", 256, log_dir=tmp_path / "log", checkpoint_dir=tmp_path / "kept", **SMALL)
    whole = lines_of(tmp_path / "log")
    with (tmp_path / "log" / name).open("ab") as file:
        file.write(damage)
    train_ppo(resume=tmp_path / "kept", progress=False)
    assert [line[STEPS] for line in lines_of(tmp_path / "log")] == [line[STEPS] for line in whole]
    assert [row[STEPS] for row in read_csv(tmp_path / "log" / "progress.csv")] == [line[STEPS] for line in whole]


def test_a_new_run_removes_the_event_files_of_the_old_one_alone(tmp_path):
    others = tmp_path / "events.out.tfevents.1700000000.host.7.0"
    others.write_bytes(b"")
    for steps in ([128, 256, 384], [128, 256]):
        train_ppo("CartPole-v1", steps[-1], log_dir=tmp_path, **SMALL)
        assert [event.step for event in events_of(tmp_path).Scalars(RETURN)] == steps
    assert others.exists()


def test_a_file_that_can_no_longer_be_written_ends_alone(tmp_path, monkeypatch):
    def full(self, row):
        if row[STEPS] == 256:
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(self, row)

    write = JsonLinesFile.write
    monkeypatch.setattr(JsonLinesFile, "write", full)
    with pytest.warns(RuntimeWarning, match="JsonLinesFile ended: .*No space left on device"):
        result = train_ppo("CartPole-v1", 512, log_dir=tmp_path, **SMALL)
    assert len(result.history) == 4
    assert [row[STEPS] for row in lines_of(tmp_path)] == [128]
    assert [row[STEPS] for row in read_csv(tmp_path / "progress.csv")] == [128, 256, 384, 512]


def test_a_row_is_there_before_its_checkpoint(tmp_path, monkeypatch):
    """So that none is missing when a process is killed between the two."""

    def killed(path, checkpoint):
        raise KeyboardInterrupt

    monkeypatch.setattr("reactvec.algorithms.restoring.save", killed)
    for intervals in ({"checkpoint_interval": 256}, {"evaluation_interval": 256}):
        with pytest.raises(KeyboardInterrupt):
            train_ppo("CartPole-v1", 512, log_dir=tmp_path, checkpoint_dir=tmp_path / "c", **intervals, **SMALL)
        assert steps_of(tmp_path) == [128, 256]


def test_two_trainings_do_not_log_to_one_folder(tmp_path, monkeypatch):
    monkeypatch.setattr("reactvec.algorithms.logs.PATIENCE", 0.1)

    def begin(algorithm, result):
        with pytest.raises(ConfigError, match=r"log_dir=.* is written to by another training that runs now"):
            train_ppo("CartPole-v1", 128, log_dir=tmp_path, **SMALL)
        told.append(result)

    told = []
    for checkpoints in (None, tmp_path):
        train_ppo("CartPole-v1", 256, log_dir=tmp_path, checkpoint_dir=checkpoints, on_train_result=begin, **SMALL)
        assert steps_of(tmp_path) == [128, 256]
    assert len(told) == 4


def test_some_hundred_lines_by_default(tmp_path):
    settings = {**SMALL, "train_batch_size": 8, "minibatch_size": 8, "log_interval": None}
    train_ppo("CartPole-v1", 4000, log_dir=tmp_path, **settings)
    assert 150 <= len(steps_of(tmp_path)) <= 201


@pytest.mark.parametrize("kind", [CsvFile, JsonLinesFile])
def test_rows_come_back(kind, tmp_path):
    file = kind(str(tmp_path), 0)
    file.write({STEPS: 1, "a": math.nan})
    file.write({STEPS: 2, "b": 0.1, "c/d": 1e300})
    file.write({STEPS: 2, "e": 3})
    file.close()
    again = kind(str(tmp_path), 2)
    again.close()
    assert [row[STEPS] for row in again.rows] == [1, 2]
    assert math.isnan(again.rows[0]["a"])
    assert again.rows[1] == {STEPS: 2, "b": 0.1, "c/d": 1e300, "e": 3}
    earlier = kind(str(tmp_path), 1)
    earlier.close()
    assert earlier.steps == 1


def test_weights_and_biases(tmp_path, monkeypatch):
    told = []

    class Run:
        id = "r7"

        def log(self, row, step):
            told.append((step, row.get(RETURN)))

        def finish(self):
            told.append("finished")

    def init(**arguments):
        told.append(arguments)
        return Run()

    monkeypatch.setitem(sys.modules, "wandb", types.SimpleNamespace(init=init))
    settings = {**SMALL, "wandb_project": "poles", "checkpoint_dir": tmp_path / "c"}
    result = train_ppo("CartPole-v1", 256, log_dir=tmp_path, **settings)
    begun, *rows, end = told
    assert (begun["project"], begun["id"], begun["config"]["env"]) == ("poles", None, "CartPole-v1")
    means = [outcome["env_runners"]["episode_return_mean"] for outcome in result.history]
    assert rows == [(128, means[0]), (256, means[1]), (256, None)]
    assert end == "finished"
    told.clear()
    train_ppo(resume=tmp_path / "c", total_timesteps=384, progress=False)
    assert told[0]["id"] == "r7"


def test_weights_and_biases_is_not_installed(monkeypatch):
    monkeypatch.setitem(sys.modules, "wandb", None)
    with pytest.raises(MissingExtra, match="wandb_project needs wandb: pip install wandb"):
        train_ppo("CartPole-v1", 256, wandb_project="poles", **SMALL)


def test_the_bar_and_silence(capfd):
    train_ppo("CartPole-v1", 256, **SMALL)
    assert capfd.readouterr() == ("", "")
    train_ppo("CartPole-v1", 256, **{**SMALL, "progress": True})
    shown = capfd.readouterr().err
    assert "256/256" in shown
    assert "return " in shown
    assert "fps " in shown
