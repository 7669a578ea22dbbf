"""Checkpoints come back whole or not at all, and loading them runs nothing."""

import hashlib
import json
import os
import pickle

import gymnasium as gym
import numpy as np
import pytest

from reactvec.algorithms import DQN, CheckpointError, ConfigError, ModelConfig
from reactvec.algorithms.checkpoint import FORMAT, Checkpoint, read_checkpoint, write_checkpoint
from tests.algorithms.agents import small

CHECKPOINT = Checkpoint({"w": np.arange(3, dtype=np.float32)}, {"m": np.ones((2, 2))}, {"a": [1, None, "x"]})
FILES = ["checkpoint.json", "weights.safetensors", "arrays.npz"]


def test_round_trip(tmp_path):
    target = write_checkpoint(tmp_path / "deep" / "one", CHECKPOINT)
    weights, arrays, state = read_checkpoint(target)
    np.testing.assert_array_equal(weights["w"], CHECKPOINT.weights["w"])
    np.testing.assert_array_equal(arrays["m"], CHECKPOINT.arrays["m"])
    assert state == CHECKPOINT.state


def test_replaces_an_old_one_and_leaves_nothing_behind(tmp_path):
    write_checkpoint(tmp_path / "one", CHECKPOINT)
    write_checkpoint(tmp_path / "one", CHECKPOINT._replace(state={"new": True}))
    assert read_checkpoint(tmp_path / "one").state == {"new": True}
    assert [path.name for path in tmp_path.iterdir()] == ["one"]


