"""on_worker_failure="restart": whose environments come back, how, and what the others notice, which is nothing."""

from __future__ import annotations

import os
import signal
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from reactvec import ReactorVectorEnv
from reactvec.recovery import EnvironmentsLostError
from tests.faulty_envs import FaultyEnv, misbehave
from tests.vector_env.conftest import Make
from tests.vector_env.worker_places import in_processes, orders

LENGTHS = [9, 9, 9, 7]
DEATHS = {4: "e3", 11: "e2", 12: "e2", 25: "e3"}  # step: whose action ends its process
every_mode = pytest.mark.parametrize("mode", ["NextStep", "SameStep", "Disabled"])


class Row:
    """What one sub-environment must return, the deaths of its process included."""

    def __init__(self, seed: int, length: int, mode: str) -> None:
        self.seed, self.length, self.mode = seed, length, mode
        self.env, self.ended, self.deaths, self.next_seed = FaultyEnv(length), False, 0, None
        self.last = self.env.reset(seed=seed)[0]

    def step(self, dies: bool) -> Any:
        """`(observation, reward, terminated, truncated)`."""
        if dies:
            self.deaths += 1
            self.env = FaultyEnv(self.length)
            self.next_seed = int(np.random.SeedSequence([self.seed, self.deaths]).generate_state(1)[0])
            result = self.last, 0.0, False, True
        elif self.ended:
            result = self.begin(), 0.0, False, False
        else:
            result = self.env.step(0)[:4]
        self.ended = result[2] or result[3]
        if self.ended and self.mode != "NextStep":
            self.ended = False
            if self.mode == "SameStep":
                result = self.begin(), *result[1:]
        self.last = result[0]
        return result

    def begin(self) -> Any:
        seed, self.next_seed = self.next_seed, None
        self.last = self.env.reset(seed=seed)[0]
        return self.last


@in_processes
@every_mode
def test_what_dies_comes_back_and_the_others_lose_nothing(make: Make, place: dict[str, Any], mode: str) -> None:
    vector = make(
        [partial(FaultyEnv, length) for length in LENGTHS], on_worker_failure="restart", autoreset_mode=mode, **place
    )
    rows = [Row(5 + i, length, mode) for i, length in enumerate(LENGTHS)]
    obs, _ = vector.reset(seed=5)
    for step in range(40):
        killer = DEATHS.get(step)
        dies = killer is not None and not rows[int(killer[1])].ended
        last = obs
        obs, *columns, infos = vector.step(orders(**{killer: "exit"} if killer else {}))
        expected = [row.step(dies and i >= 2) for i, row in enumerate(rows)]
        assert obs.tobytes() == np.array([row[0] for row in expected]).tobytes(), step
        for column, values in zip(columns, list(zip(*expected, strict=True))[1:], strict=True):
            assert column.tolist() == list(values), step
        assert infos.get("_worker_restarted", np.zeros(4, bool)).tolist() == [False, False, dies, dies]
        counted = infos.get("_steps", np.zeros(4, bool))
        if mode != "SameStep":  # there the info of the next episode's begin stands instead
            assert counted.tolist() == [not (reset_row(row) or (dies and i >= 2)) for i, row in enumerate(expected)]
        if mode == "SameStep" and dies:
            assert np.stack(infos["final_obs"][2:]).tobytes() == last[2:].tobytes()
            assert infos["final_info"]["worker_restarted"].tolist()[2:] == [True, True]
        over = columns[1] | columns[2]
        if mode == "Disabled" and over.any():
            obs, _ = vector.reset(options={"reset_mask": over})
            assert obs[over].tobytes() == np.array([rows[i].begin() for i in np.flatnonzero(over)]).tobytes()


def reset_row(row: Any) -> bool:
    """A row that is no step."""
    return bool(row[0][0] == 0)


@in_processes
@every_mode
def test_a_restart_is_told_once(make: Make, place: dict[str, Any], mode: str) -> None:
    vector = make([partial(FaultyEnv, quiet=True)] * 4, on_worker_failure="restart", autoreset_mode=mode, **place)
    vector.reset(seed=0)
    vector.step(orders())
    for _ in range(2):
        assert "worker_restarted" in vector.step(orders(e3="exit"))[-1]
        if mode == "Disabled":
            vector.reset()
        for _ in range(4):
            assert vector.step(orders())[-1] == {}


