"""The benchmark of the speed of training: its processes, its cases, and the clock of the time to a return."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks import training, training_cases
from benchmarks.apart import Apart
from benchmarks.harness import Report, Sample
from benchmarks.learning_rows import ours, row_of
from benchmarks.learning_sides import OURS, SB3
from benchmarks.page import END, begin, rewrite
from benchmarks.time_to_return import CHECKED, PERIOD, WANTED, Goal, Reached, measured
from reactvec.algorithms import DQNConfig, PPOConfig, SACConfig


def test_cases_run_in_their_own_processes_and_are_compared():
    report = Report("report", quick=True, repeats=1)
    names = [training_cases.SERIAL, training_cases.KERNEL_ONE]
    samples = training.compare(report, "a table", names, 4_096, names[0])
    assert samples[training_cases.SERIAL].steps == [1_024]
    assert samples[training_cases.KERNEL_ONE].steps == [1_024]
    assert all(sample.seconds[0] > 0 for sample in samples.values())


def test_a_process_that_ends_is_named():
    with Apart(training.MODULE, "no such case") as process, pytest.raises(RuntimeError, match="'no such case' ended"):
        process.run(1)
    assert process.process.returncode == 1


@pytest.mark.parametrize("name", [training_cases.SB3_PPO, training_cases.PYTHON_TORCH, training_cases.OUR_DQNS[8]])
def test_a_case_goes_on_where_it_was(name: str):
    work = training_cases.CASES[name]()
    assert work(1_024) == 1_024
    assert work(2_048) == 2_048


def test_both_sides_have_the_same_settings():
    said, config = training_cases.PPO_SETTINGS, PPOConfig(**training_cases.OUR_PPO)
    assert config.train_batch_size == said["n_steps"] * training_cases.PPO_ENVS
    assert (config.minibatch_size, config.num_epochs) == (said["batch_size"], said["n_epochs"])
    assert (config.lr, config.gamma, config.lambda_) == (said["learning_rate"], said["gamma"], said["gae_lambda"])
    assert (config.clip_param, config.entropy_coeff) == (said["clip_range"], said["ent_coef"])
    assert (config.vf_loss_coeff, config.grad_clip) == (said["vf_coef"], said["max_grad_norm"])
    assert (config.vf_clip_param, config.target_kl, config.normalize_advantages) == (None, None, True)


def test_dqn_has_the_settings_of_its_row():
    row = row_of("dqn/CartPole-v1")
    differing = {"epsilon", "num_envs"}
    of_row = DQNConfig(**ours(row)).to_dict()
    of_case = DQNConfig(**training_cases.OUR_DQN).to_dict()
    shared = set(ours(row)) - differing
    assert {name: of_case[name] for name in shared} == {name: of_row[name] for name in shared}
    said = training_cases.DQN_SETTINGS
    assert {name: row.settings[name] for name in said if "exploration_fraction" not in name} == {
        name: said[name] for name in said if "exploration_fraction" not in name
    }


def test_rollouts_alone_change_no_weights():
    with training_cases.rollouts_alone(placement="inline") as algorithm:
        before = algorithm.get_weights()
        algorithm.train_steps(2 * 64 * 128)
        after = algorithm.get_weights()
        assert algorithm.progress.steps == 2 * 64 * 128
        assert algorithm.progress.episodes > 100
    assert all(np.array_equal(before[name], after[name]) for name in before)


def test_a_goal_is_looked_at_when_it_is_time_and_confirmed_on_fresh_seeds(monkeypatch: pytest.MonkeyPatch):
    looked: list[tuple[int, int]] = []
    answers = [WANTED - 1, WANTED, WANTED - 1, WANTED, WANTED]

    def mean(self: Goal, episodes: int, first_seed: int) -> float:
        looked.append((episodes, first_seed))
        return answers[len(looked) - 1]

    monkeypatch.setattr(Goal, "mean", mean)
    goal = Goal(lambda obs: obs)
    steps = [0, PERIOD - 1, PERIOD, PERIOD + 256, 2 * PERIOD, 3 * PERIOD]
    assert [goal.reached(step) for step in steps] == [False, False, False, False, False, True]
    seeds = [first for _, first in looked]
    assert [episodes for episodes, _ in looked] == [CHECKED, CHECKED, 100, CHECKED, 100]
    assert seeds[0] == seeds[1] == seeds[3]
    assert len(set(seeds)) == 3


def test_the_mean_of_a_goal_is_that_of_whole_episodes():
    pushes_one_way = Goal(lambda obs: np.ones(len(obs), np.int64))
    assert 8.0 <= pushes_one_way.mean(20, 1) <= 11.0


@pytest.mark.parametrize("side", [OURS, SB3])
def test_a_training_is_clocked_in_a_process_of_its_own(side: str):
    found = measured(side, 1_000, limit=256)
    assert found.steps is None
    assert 0 < found.seconds < found.from_process_start < 100


def test_times_faster_by_hand():
    def runs(*seconds: float | None) -> list[Reached]:
        return [Reached(None if value is None else 1, value or 9.0, 10.0) for value in seconds]

    assert training.times_faster({OURS: runs(1.0, 2.0, 8.0), SB3: runs(7.0, 8.0, None)}) == 4.0
    assert training.times_faster({OURS: runs(1.0), SB3: runs(None)}) is None


def test_a_page_shows_tables_and_bars(tmp_path: Path):
    report = Report("report", machine={"processor": "a fast one"})
    samples: dict[str, Any] = {"ours": Sample("ours", [100] * 3, [0.1] * 3)}
    report.table("a table", samples)
    report.bar("a bar", 3.0, at_least=2.0)
    target = tmp_path / "page.md"
    target.write_text(f"{begin(training.COMMAND)}\nold\n{END}\n")
    rewrite(target, training.COMMAND, training.page(report, ["| seed |"]))
    text = target.read_text()
    assert "| processor | a fast one |" in text
    assert "| ours | 1,000 | 1,000 to 1,000 |" in text
    assert "| a bar | 3.00 | 2 | met |" in text
    assert "old" not in text


def test_sac_has_the_settings_of_its_row():
    row = row_of("sac/Pendulum-v1")
    of_row, of_case = SACConfig(**ours(row)).to_dict(), SACConfig(**training_cases.OUR_SAC).to_dict()
    assert {name: of_case[name] for name in ours(row)} == {name: of_row[name] for name in ours(row)}
    assert row.settings["learning_rate"] == training_cases.SAC_SETTINGS["learning_rate"]
