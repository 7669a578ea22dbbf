"""The command line, as a shell calls it."""

import json
import subprocess
import sys

import pytest

from reactvec import cli
from reactvec.algorithms import DQN

SMALL = ["--env", "CartPole-v1", "--total-timesteps", "1300", "--model.hiddens", "8", "--evaluation-duration", "4"]


def run(capsys, *words):
    code = cli.main(words)
    out, err = capsys.readouterr()
    return code, out, err


def test_train_saves_what_it_learned(capsys, tmp_path):
    code, out, err = run(capsys, "train", "dqn", *SMALL, "--quiet", "--save", str(tmp_path / "agent"), "--seed", "3")
    assert code == 0
    assert '"num_episodes": 4' in out
    assert not err
    with DQN.from_checkpoint(tmp_path / "agent") as algorithm:
        assert algorithm.config.seed == 3
        assert algorithm.config.model.hiddens == (8,)
        assert algorithm.progress.steps == 1304


def test_it_is_a_module_as_well():
    done = subprocess.run([sys.executable, "-m", "reactvec", "info"], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("reactvec ")


def test_progress_bar(capsys):
    code, _, err = run(capsys, "train", "dqn", *SMALL)
    assert code == 0
    assert "return" in err
    assert "fps" in err


def test_explain(capsys):
    flags = ["--env-config", '{"max_episode_steps": 20}', "--native", "False", "--lr", "0", "1e-3", "1", "0"]
    code, out, _ = run(capsys, "explain", "dqn", *SMALL, *flags)
    assert code == 0
    assert "policy.act" in out
    assert "learner.learn" in out
    code, out, _ = run(capsys, "explain", "dqn", *SMALL, "--mermaid")
    assert out.startswith("flowchart")


def test_sac(capsys):
    flags = ["--env", "Pendulum-v1", "--model.hiddens", "8", "--total-timesteps", "200", "--train-batch-size", "8"]
    flags += [
        "--evaluation-duration",
        "4",
        "--actor-lr",
        "0",
        "1e-3",
        "1",
        "0",
        "--alpha-lr",
        "0",
        "--initial-alpha",
        "0.1",
    ]
    code, out, err = run(capsys, "train", "sac", *flags, "--target-entropy", "-2", "--quiet")
    assert code == 0
    assert '"num_episodes": 4' in out
    assert not err
    code, out, _ = run(capsys, "explain", "sac", *flags)
    assert "policy.act" in out
    code, _, err = run(capsys, "train", "sac", "--ent-coef", "0.1")
    assert "did you mean --initial-alpha?" in err


@pytest.mark.parametrize("verb", ["train", "explain"])
def test_a_verb_alone_gets_the_usage(capsys, verb):
    for word in ("--help", "-h", "help"):
        assert run(capsys, verb, word) == (0, cli.USAGE, "")
    assert run(capsys, verb) == (2, "", f"reactvec: {verb} what?\n\n{cli.USAGE}")


def test_config_file(capsys, tmp_path):
    file = tmp_path / "config.json"
    file.write_text(json.dumps({"env": "CartPole-v1", "num_envs": 3, "lr": [[0, 1e-3], [1, 0]]}))
    _, out, _ = run(capsys, "explain", "dqn", "--config", str(file))
    assert "envs.step[0:3]" in out
    _, out, _ = run(capsys, "explain", "dqn", "--config", str(file), "--num-envs", "5")
    assert "envs.step[0:5]" in out


def test_preset(capsys, tmp_path):
    flags = ["--env", "CartPole-v1", "--preset=zoo"]
    _, out, _ = run(capsys, "explain", "ppo", *flags)
    assert "envs.step[0:8]" in out
    _, out, _ = run(capsys, "explain", "dqn", *flags)
    assert "envs.step[0:1]" in out
    file = tmp_path / "config.json"
    file.write_text(json.dumps({"env": "CartPole-v1", "num_envs": 3}))
    _, out, _ = run(capsys, "explain", "dqn", "--config", str(file), "--preset", "zoo")
    assert "envs.step[0:3]" in out
    assert "every 256/3 tags from 1024/3" in out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["train", "ppo", "--preset"], "--preset needs a name, such as zoo"),
        (["train", "ppo", "--preset", "zoo"], "set env to one first, not to None"),
        (["train", "ppo", "--preset", "zoo", "--resume", "runs"], "--preset is given beside --resume"),
        (["tran", "dqn"], "did you mean `reactvec train dqn`"),
        (["train", "a3c"], "reactvec has no command 'train a3c'"),
        (["train", "dqn", "--env", "CartPole-v1", "--gamma", "3"], "gamma=3.0 must be a number >= 0 and <= 1"),
        (["train", "dqn"], "env is not set"),
        (["train", "dqn", "--config"], "--config needs a JSON file"),
        (["train", "dqn", "--config", "nowhere.json"], "nowhere.json"),
        (["train", "dqn", "--env", "CartPole-v1", "--env-config", "[1]"], "--env-config holds no JSON object"),
        (["info", "--all"], "info takes no '--all'"),
        (["train", "dqn", "--env", "CartPoel-v1"], "env='CartPoel-v1': Environment `CartPoel` doesn't exist"),
        (["train", "dqn", "--learning-rate=1e-3"], "there is no --learning-rate; did you mean --lr?"),
    ],
)
def test_mistakes_are_named(capsys, words, message):
    code, out, err = run(capsys, *words)
    assert code == 2
    assert message in err
    assert not out