@in_processes
def test_what_dies_in_a_full_reset_is_reset_with_the_seed_that_was_asked_for(make: Make, place: dict[str, Any]) -> None:
    vector, twin = make(on_worker_failure="restart", **place), make(placement="inline")
    victim = vector.call("process")[3]
    os.kill(victim, signal.SIGKILL)
    obs, infos = vector.reset(seed=3)
    assert obs.tobytes() == twin.reset(seed=3)[0].tobytes()
    assert infos["worker_restarted"].tolist() == [False, False, True, True]
    assert victim not in infos["pid"]
    assert vector.step(orders())[0].tobytes() == twin.step(orders())[0].tobytes()


@in_processes
def test_a_death_in_a_masked_reset_resets_what_was_lost_and_says_so(make: Make, place: dict[str, Any]) -> None:
    vector, twin = make(on_worker_failure="restart", **place), make(placement="inline")
    for each in (vector, twin):
        each.reset(seed=3)
        each.step(orders())
    os.kill(vector.call("process")[3], signal.SIGKILL)
    mask = {"reset_mask": np.array([True, False, False, False])}
    obs, infos = vector.reset(options=dict(mask))
    expected, _ = twin.reset(options=dict(mask))
    assert obs[:2].tobytes() == expected[:2].tobytes()
    assert obs[2:].tobytes() == np.array([first_observation(3 + i, 1) for i in (2, 3)]).tobytes()
    assert infos["_worker_restarted"].tolist() == [False, False, True, True]
    assert infos["_pid"].tolist() == [True, False, True, True]
    assert "steps" not in infos
    for _ in range(3):
        result, undisturbed = vector.step(orders()), twin.step(orders())
        assert result[0][:2].tobytes() == undisturbed[0][:2].tobytes()
    assert result[1].tolist() == [3, 4, 3, 3]


@in_processes
def test_a_death_in_the_middle_of_a_masked_reset(make: Make, place: dict[str, Any]) -> None:
    vector = make(on_worker_failure="restart", **place)
    before, _ = vector.reset(seed=3)
    vector.set_attr("faults", {"reset": "exit"}, indices=3)
    obs, infos = vector.reset(seed=20, options={"reset_mask": np.array([False, False, False, True])})
    expected = [before[0], before[1], first_observation(5, 1), FaultyEnv().reset(seed=23)[0]]
    assert obs.tobytes() == np.array(expected).tobytes()
    assert infos["worker_restarted"].tolist() == [False, False, True, True]
    assert vector.get_attr("faults") == ({},) * 4
    assert vector.step(orders())[1].tolist() == [1] * 4


def first_observation(seed: int, restarts: int) -> Any:
    return FaultyEnv().reset(seed=int(np.random.SeedSequence([seed, restarts]).generate_state(1)[0]))[0]


@in_processes
@pytest.mark.parametrize("mode", ["NextStep", "SameStep"])
def test_an_environment_that_dies_at_each_reset_is_given_up(make: Make, place: dict[str, Any], mode: str) -> None:
    vector = make(
        [*[FaultyEnv] * 3, partial(FaultyEnv, reset="exit")],
        on_worker_failure="restart",
        autoreset_mode=mode,
        **place,
    )
    vector.reset(options=[None, None, None, {"fault": ""}])
    with pytest.raises(EnvironmentsLostError, match=r"environments 2 to 3\. They could not .* died 4 times in a row"):
        kill_again_and_again(vector)
    with pytest.raises(EnvironmentsLostError, match="could not be brought back"):
        vector.reset()


def kill_again_and_again(vector: ReactorVectorEnv) -> None:
    for _ in range(10):
        vector.step(orders(e3="exit"))


@in_processes
def test_a_reset_that_kills_each_time_is_given_up(make: Make, place: dict[str, Any]) -> None:
    vector = make(on_worker_failure="restart", **place)
    with pytest.raises(EnvironmentsLostError, match="could not be brought back") as raised:
        vector.reset(options=[None, None, None, {"fault": "kill"}])
    assert raised.value.environments == [2, 3]
    with pytest.raises(EnvironmentsLostError):
        vector.step(orders())


@in_processes
def test_one_that_cannot_be_built_again_is_given_up(make: Make, place: dict[str, Any], tmp_path: Any) -> None:
    mark = tmp_path / "built"

    def once() -> FaultyEnv:
        if mark.exists():
            return FaultyEnv(init="raise")
        mark.touch()
        return FaultyEnv()

    vector = make([*[FaultyEnv] * 3, once], on_worker_failure="restart", **place)
    vector.reset()
    with pytest.raises(EnvironmentsLostError, match="could not be brought back: OddError"):
        vector.step(orders(e3="exit"))


