"""The pieces of the benchmarks of vector environments, on sizes that take no time."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import closing

import numpy as np
import pytest
from gymnasium.vector import AutoresetMode, SyncVectorEnv

import reactvec
from benchmarks import balance, harness, memory, rollouts, sharing, startup
from benchmarks.dict_env import EPISODE_STEPS, DictEnv
from benchmarks.harness import Case, Report
from benchmarks.timed_env import DrawnTimeEnv, TimedEnv, calibrate, work

ACTIONS = rollouts.random_actions(300, 2)


def test_a_case_may_say_which_seconds_count():
    measured = harness.measure([Case("a", lambda: 10, seconds=lambda: 2.0)], repeats=3)
    assert measured["a"].rates == [5.0] * 3


def test_same_step_has_no_reset_rows_and_next_step_has():
    for mode, fewest, most in ((AutoresetMode.SAME_STEP, 600, 600), (AutoresetMode.NEXT_STEP, 530, 599)):
        with closing(SyncVectorEnv(rollouts.env_fns(2), autoreset_mode=mode)) as env:
            case = rollouts.vector_case("a", env, ACTIONS)
            assert case.prepare is not None
            case.prepare()
            assert fewest <= case.function() <= most


def test_our_dict_rollout_has_as_many_steps_as_the_stock_one():
    actions = rollouts.random_actions(2 * EPISODE_STEPS + 20, 2)
    fns = [DictEnv] * 2
    with closing(reactvec.ReactorVectorEnv(fns, placement="inline")) as ours, closing(SyncVectorEnv(fns)) as stock:
        steps = [rollouts.vector_case("a", env, actions).function() for env in (ours, stock)]
    assert steps == [2 * (2 * EPISODE_STEPS + 20 - 2)] * 2
    assert rollouts.serial_case("serial", actions, DictEnv).name == "serial"


def test_work_grows_with_its_turns():
    assert work(0) == 1
    assert 0.1 < calibrate(2_000, 5) < 10_000


def test_an_environment_works_as_long_as_its_action_says(monkeypatch: pytest.MonkeyPatch):
    turns: list[int] = []
    monkeypatch.setattr("benchmarks.timed_env.work", turns.append)
    TimedEnv(7).step(0)
    actions = np.array([[30.0], [40.9]])
    with closing(SyncVectorEnv([DrawnTimeEnv] * 2)) as env:
        env.reset(seed=0)
        env.step(actions)
    assert turns == [7, 30, 40]


def test_the_limit_of_a_partition_worked_out_by_hand():
    # Two workers of two: 3 and 7, then 6 and 2; the slower halves take 13 of the 18.
    times = np.array([[1.0, 2.0, 3.0, 4.0], [5.0, 1.0, 1.0, 1.0]])
    assert balance.limit(times, 2) == pytest.approx(18 / (2 * 13))
    # The first of two contiguous ranges is the longer one where the number is odd.
    assert balance.limit(np.ones((5, 3)), 2) == pytest.approx(3 / 4)
    assert balance.limit(np.ones((5, 4)), 2) == 1.0


def test_drawn_times_are_the_same_each_time_and_within_their_bounds():
    times = balance.drawn_times(50, 4, 2.0)
    assert np.array_equal(times, balance.drawn_times(50, 4, 2.0))
    assert 2 * balance.SHORTEST <= times.min() < times.max() <= 2 * balance.LONGEST


def test_the_cells_are_those_of_the_bar():
    cells = sharing.cells(quick=False)
    assert len(set(cells)) == 6 * 4 * 3
    assert set(sharing.cells(quick=True)) < set(cells)
    assert {(cell.envs, cell.microseconds) for cell in cells if cell.is_worth_sharing} == {
        (envs, microseconds) for envs in (8, 64, 256) for microseconds in (50, 500)
    }


def test_only_the_time_within_step_counts():
    with closing(SyncVectorEnv([lambda: TimedEnv(0)] * 2)) as env:
        turns = round(2_000 * calibrate(2_000, 5))
        stepping = sharing.Stepping(env, turns, 10)
        assert stepping.run() == 20
        assert 0 < stepping.seconds < 10 * 2e-3
        assert stepping.warm_up(30, 60.0) == 30
        assert stepping.warm_up(300, 0.0) == sharing.LEAST_WARM_UP_STEPS


def test_a_cell_is_measured_and_shown():
    cell = sharing.Cell(2, 1, 0.0)
    samples = sharing.measure_cell(Report("report", quick=True, repeats=2), cell, 1.0)
    assert samples.keys() == {sharing.AUTO, sharing.SYNC}
    assert all(seconds > 0 for sample in samples.values() for seconds in sample.seconds)
    assert "(" in sharing.shown(samples)


def test_a_start_closes_what_it_started():
    made = []

    def make() -> SyncVectorEnv:
        made.append(SyncVectorEnv(rollouts.env_fns(2)))
        return made[-1]

    assert startup.start(make, 2) == 2
    assert made[0].closed


@pytest.mark.skipif(not memory.can_be_measured(), reason="needs /proc/PID/smaps_rollup")
def test_the_memory_of_a_process_tree_includes_its_descendants():
    code = "import subprocess, sys; subprocess.run([sys.executable, '-S', '-c', 'print(1, flush=True); input()'])"
    child = subprocess.Popen(
        [sys.executable, "-S", "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with child:
        assert child.stdout is not None
        child.stdout.readline()
        members = memory.tree(os.getpid())
        assert len(memory.tree(child.pid)) == 2
        assert set(memory.tree(child.pid)) < set(members)
        assert all(memory.proportional_size(pid) > 0 for pid in memory.tree(child.pid))
        child.communicate("\n")
    assert child.pid not in memory.tree(os.getpid())


@pytest.mark.skipif(not memory.can_be_measured(), reason="needs /proc/PID/smaps_rollup")
def test_processes_need_more_memory_than_bare_environments():
    assert memory.measure_size("AsyncVectorEnv", 4) > memory.measure_size(memory.BARE, 4) > 10_000