def test_a_failed_write_keeps_the_old_one(tmp_path, monkeypatch):
    write_checkpoint(tmp_path / "one", CHECKPOINT)
    with pytest.raises(TypeError):
        write_checkpoint(tmp_path / "one", CHECKPOINT._replace(state={"bad": object()}))
    monkeypatch.setattr("os.fsync", lambda descriptor: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(CheckpointError, match=r"one cannot be written \(disk full\); those written before are as"):
        write_checkpoint(tmp_path / "one", CHECKPOINT._replace(state={"new": True}))
    assert read_checkpoint(tmp_path / "one").state == CHECKPOINT.state
    assert [path.name for path in tmp_path.iterdir()] == ["one"]


@pytest.mark.parametrize("call", [0, 1])
@pytest.mark.parametrize("after", [False, True])
def test_an_interrupt_while_replacing_loses_nothing(tmp_path, monkeypatch, call, after):
    write_checkpoint(tmp_path / "one", CHECKPOINT)
    replace, calls = os.replace, []

    def interrupted(source, target):
        calls.append(source)
        hit = len(calls) == call + 1
        if hit and not after:
            raise KeyboardInterrupt
        replace(source, target)
        if hit:
            raise KeyboardInterrupt

    monkeypatch.setattr("os.replace", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write_checkpoint(tmp_path / "one", CHECKPOINT._replace(state={"new": True}))
    done = (call, after) == (1, True)
    assert read_checkpoint(tmp_path / "one").state == ({"new": True} if done else CHECKPOINT.state)
    assert [path.name for path in tmp_path.iterdir()] == ["one"]


def test_the_umask_and_links_are_respected(tmp_path):
    before = os.umask(0o027)
    try:
        target = write_checkpoint(tmp_path / "one", CHECKPOINT)
    finally:
        os.umask(before)
    assert target.stat().st_mode & 0o777 == 0o750
    (tmp_path / "link").symlink_to("one")
    write_checkpoint(tmp_path / "link", CHECKPOINT._replace(state={"new": True}))
    assert (tmp_path / "link").is_symlink()
    assert read_checkpoint(tmp_path / "one").state == {"new": True}


def test_numpy_is_given_the_arrays_alone(tmp_path, monkeypatch):
    """NumPy before 2.2 stores every other keyword of savez as an array."""
    savez, given = np.savez, []
    monkeypatch.setattr(np, "savez", lambda file, **arrays: (given.extend(arrays), savez(file, **arrays)))
    write_checkpoint(tmp_path / "one", CHECKPOINT)
    assert given == ["m"]


def test_refuses_to_replace_what_is_no_checkpoint(tmp_path):
    (tmp_path / "thesis.txt").write_text("years of work")
    for path in (tmp_path, tmp_path / "thesis.txt"):
        with pytest.raises(CheckpointError, match="is no checkpoint"):
            write_checkpoint(path, CHECKPOINT)


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("damage", ["cut", "flip", "empty", "gone"])
def test_damage_is_one_clear_error(tmp_path, name, damage):
    file = write_checkpoint(tmp_path / "one", CHECKPOINT) / name
    data = bytearray(file.read_bytes())
    if damage == "gone":
        file.unlink()
    else:
        data[len(data) // 2] ^= 1
        file.write_bytes({"cut": data[: len(data) // 2], "flip": bytes(data), "empty": b""}[damage])
    with pytest.raises(CheckpointError, match=r"damaged|is no checkpoint"):
        read_checkpoint(tmp_path / "one")


@pytest.mark.parametrize(
    "text", ["[]", "3", "{}", f'{{"format": {FORMAT}}}', f'{{"format": {FORMAT}, "sum": 2}}', "\xff"]
)
def test_nonsense_in_the_json(tmp_path, text):
    (write_checkpoint(tmp_path / "one", CHECKPOINT) / "checkpoint.json").write_bytes(text.encode("latin1"))
    with pytest.raises(CheckpointError, match="damaged"):
        read_checkpoint(tmp_path / "one")


def test_an_env_config_that_json_would_change(tmp_path):
    class Sized(gym.Wrapper):
        def __init__(self, size):
            super().__init__(gym.make("CartPole-v1"))
            assert size == (3, 4)

    with small(env=Sized, env_config={"size": (3, 4)}).build_algo() as algorithm:
        algorithm.train()
        with pytest.raises(ConfigError, match=r"env_config={'size': \(3, 4\)} is nothing that JSON holds as it is"):
            algorithm.save_to_path(tmp_path / "one")
        algorithm._begin_anew()  # as after Ctrl-C
        algorithm.train()
    assert list(tmp_path.iterdir()) == []


def test_another_version(tmp_path):
    file = write_checkpoint(tmp_path / "one", CHECKPOINT) / "checkpoint.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "format": 99}))
    with pytest.raises(CheckpointError, match=f"format 99, this version of reactvec reads {FORMAT}"):
        read_checkpoint(tmp_path / "one")


def test_a_pickle_is_not_loaded(tmp_path):
    """Even with sums that fit."""
    arrays = {"m": np.array([{"a": 1}], dtype=object)}
    with pytest.raises(ValueError, match="'m' holds Python objects"):
        write_checkpoint(tmp_path / "one", CHECKPOINT._replace(arrays=arrays))

    class Bomb:
        def __reduce__(self):
            return pytest.fail, ("code of a checkpoint was run",)

    target = write_checkpoint(tmp_path / "one", CHECKPOINT)
    (target / "arrays.npz").write_bytes(pickle.dumps(Bomb()))
    with pytest.raises(CheckpointError):
        read_checkpoint(target)


def test_an_algorithm_comes_back(tmp_path):
    with small().build_algo() as algorithm:
        algorithm.train()
        algorithm.train()
        path = algorithm.save_to_path(tmp_path / "one")
        observations = np.random.default_rng(0).normal(size=(50, 4)).astype(np.float32)
        with DQN.from_checkpoint(path) as other:
            np.testing.assert_array_equal(other.predict(observations), algorithm.predict(observations))
            assert other.config == algorithm.config
            assert other.progress.steps == algorithm.progress.steps == 800
            assert other.evaluate() == algorithm.evaluate()
            for name, array in algorithm.learner.optimizer_state().items():
                np.testing.assert_array_equal(other.learner.optimizer_state()[name], array)
            target = other.learner.target_parameters.numpy()
            np.testing.assert_array_equal(target, algorithm.learner.target_parameters.numpy())
            result = other.train()
            assert result["num_env_steps_sampled_lifetime"] == 1200
            assert result["training_iteration"] == 3
            assert (
                result["learners"]["default_policy"]["num_gradient_steps_lifetime"] > algorithm.progress.gradient_steps
            )
            sent = np.zeros(other.net.size, np.float32)
            other.net.pack(other.learner.parameters.numpy(), sent)
            np.testing.assert_array_equal(other.execution.read(other.learner.weights), sent)


def test_restore_in_place_is_the_same_as_from_checkpoint(tmp_path):
    with small().build_algo() as algorithm:
        algorithm.train()
        path = algorithm.save_to_path(tmp_path / "one")
        algorithm.train()
        algorithm.restore_from_path(path)
        algorithm.train()
        with DQN.from_checkpoint(path) as other:
            other.train()
            weights = other.get_weights()
        for name, array in algorithm.get_weights().items():
            np.testing.assert_array_equal(weights[name], array)


def test_settings_override_those_of_the_checkpoint(tmp_path):
    with small().build_algo() as algorithm:
        path = algorithm.save_to_path(tmp_path / "one")
    with DQN.from_checkpoint(path, num_envs=2, native=False) as other:
        assert other.num_envs == 2
    with DQN.from_checkpoint(path, placement="threads", num_workers=2, evaluation_duration=6) as other:
        assert other.config.num_workers == 2
        inline = other.save_to_path(tmp_path / "threads")
    with DQN.from_checkpoint(inline, placement="inline", num_workers=None, evaluation_num_envs=3) as other:
        assert other.config.evaluating_envs == 3
        inline = other.save_to_path(tmp_path / "inline")
    with DQN.from_checkpoint(inline, placement="threads", num_workers=2) as other:
        assert other.config.num_workers == 2
    with pytest.raises(ConfigError, match="placement='inline' has one worker"):
        DQN.from_checkpoint(inline, num_workers=2)
    with pytest.raises(CheckpointError, match="another network"):
        DQN.from_checkpoint(path, model=ModelConfig((7,)))
    with pytest.raises(CheckpointError, match=r"checkpoint of DQN on Box.* not of DQN on Box"):
        DQN.from_checkpoint(path, env="Acrobot-v1")


def test_what_a_checkpoint_cannot_hold_is_asked_for(tmp_path):
    import gymnasium as gym

    make = lambda: gym.make("CartPole-v1")  # noqa: E731
    with small(env=make).build_algo() as algorithm:
        path = algorithm.save_to_path(tmp_path / "one")
    with pytest.raises(CheckpointError, match=r"env was an object.*pass env= again"):
        DQN.from_checkpoint(path)
    DQN.from_checkpoint(path, env=make).stop()


@pytest.mark.parametrize("name", ["env", "evaluation_env"])
def test_an_id_that_imports_a_module_must_be_passed(tmp_path, name):
    with small().build_algo() as algorithm:
        state = algorithm.get_state()
    state.state["config"][name] = "antigravity:CartPole-v1"
    write_checkpoint(tmp_path / "one", state)
    with pytest.raises(CheckpointError, match=f"imports a module.*{name}="):
        DQN.from_checkpoint(tmp_path / "one")


PATHS = [
    *([name] for name in ("algorithm", "config", "spaces", "progress", "best", "returns", "lengths", "run")),
    *(["config", name] for name in ("model", "replay_buffer_config", "lr", "seed")),
    *(["progress", name] for name in ("steps", "tags")),
    *(["run", name] for name in ("tag", "before", "asked", "counted", "reactors")),
]


@pytest.fixture(scope="module")
def whole():
    with small(save_replay_buffer=True, total_timesteps=400, evaluation_interval=400).build_algo() as algorithm:
        algorithm.train()
        return algorithm.get_state()


@pytest.mark.parametrize("value", ["text", [None]], ids=str)
@pytest.mark.parametrize("path", PATHS, ids="/".join)
def test_a_whole_checkpoint_of_nonsense_is_one_clear_error(tmp_path, whole, path, value):
    """One whose sums are right: something else wrote it."""
    state = json.loads(json.dumps(whole.state))
    inside = state
    for key in path[:-1]:
        inside = inside[key]
    inside[path[-1]] = value
    write_checkpoint(tmp_path / "one", whole._replace(state=state))
    with pytest.raises(CheckpointError):
        DQN.from_checkpoint(tmp_path / "one").stop()
    del inside[path[-1]]
    write_checkpoint(tmp_path / "one", whole._replace(state=state))
    if path[0] != "config":  # what is missing there takes its default
        with pytest.raises(CheckpointError):
            DQN.from_checkpoint(tmp_path / "one").stop()


def test_whole_files_of_nonsense_are_one_clear_error(tmp_path):
    for name in ("weights.safetensors", "arrays.npz"):
        folder = write_checkpoint(tmp_path / name, CHECKPOINT)
        (folder / name).write_bytes(pickle.dumps("nonsense"))
        content = json.loads((folder / "checkpoint.json").read_bytes())
        del content["sum"]
        content["sha256"][name] = hashlib.sha256((folder / name).read_bytes()).hexdigest()
        total = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
        (folder / "checkpoint.json").write_text(json.dumps({**content, "sum": total}))
        with pytest.raises(CheckpointError, match="is damaged"):
            read_checkpoint(folder)


def test_missing_arrays_are_one_clear_error(whole):
    assert any(name.startswith("best/") for name in whole.arrays)
    with small(save_replay_buffer=True, total_timesteps=400).build_algo() as algorithm:
        for name in whole.arrays:
            arrays = {other: array for other, array in whole.arrays.items() if other != name}
            if name.startswith("ports/"):  # then it is another program's
                algorithm.set_state(whole._replace(arrays=arrays))
                assert "other ports" in algorithm.restart_reason
            else:
                with pytest.raises(CheckpointError):
                    algorithm.set_state(whole._replace(arrays=arrays))


@pytest.mark.parametrize("part", ["weights", "arrays"])
def test_a_checkpoint_that_does_not_fit_leaves_the_algorithm_running(part):
    with small().build_algo() as algorithm:
        algorithm.train()
        state, weights = algorithm.get_state(), algorithm.get_weights()
        bad = {**getattr(state, part), next(iter(getattr(state, part))): np.zeros(3, np.float32)}
        with pytest.raises(CheckpointError, match="another network"):
            algorithm.set_state(state._replace(**{part: bad}))
        assert algorithm.progress.steps == 400
        np.testing.assert_equal(algorithm.get_weights(), weights)
        algorithm.train()