@in_processes
def test_a_death_in_a_call_is_named_and_the_next_step_brings_back(make: Make, place: dict[str, Any]) -> None:
    vector, twin = make(on_worker_failure="restart", **place), make(placement="inline")
    first = vector.reset(seed=0)[0]
    twin.reset(seed=0)
    with pytest.raises(
        EnvironmentsLostError, match=r"environments 2 to 3\. They come back with the next step or reset"
    ):
        vector.call("obey", "exit", indices=3)
    with pytest.raises(EnvironmentsLostError, match="come back"):
        vector.set_attr("mark", 1)
    obs, _, _, truncated, infos = vector.step(orders())
    assert obs[:2].tobytes() == twin.step(orders())[0][:2].tobytes()
    assert obs[2:].tobytes() == first[2:].tobytes()
    assert truncated.tolist() == infos["worker_restarted"].tolist() == [False, False, True, True]
    assert len(set(vector.call("process"))) == 2


@in_processes
def test_an_exception_beside_a_death_is_raised_and_a_reset_brings_back(make: Make, place: dict[str, Any]) -> None:
    vector, twin = make(on_worker_failure="restart", **place), make(placement="inline")
    vector.reset(seed=0)
    with pytest.raises(Exception, match="step: asked to"):
        vector.step(orders(e0="raise", e3="exit"))
    obs, infos = vector.reset(seed=8)
    assert obs.tobytes() == twin.reset(seed=8)[0].tobytes()
    assert infos["worker_restarted"].tolist() == [False, False, True, True]
    assert vector.step(orders())[0].tobytes() == twin.step(orders())[0].tobytes()


def test_all_may_die_at_once(make: Make) -> None:
    vector = make(on_worker_failure="restart", isolated=True, num_workers=4, context="fork")
    first = vector.reset(seed=0)[0]
    obs, _, _, truncated, _ = vector.step(orders(e0="exit", e1="kill", e2="exit", e3="kill"))
    assert obs.tobytes() == first.tobytes()
    assert truncated.all()
    assert vector.step(orders())[0].tobytes() == np.array([first_observation(i, 1) for i in range(4)]).tobytes()
    assert vector.step(orders())[1].tolist() == [1] * 4


@every_mode
@pytest.mark.parametrize("method", ["step", "reset"])
def test_who_dies_while_others_are_brought_back_comes_back_with_the_next_step(
    make: Make, mode: str, method: str
) -> None:
    vector = make(on_worker_failure="restart", autoreset_mode=mode, isolated=True, num_workers=4, context="fork")
    vector.reset(seed=0)
    vector.step(orders())
    victim, replace = vector.call("process")[2], vector._deployment.execution.replace

    def replace_and_kill(worker: int) -> None:
        replace(worker)
        os.kill(victim, signal.SIGKILL)

    vector._deployment.execution.replace = replace_and_kill  # type: ignore[method-assign]
    if method == "step":
        obs, _, _, truncated, infos = vector.step(orders(e3="exit"))
        assert truncated.tolist() == [False, False, False, True]
    else:
        vector.set_attr("faults", {"reset": "exit"}, indices=3)
        obs, infos = vector.reset(options={"reset_mask": np.array([False, True, False, True])})
    assert infos["_worker_restarted"].tolist() == [False, False, False, True]
    vector._deployment.execution.replace = replace  # type: ignore[method-assign]
    if mode == "Disabled" and method == "step":
        vector.reset(options={"reset_mask": np.array([False, False, False, True])})
        return  # which has brought both back
    again, rewards, _, truncated, infos = vector.step(orders())
    assert truncated.tolist() == [False, False, True, False]
    assert infos["_worker_restarted"].tolist() == [False, False, True, False]
    last = infos["final_obs"][2] if mode == "SameStep" else again[2]
    assert last.tobytes() == obs[2].tobytes()
    assert rewards.tolist() == [
        3 if method == "step" else 2,
        3 if method == "step" else 1,
        0,
        mode != "NextStep" or method == "reset",
    ]


class BuiltOnce(FaultyEnv):
    """The first of two takes its time when it is built again, and the other cannot be."""

    def __init__(self, i: int, mark: Path) -> None:
        if mark.exists():
            misbehave(("nap", "raise")[i], "init")
        super().__init__()


def test_what_fails_while_another_comes_up_is_not_lost(make: Make, tmp_path: Path) -> None:
    mark = tmp_path / "built"
    env_fns = [partial(BuiltOnce, i, mark) for i in range(2)]
    vector = make(env_fns, on_worker_failure="restart", isolated=True, num_workers=2, context="fork")
    vector.reset()
    mark.touch()
    with pytest.raises(EnvironmentsLostError, match="could not be brought back: OddError"):
        vector.step(orders(2, e0="exit", e1="exit"))
