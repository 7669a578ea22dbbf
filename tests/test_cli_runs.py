"""The commands of runs: resume, several seeds, eval, plot."""

import json

import numpy as np
import pytest

from reactvec import cli
from reactvec.algorithms import PPO, PPOConfig, train_ppo
from reactvec.algorithms.plotting import band, curves
from reactvec.algorithms.showing import load, measure, show

SMALL = {"train_batch_size": 128, "minibatch_size": 64, "num_epochs": 1, "evaluation_duration": 2, "log_interval": 128}
FLAGS = [word for name, value in SMALL.items() for word in (f"--{name.replace('_', '-')}", str(value))]


def run(capsys, *words):
    code = cli.main([str(word) for word in words])
    out, err = capsys.readouterr()
    return code, out, err


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Logs and checkpoints of two seeds."""
    folder = tmp_path_factory.mktemp("runs")
    folders = {"log_dir": folder / "log", "checkpoint_dir": folder / "c"}
    train_ppo("CartPole-v1", 512, seeds=[0, 1000], progress=False, **folders, **SMALL)
    return folder


def test_resume_takes_the_settings_of_the_checkpoint(capsys, tmp_path):
    words = ("train", "ppo", "--env", "CartPole-v1", "--total-timesteps", 256, *FLAGS, "--quiet")
    code, out, _ = run(capsys, *words, "--checkpoint-dir", tmp_path, "--seed", 7)
    assert (code, json.loads(out)["env_runners"]["num_episodes"]) == (0, 2)
    code, _, err = run(capsys, "train", "ppo", "--resume", tmp_path, "--total-timesteps", 384, "--lr", 1e-4, "--quiet")
    assert (code, err) == (0, "")
    with PPO.from_checkpoint(tmp_path / "step_384") as algorithm:
        config = algorithm.config
    assert (config.seed, config.lr, config.minibatch_size, config.total_timesteps) == (7, 1e-4, 64, 384)
    assert (config.checkpoint_dir, config.model) == (str(tmp_path), PPOConfig().model)


def test_the_best_is_told_with_what_it_was_chosen_for(capsys):
    words = ("train", "ppo", "--env", "CartPole-v1", "--total-timesteps", 256, "--evaluation-interval", 128, *FLAGS)
    code, out, _ = run(capsys, *words, "--quiet")
    assert code == 0
    assert out.count('"episode_return_mean"') == 2
    assert "best after 128 steps: return " in out or "best after 256 steps: return " in out


def test_several_seeds_from_the_command_line(capsys, tmp_path):
    words = ("train", "ppo", "--env", "CartPole-v1", "--total-timesteps", 128, *FLAGS, "--checkpoint-dir", tmp_path)
    code, out, _ = run(capsys, *words, "--seeds", 1, 2)
    assert code == 0
    assert "2 seeds: return" in out
    code, out, _ = run(capsys, "train", "ppo", "--resume", tmp_path, "--seeds", 1, 2, "--total-timesteps", 256)
    assert code == 0
    assert "seed 2: return" in out
    assert "after 256 steps" in out
    code, out, _ = run(capsys, "train", "ppo", "--resume", tmp_path, "--seeds", 1, 3)
    assert code == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["seed_1", "seed_2", "seed_3"]
    assert sorted(path.name for path in (tmp_path / "seed_3").iterdir()) == ["step_256"]
    code, _, err = run(capsys, *words, "--seeds", 1, 2, "--seed", 3)
    assert code == 2
    assert "--seed is given beside --seeds" in err
    code, _, err = run(capsys, *words, "--seeds", 1, 2, "--save", tmp_path / "agent")
    assert code == 2
    assert "--save takes one agent" in err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["train", "ppo", "--resume", "nowhere"], "nowhere is no checkpoint, and holds none"),
        (["train", "dqn", "--resume", "{c}/seed_0"], "is of PPO, not of DQN"),
        (["eval", "nowhere"], "nowhere is no checkpoint, and holds none"),
        (["eval", "{c}"], "c holds a folder for each of several seeds; name one, such as {c}/seed_0"),
        (
            ["train", "ppo", "--env", "CartPole-v1", "--log-dir", "/dev/null/x"],
            "log_dir='/dev/null/x' cannot be written: ",
        ),
        (["eval", "{c}/seed_0", "--episodes", "0"], "--episodes 0: give 1 or more"),
        (["eval", "{c}/seed_0", "--env", "Acrobot-v1"], "checkpoint of PPO on Box"),
        (["eval", "{c}/seed_0", "--video", "/dev/null/films"], "/dev/null/films takes no films: "),
        (["plot", "nowhere"], "nowhere holds no progress.csv; train with log_dir"),
        (["plot", "{log}", "--metric", "retrun"], "has no numbers in a column 'retrun'"),
        (["plot", "{log}", "--out", "{log}/seed_0/progress.csv/a.png"], "--out "),
        (["plot", "{log}", "--out", "{log}/a.word"], "--out "),
    ],
)
def test_mistakes_are_named(capsys, trained, words, message):
    words = [word.format(c=trained / "c", log=trained / "log") for word in words]
    code, out, err = run(capsys, *words)
    assert (code, out) == (2, "")
    assert message.format(c=trained / "c") in err


def test_a_module_in_an_id_is_not_imported_unasked(capsys, trained, tmp_path):
    with PPO.from_checkpoint(trained / "c" / "seed_0" / "step_512") as algorithm:
        state = algorithm.get_state()
    from reactvec.algorithms.checkpoint import write_checkpoint

    state.state["config"]["env"] = "antigravity:CartPole-v1"
    write_checkpoint(tmp_path / "one", state)
    for words in (["train", "ppo", "--resume"], ["eval"]):
        code, _, err = run(capsys, *words, tmp_path / "one")
        assert code == 2
        assert "imports a module; to allow it, pass it as env=" in err


def test_eval(capsys, trained):
    code, out, _ = run(capsys, "eval", trained / "c" / "seed_0", "--episodes", 6)
    assert (code, json.loads(out)["env_runners"]["num_episodes"]) == (0, 6)
    code, out, _ = run(capsys, "eval", trained / "c" / "seed_0" / "step_512", "--env", "CartPole-v1", "--episodes", 23)
    assert (code, json.loads(out)["env_runners"]["num_episodes"]) == (0, 23)


def test_eval_on_another_environment(capsys, tmp_path):
    settings = {"evaluation_env": "CartPole-v1", "checkpoint_dir": tmp_path, "progress": False, **SMALL}
    train_ppo("CartPole-v1", 128, env_config={"max_episode_steps": 9}, **settings)
    code, out, _ = run(capsys, "eval", tmp_path, "--env", "CartPole-v1", "--episodes", 2)
    assert code == 0
    assert json.loads(out)["env_runners"]["episode_return_max"] <= 9  # env_config is of `env`


def test_eval_has_seeds_that_training_did_not_evaluate_on(capsys, tmp_path):
    settings = {**SMALL, "evaluation_duration": 20, "evaluation_interval": 128, "progress": False}
    result = train_ppo("CartPole-v1", 256, checkpoint_dir=tmp_path, **settings)
    code, out, _ = run(capsys, "eval", tmp_path / "best", "--episodes", 20)
    with PPO.from_checkpoint(tmp_path / "best") as algorithm:
        chosen, measured, fresh = (algorithm.evaluate(draw=draw) for draw in range(3))
    assert chosen["env_runners"]["episode_return_mean"] == result.best.selected_return
    assert measured == result.best.evaluation
    assert (code, json.loads(out)) == (0, fresh)
    assert fresh not in (chosen, measured)


def test_eval_records_a_video(capsys, trained, tmp_path):
    code, out, _ = run(capsys, "eval", trained / "c" / "seed_0", "--video", tmp_path / "films", "--episodes", 2)
    assert code == 0
    assert out.count("return ") == 2
    films = sorted((tmp_path / "films").glob("*.mp4"))
    assert len(films) == 2
    assert all(film.stat().st_size > 1000 for film in films)


def test_eval_shows_a_window(capsys, trained, monkeypatch):
    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")
    with load(trained / "c" / "seed_0") as algorithm:
        ((total, length),) = show(algorithm, 1, None)
        evaluated = algorithm.evaluate()
    assert total == length
    low, high = (evaluated["env_runners"][f"episode_return_{end}"] for end in ("min", "max"))
    assert 8 <= low <= high <= 500


def test_what_is_shown_is_what_is_measured(tmp_path):
    """`env_config` is of the training's environment alone."""
    settings = {"env_config": {"sutton_barto_reward": True}, "evaluation_env": "CartPole-v1", "evaluation_duration": 1}
    with PPOConfig(env="CartPole-v1", **settings).build_algo() as algorithm:
        ((total, length),) = show(algorithm, 1, tmp_path / "films")
        assert total == length
        assert measure(algorithm, 1)["env_runners"]["episode_return_mean"] == total


def test_plot(capsys, trained, tmp_path):
    out = tmp_path / "deep" / "returns.png"
    code, told, _ = run(capsys, "plot", trained / "log", trained / "log" / "seed_0", "--out", out)
    assert (code, told) == (0, f"drawn to {out}\n")
    assert out.read_bytes().startswith(b"\x89PNG")
    found = curves(trained / "log", "env_runners/episode_return_mean")
    assert [steps.tolist() for steps, _ in found] == [[128, 256, 384, 512]] * 2


def test_mean_and_band_of_seeds():
    one = np.array([0.0, 10.0, 20.0]), np.array([0.0, 10.0, 20.0])
    other = np.array([5.0, 15.0]), np.array([3.0, 3.0])
    steps, mean, deviation = band([one, other])
    assert steps.tolist() == [0, 5, 10, 15, 20]
    assert mean.tolist() == [0, 4, 6.5, 9, 20]
    assert deviation.tolist() == [0, 1, 3.5, 6, 0]
    apart = np.array([30.0]), np.array([7.0])
    assert [array.tolist() for array in band([other, apart])] == [[5, 15, 30], [3, 3, 7], [0, 0, 0]]