def test_info_and_usage(capsys):
    code, out, _ = run(capsys, "info")
    assert code == 0
    assert "usable cores" in out
    assert "numpy" in out
    assert run(capsys)[1] == run(capsys, "--help")[1]
    assert "reactvec train ppo" in run(capsys)[1]


def test_a_missing_extra_is_named(capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "tyro", None)
    code, _, err = run(capsys, "train", "dqn", *SMALL)
    assert code == 2
    assert "pip install 'reactvec[train]'" in err


@pytest.mark.parametrize("package", ["torch", "safetensors", "tqdm"])
def test_a_missing_package_of_the_extra_is_named(package):
    code = (
        f"import sys; sys.modules[{package!r}] = None\n"
        "from reactvec.algorithms import DQNConfig\n"
        "try:\n    from reactvec.algorithms import train_dqn\n"
        "except ModuleNotFoundError as error:\n    print(error)\n"
        "try:\n    DQNConfig(env='CartPole-v1').build_algo().stop()\n"
        "except ModuleNotFoundError as error:\n    print(error)"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    lines = [f"train_dqn needs {package}: pip install 'reactvec[train]'"]
    if package != "tqdm":  # which only train_dqn needs
        lines.append(f"DQN needs {package}: pip install 'reactvec[train]'")
    assert result.stdout.splitlines() == lines


def test_neither_the_config_nor_info_imports_torch():
    code = (
        "import sys, reactvec, reactvec.cli\n"
        "from reactvec.algorithms import DQNConfig\n"
        "DQNConfig(env='CartPole-v1')\nreactvec.cli.main(['info'])\n"
        "assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)


def test_a_bug_in_the_environment_keeps_its_traceback(monkeypatch):
    def build(config):
        raise ValueError("a bug")

    monkeypatch.setattr("reactvec.algorithms.DQNConfig.build_algo", build)
    with pytest.raises(ValueError, match="a bug"):
        cli.main(["explain", "dqn", *SMALL])


def test_a_reader_that_goes_away():
    command = [sys.executable, "-c", "from reactvec.cli import main; raise SystemExit(main())"]
    process = subprocess.Popen([*command, "info"], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    process.stdout.close()
    assert (process.wait(60), process.stderr.read()) == (141, b"")
    process.stderr.close()


def test_interrupt(capsys, monkeypatch):
    def build(config):
        raise KeyboardInterrupt

    monkeypatch.setattr("reactvec.algorithms.DQNConfig.build_algo", build)
    assert run(capsys, "explain", "dqn", *SMALL) == (130, "", "reactvec: interrupted\n")


@pytest.mark.parametrize("flag", ["--save", "--checkpoint-dir"])
def test_an_unwritable_folder_is_found_before_training(capsys, tmp_path, monkeypatch, flag):
    monkeypatch.setattr("reactvec.algorithms.DQN.train_steps", lambda *arguments: pytest.fail("it trained"))
    (tmp_path / "file").touch()
    code, _, err = run(capsys, "train", "dqn", *SMALL, flag, str(tmp_path / "file" / "agent"))
    assert code == 2
    assert flag.removeprefix("--").replace("-", "_") in err
    assert str(tmp_path / "file") in err
