"""The benchmark of learning: its rows and their translation, its evaluator, its folder of results, its page."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch

from benchmarks import breakout, evaluator, learning, learning_report, learning_results
from benchmarks.evaluator import SEEDS, evaluate
from benchmarks.learning_results import BrokenResult, Result, Run
from benchmarks.learning_rows import ROWS, Row, ours, row_of
from benchmarks.learning_sides import OURS, PIPELINE, SB3, CannotRun, check, settings_of
from benchmarks.page import END, begin, rewrite
from reactvec.algorithms import DQNConfig, PPOConfig

PPO_CARTPOLE, DQN_CARTPOLE, SAC_PENDULUM = (
    row_of(name) for name in ("ppo/CartPole-v1", "dqn/CartPole-v1", "sac/Pendulum-v1")
)
SHORT = learning.shortened(PPO_CARTPOLE)
QUICK = ["--quick", "--only", "ppo/CartPole-v1"]


class Counting(gym.Env[np.ndarray, int]):
    """Pays what its seed says at each of three steps, and action 1 as much again."""

    observation_space = gym.spaces.Box(-np.inf, np.inf, (1,))
    action_space = gym.spaces.Discrete(2)

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[np.ndarray, dict[str, Any]]:
        assert seed is not None
        self.pay, self.steps = seed, 0
        return np.array([seed], np.float32), {}

    def step(self, action: int) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        self.steps += 1
        return np.array([self.pay], np.float32), self.pay * (1.0 + action), self.steps == 3, False, {}


def result(row: Row, side: str, score: float) -> Result:
    """A made-up result whose evaluation returned `score` throughout."""
    curve: list[list[Any]] = [[0, None], [row.steps // 2, score / 2], [row.steps, score]]
    return Result(row.steps, settings_of(row, side), [score] * 4, curve, 60.0, {"python": "CPython"})


def write_all(row: Row, folder: Path, score: Callable[[str, int], float]) -> None:
    """Made-up results of all runs of a row."""
    for run in learning.runs_of([row]):
        learning_results.write(run, result(row, run.side, score(run.side, run.seed)), folder)


@pytest.fixture
def page(tmp_path: Path) -> Path:
    path = tmp_path / "page.md"
    path.write_text(f"before\n{begin(learning_report.COMMAND)}\nold\n{END}\nafter\n")
    return path


def test_every_return_is_that_of_its_seed():
    envs = 0

    def make() -> Counting:
        nonlocal envs
        envs += 1
        return Counting()

    returns = evaluate(lambda obs: (obs[:, 0] >= 5).astype(int), make, [1, 2, 5, 7], envs=2)
    assert returns == [3.0, 6.0, 30.0, 42.0]
    assert envs == 2


def test_evaluations_share_their_seeds_evenly_and_training_sees_none_of_them():
    assert len(set(SEEDS)) == evaluator.EPISODES == 100
    assert evaluator.EPISODES % evaluator.ENVS == 0
    assert all(seed % 2 for seed in SEEDS)  # reactvec's training seeds are even
    assert min(SEEDS) > max(seed + row.settings["n_envs"] for row in ROWS for seed in row.all_seeds)


def test_the_rows_are_those_of_the_bar():
    assert {(row.name, row.seeds) for row in ROWS} == {
        *((f"{name}/CartPole-v1", 30) for name in ("ppo", "dqn")),  # 10 were too few to tell
        *((f"ppo/{name}", 10) for name in ("Acrobot-v1", "LunarLander-v3")),
        ("dqn/LunarLander-v3", 20),  # 10 were too few
        ("ppo/HalfCheetah-v5", 10),  # 5 were too few
        ("sac/HalfCheetah-v5", 5),
        *((f"{name}/MinAtar-Breakout", 5) for name in ("ppo", "dqn")),
        ("sac/Pendulum-v1", 5),
    }
    assert all(np.diff(row.all_seeds).min() >= 1_000 and row.random < row.reference for row in ROWS)


@pytest.mark.parametrize("row", [row for row in ROWS if row.algorithm != "sac"], ids=lambda row: row.name)
def test_the_settings_of_every_row_are_settings_of_ours(row: Row):
    said = ours(row)
    if isinstance(said["model"], str):
        assert said.pop("model") == "MinAtar"
    config = {"ppo": PPOConfig, "dqn": DQNConfig}[row.algorithm](**said)
    assert config.gamma == row.settings["gamma"]
    assert json.loads(json.dumps(said)) == said  # or a result could not be compared with its row


def test_a_translation_worked_out_by_hand():
    said = ours(PPO_CARTPOLE)
    assert (said["train_batch_size"], said["minibatch_size"], said["num_epochs"]) == (256, 256, 20)
    assert said["lr"] == [[0.0, 0.001], [1.0, 0.0]]
    assert said["clip_param"] == [[0.0, 0.2], [1.0, 1e-8]]
    dqn = ours(DQN_CARTPOLE)
    assert dqn["epsilon"] == [[0.0, 1.0], [0.16, 0.04]]
    assert (dqn["target_network_update_freq"], dqn["double_q"], dqn["n_step"]) == (256, False, 1)
    assert dqn["replay_buffer_config"] == {"capacity": 100_000}


def test_the_networks_for_images_make_what_both_sides_want():
    observations, actions = gym.spaces.Box(0, 1, (4, 10, 10), np.uint8), gym.spaces.Discrete(3)
    images = torch.ones((5, 4, 10, 10), dtype=torch.uint8)
    assert breakout.ActionValues(observations, actions)(images).shape == (5, 3)
    network = breakout.ActorCritic(observations, actions)
    logits, values = network(images)
    assert (logits.shape, values.shape) == ((5, 3), (5,))
    squares = network.actor.weight @ network.actor.weight.T
    assert torch.allclose(squares, 1e-4 * torch.eye(3), atol=1e-8)


def test_normalisation_by_hand():
    assert Row("ppo", "CartPole-v1", 1, 1, -100.0, 300.0, {}).normalized(200.0) == 0.75


def test_an_unknown_row_names_those_that_there_are():
    with pytest.raises(ValueError, match=r"no row 'ppo/Pong'.*ppo/CartPole-v1"):
        row_of("ppo/Pong")


def test_what_is_missing_is_said(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("benchmarks.learning_rows.importlib.util.find_spec", lambda name: None)
    with pytest.raises(CannotRun, match="needs mujoco"):
        check(row_of("ppo/HalfCheetah-v5"), SB3)
    monkeypatch.delattr("reactvec.algorithms.PPOConfig")
    check(PPO_CARTPOLE, SB3)
    with pytest.raises(CannotRun, match="no PPOConfig"):
        check(PPO_CARTPOLE, OURS)


@pytest.mark.parametrize(
    ("row", "side"),
    [(PPO_CARTPOLE, OURS), (PPO_CARTPOLE, PIPELINE), (PPO_CARTPOLE, SB3), (DQN_CARTPOLE, OURS), (DQN_CARTPOLE, SB3)],
)
def test_a_training_leaves_a_result_with_its_curve(row: Row, side: str, tmp_path: Path):
    run = Run(side, learning.shortened(row), 1_000)
    learning.train(run, tmp_path, 4)
    found = learning_results.read(run, tmp_path, 4)
    assert found is not None
    assert len(found.returns) == 4
    assert min(found.returns) >= 8.0  # the pole cannot fall sooner
    assert found.curve[-1][0] >= run.row.steps
    assert 10 < found.curve[-1][1] < 100


def test_a_folder_of_results_is_continued(tmp_path: Path, capfd: pytest.CaptureFixture[str]):
    done = Run(SB3, SHORT, 1_000)
    learning_results.write(done, result(SHORT, SB3, 9.0), tmp_path)
    before = done.file(tmp_path).read_bytes()
    assert learning.main([*QUICK, "--results", str(tmp_path)]) == 0
    assert "2 trainings to be done, 3 wanted" in capfd.readouterr().out
    assert done.file(tmp_path).read_bytes() == before
    assert learning_results.missing(learning.runs_of([SHORT]), tmp_path, 4) == []
    assert not list(tmp_path.rglob("*.tmp"))


def test_a_training_that_fails_is_told_with_its_error(tmp_path: Path, capfd: pytest.CaptureFixture[str]):
    (tmp_path / "ppo").write_text("a file where a folder should be")
    assert learning.main([*QUICK, "--side", SB3, "--results", str(tmp_path)]) == 1
    assert "FAILED" in capfd.readouterr().out


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda text: text[:50], "is broken"),
        (lambda text: "[]", "is broken"),
        (lambda text: text.replace("[9.0, ", "["), "no 4 returns"),
        (lambda text: text.replace('"gamma": 0.98', '"gamma": 0.5'), "other settings"),
        (lambda text: text.replace('"steps": 1000', '"steps": 999'), "other settings"),
    ],
)
def test_a_broken_result_is_named(
    change: Callable[[str], str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    run = Run(SB3, SHORT, 1_000)
    learning_results.write(run, result(SHORT, SB3, 9.0), tmp_path)
    target = run.file(tmp_path)
    text = target.read_text()
    target.write_text(change(text))
    assert target.read_text() != text
    with pytest.raises(BrokenResult, match=message):
        learning_results.read(run, tmp_path, 4)
    assert learning.main([*QUICK, "--results", str(tmp_path)]) == 2
    assert str(target) in capsys.readouterr().err


def test_the_page_judges_complete_rows_and_names_what_is_missing(tmp_path: Path, page: Path):
    better = Row("ppo", "CartPole-v1", 1_000, 4, 0.0, 100.0, PPO_CARTPOLE.settings)
    worse = Row("dqn", "CartPole-v1", 1_000, 4, 0.0, 100.0, DQN_CARTPOLE.settings)
    write_all(better, tmp_path, lambda side, seed: 50.0 + seed / 1_000)
    write_all(worse, tmp_path, lambda side, seed: 40.0 if side == OURS else 50.0)
    learning_report.report([better, worse, SAC_PENDULUM], tmp_path, 4, page)
    text = page.read_text()
    assert text.startswith("before\n")
    assert text.endswith("after\n")
    assert "old" not in text
    gap = "-0.100 (-0.100 to -0.100)"
    assert f"| dqn/CartPole-v1 | 1,000 | 4 | 40.0 | 50.0 | {gap} | NOT MET | {gap} |" in text
    assert "| ppo/CartPole-v1 | 1,000 | 4 | 52.5 | 52.5 | +0.000 (-0.0" in text
    assert "not judged; missing: reactvec: 5 of 5 seeds; sb3: 5 of 5 seeds" in text
    assert "All rows of sac" not in text
    assert (tmp_path / "page.svg").read_text().count("CartPole") >= 2


def test_a_row_without_all_its_seeds_is_not_judged(tmp_path: Path):
    row = Row("ppo", "CartPole-v1", 1_000, 3, 0.0, 100.0, PPO_CARTPOLE.settings)
    write_all(row, tmp_path, lambda side, seed: 50.0)
    Run(OURS, row, 2_000).file(tmp_path).unlink()
    found = learning_report.found_of(row, tmp_path, 4)
    assert learning_report.compared([found], OURS) is None
    assert "not judged; missing: reactvec: 1 of 3 seeds" in learning_report.table([found])[-2]
    assert "| ppo/CartPole-v1, pipeline | 1,000 | 3 | 50.0 | 50.0 | +0.000" in learning_report.table([found])[-1]


def test_the_same_results_draw_the_same_bytes(tmp_path: Path, page: Path):
    write_all(SHORT, tmp_path, lambda side, seed: 50.0)
    drawn = []
    for _ in range(2):
        learning_report.report([SHORT], tmp_path, 4, page)
        drawn.append(page.with_suffix(".svg").read_bytes())
    assert drawn[0] == drawn[1]


def test_late_scores_by_hand():
    row = row_of("dqn/CartPole-v1")
    made = result(row, OURS, 1.0)
    assert replace(made, curve=[[30_000, 9.0], [30_001, 1.0], [40_000, None], [50_000, 4.0]]).late_score == 2.5
    assert math.isnan(replace(made, curve=[[30_000, 9.0], [50_000, None]]).late_score)


def test_quartiles_of_curves_by_hand():
    # At the common steps 2 to 4: 2, 3, 4 and 4, 4, 4 and 0, 1, 2; the first curve's None is no point.
    curves = ([[1, None], [2, 2.0], [4, 4.0]], [[0, 4.0], [4, 4.0]], [[2, 0.0], [5, 3.0]])
    results = [Result(4, {}, [], curve, 1.0, {}) for curve in curves]
    steps, lower, median, upper = learning_report.quartiles(results, points=3)
    assert steps == [2.0, 3.0, 4.0]
    assert lower == [1.0, 2.0, 3.0]
    assert median == [2.0, 3.0, 4.0]
    assert upper == [3.0, 3.5, 4.0]


def test_a_page_without_markers_is_refused(page: Path):
    with pytest.raises(ValueError, match=r"page\.md has no"):
        rewrite(page, "another command", [])
