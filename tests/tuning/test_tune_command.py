"""`reactvec tune`, as a shell calls it."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest

from reactvec import cli, tuning

QUICK = ["--num-envs", "2", "--seconds", "0.01"]
ODD = "tests.tuning.odd_envs:"


def run(capfd, *words):
    code = cli.main(["tune", *words])
    out, err = capfd.readouterr()
    return code, out, err


def test_a_table_and_a_line_to_paste(capfd, tmp_path):
    file = tmp_path / "figures.json"
    code, out, err = run(capfd, "CartPole-v1", *QUICK, "--kwargs", '{"max_episode_steps": 9}', "--json", str(file))
    assert (code, err) == (0, "")
    pasted = 'ReactorVectorEnv([lambda: gym.make("CartPole-v1", max_episode_steps=9)] * 2, native=True)'
    assert out.splitlines().count(f"    {pasted}") == 1
    assert "serial loop" in out
    assert "<- auto" in out
    figures = json.loads(file.read_text())
    assert figures["source"] == {"target": "CartPole-v1", "kwargs": {"max_episode_steps": 9}}
    fastest = figures["rows"][figures["fastest"]]
    assert fastest["rate"] == max(row["rate"] for row in figures["rows"])
    assert f"Fastest, {fastest['rate']:,.0f} steps/s" in out


def test_a_function_of_a_module_beside_the_shell(tmp_path):
    (tmp_path / "mine.py").write_text(
        "import gymnasium as gym\n\n\ndef make():\n    print('noise')\n    return gym.make('CartPole-v1')\n"
    )
    command = [sys.executable, "-c", "import sys, reactvec.cli; sys.path.remove(''); sys.exit(reactvec.cli.main())"]
    words = [*command, "tune", "mine:make", *QUICK]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stderr
    assert "ReactorVectorEnv([make] * 2" in done.stdout
    assert done.stdout.count("noise") == 1


def test_nothing_works(capfd):
    code, out, _ = run(capfd, f"{ODD}RaisingEnv", *QUICK)
    assert code == 1
    assert "OddError: step" in out
    assert "No setting works." in out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["CartPoel-v1"], "reactvec: CartPoel-v1 cannot be made: NameNotFound: Environment `CartPoel` doesn't exist"),
        ([f"{ODD}make_faulty", "--kwargs", '{"fault": 7}'], "cannot be made: ValueError: 7 is not in list"),
        (["no_such_module:make"], "cannot be made: ModuleNotFoundError"),
        (["CartPole-v1", "--kwargs", "[1]"], "--kwargs holds no JSON object"),
        (["CartPole-v1", "--json", "/nowhere/figures.json"], "reactvec: --json: "),
    ],
)
def test_mistakes_are_named(capfd, words, message):
    code, out, err = run(capfd, *words)
    assert code == 2
    assert message in err
    assert not out


@pytest.mark.parametrize(
    "words", [[], ["CartPole-v1", "--num-envs", "0"], ["CartPole-v1", "--seconds", "-1"], ["CartPole-v1", "--lr", "1"]]
)
def test_flags_that_make_no_sense(capfd, words):
    with pytest.raises(SystemExit) as left:
        run(capfd, *words)
    assert left.value.code == 2
    assert "usage: reactvec tune" in capfd.readouterr().err


def test_the_default_that_is_told_is_the_one_that_holds():
    assert cli._tune_options(["CartPole-v1"]).seconds == tuning.SECONDS


def test_it_needs_no_extra():
    script = (
        "import sys\nfor name in ('torch', 'tyro', 'tqdm', 'safetensors'): sys.modules[name] = None\n"
        f"import reactvec.cli\nsys.exit(reactvec.cli.main(['tune', 'CartPole-v1', *{QUICK}]))"
    )
    subprocess.run([sys.executable, "-c", script], capture_output=True, check=True, timeout=100)


@pytest.mark.parametrize("seconds", [0.001, 1000])
def test_ctrl_c_ends_it(seconds):
    """Of all processes of a terminal, in a step or between; nobody is left, and nobody else says a word."""
    words = [f"{ODD}SlowEnv", "--kwargs", json.dumps({"seconds": seconds}), "--seconds", "5"]
    command = [sys.executable, "-m", "reactvec.cli", "tune", *words]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    time.sleep(3)
    assert process.poll() is None
    began = time.monotonic()
    os.killpg(process.pid, signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert time.monotonic() - began < 5
    assert (process.returncode, out, err) == (130, "", "reactvec: interrupted\n")
    assert is_over(process.pid)


def is_over(group):
    """Whether all processes of a group end within five seconds."""
    for _ in range(50):
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.1)
    return False
