"""Settings are measured in turns; those that fail say why, and the others go on."""

import json
import multiprocessing

import pytest

from reactvec import env_profile, tuning, tuning_report
from reactvec.env_profile import EnvProfile, StepTimes
from reactvec.env_source import EnvSource
from reactvec.trial import REACTOR, SERIAL, SYNC, Setting, TrialFailedError, trial
from reactvec.tuning import Row, Tuning, TuningError, settings, tune

ODD = "tests.tuning.odd_envs:"


def odd(name, num_envs=2, **kwargs):
    return tune(EnvSource(ODD + name, kwargs), [num_envs], seconds=0.02)


def failures(result):
    return {row.setting.label(): row.failure for row in result.rows if row.failure}


@pytest.fixture(autouse=True)
def two_cores(monkeypatch):
    monkeypatch.setattr("reactvec.tuning.usable_cores", lambda: 2)
    yield
    assert multiprocessing.active_children() == []


def test_an_environment_with_a_kernel():
    said = []
    result = tune(EnvSource("CartPole-v1"), [3, 3], 0.02, said.append)
    assert not failures(result)
    assert {len(row.rates) for row in result.rows} == {tuning.TURNS}
    assert [row.setting.label() for row in result.rows if row.auto] == ["native=True"]
    assert result.fastest.setting == Setting(REACTOR, 3, {"native": True})
    assert result.fastest.rate == max(row.rate for row in result.rows)
    assert result.safest.setting.keywords == {"isolated": True, "num_workers": 2}
    assert result.profile.times.median_us <= result.profile.times.p99_us
    assert said[0] == "one environment"
    assert said[1] == "turn 1 of 3: 1 x serial loop"
    assert len(said) >= 1 + 7 + 2 * len(result.rows)


@pytest.mark.parametrize("name", ["DictEnv", "UnboundedEnv", "CountingEnv"])
def test_environments_without_one(name):
    result = odd(name)
    assert not failures(result)
    assert not result.profile.native
    assert [row.setting.label() for row in result.rows if row.auto] in (
        ['placement="inline"'],
        ['placement="processes", num_workers=2'],
        ['placement="threads", num_workers=2'],
    )


def test_one_that_needs_shared_memory_to_be_off():
    result = odd("WordsEnv")
    assert not failures(result)
    assert all(row.setting.keywords["shared_memory"] is False for row in result.rows if row.setting.kind == REACTOR)
    assert any(row.auto for row in result.rows)


def test_threads_are_shown_where_steps_give_up_the_gil():
    result = odd("SlowEnv", seconds=0.02)
    rates = {row.setting.label(): row.rate for row in result.rows}
    assert rates['placement="threads", num_workers=2'] > 1.5 * rates['placement="inline"']


@pytest.mark.parametrize(("fault", "reason"), [("raise", "OddError: init: asked to"), ("exit", "exited with code 7")])
def test_one_that_there_can_be_only_one_of_in_a_process(fault, reason):
    result = odd("LoneEnv", fault=fault)
    failed = failures(result)
    assert {"SyncVectorEnv", 'placement="inline"'} <= set(failed)
    assert reason in failed["SyncVectorEnv"]
    assert 'placement="processes", num_workers=2' not in failed
    assert result.safest.rate > 0
    assert reason in tuning_report.report(result)


def test_one_that_does_not_cross_between_processes():
    result = odd("UnpicklableEnv")
    failed = failures(result)
    assert set(failed) == {'placement="processes", num_workers=2', "isolated=True, num_workers=2"}
    assert "cannot pickle" in failed["isolated=True, num_workers=2"]
    assert result.fastest.setting.num_envs == 2
    assert result.safest is None


@pytest.mark.parametrize(
    ("name", "kwargs", "reason"),
    [("RaisingEnv", {}, "OddError: step"), ("make_faulty", {"fault": "segfault"}, "SIGSEGV")],
)
def test_one_whose_steps_fail_everywhere(name, kwargs, reason):
    result = odd(name, **kwargs)
    assert all(reason in row.failure for row in result.rows)
    assert len({row.failure for row in result.rows}) < len(result.rows)
    assert reason in result.profile.failure
    assert result.fastest is None
    assert "No setting works." in tuning_report.report(result)


def test_a_hang_is_given_up(monkeypatch):
    source = EnvSource(ODD + "make_faulty", {"fault": "hang"})
    for module in ("trial", "env_profile"):
        monkeypatch.setattr(f"reactvec.{module}.STALL_S", 0.9)
    with pytest.raises(TrialFailedError, match="took longer than 1 s while it stepped"):
        trial(source, Setting(REACTOR, 2, {"isolated": True}), 0.02)
    monkeypatch.setattr("reactvec.errand.GRACE_S", 0.1)
    assert "took longer than" in env_profile.profile_env(source, 0.02).failure


def test_what_would_take_too_long_is_left_out(monkeypatch):
    monkeypatch.setattr(tuning, "SLOWEST_STEP_S", 0.07)
    result = odd("SlowEnv", seconds=0.05)
    failed = failures(result)
    assert set(failed) == {"SyncVectorEnv", 'placement="inline"'}
    assert failed["SyncVectorEnv"].startswith("left out: a step of all would take about")
    assert result.fastest.setting.keywords["num_workers"] == 2


def test_no_measurement_begins_when_the_time_is_over(monkeypatch):
    monkeypatch.setattr(tuning, "LIMIT_S", 0.0)
    assert all(row.failure == "left out: 0 s are over" for row in odd("CountingEnv").rows)


@pytest.mark.parametrize("target", ["CartPoel-v1", f"{ODD}Nothing", "no_such_module:make", f"{ODD}SlowEnv"])
def test_an_environment_that_cannot_be_made(target):
    with pytest.raises(TuningError, match=f"{target} cannot be made: "):
        tune(EnvSource(target, {"colour": 3}), [2], 0.02)


def test_where_there_are_no_processes(monkeypatch):
    monkeypatch.delattr("os.memfd_create")
    with pytest.raises(TuningError, match="no worker processes"):
        tune(EnvSource("CartPole-v1"))


@pytest.mark.parametrize(
    ("cores", "number", "workers"), [(1, 8, []), (2, 8, [2]), (6, 8, [2, 4, 6]), (64, 8, [2, 4, 8]), (4, 1, [])]
)
def test_workers_are_at_most_cores_and_environments(cores, number, workers):
    found = settings([number], cores, EnvProfile("make", native=False, shareable=True, context="fork", times=None))
    processes = [each.keywords for each in found if each.keywords.get("placement") == "processes"]
    assert [words["num_workers"] for words in processes] == workers
    assert found[0] == Setting(SERIAL, 1)
    assert found[-1].keywords == {"isolated": True, "num_workers": min(cores, number)}
    assert max(setting.rows_per_worker() for setting in found) == number


def made_up(times=None, **profile):
    rows = [
        Row(Setting(SERIAL, 1), [10.0, 11.0]),
        Row(Setting(SYNC, 2), [9.0, 30.0, 8.0]),
        Row(Setting(REACTOR, 2, {"placement": "processes", "num_workers": 2}), [15.0, 14.0], auto=True),
        Row(Setting(REACTOR, 2, {"isolated": True, "num_workers": 2}), [99.0], failure="it died\nin the end"),
    ]
    words = {"code": "make", "native": False, "shareable": True, "context": "fork", "times": times, **profile}
    return Tuning(EnvSource("mine:make"), 2, EnvProfile(**words), rows)


def test_the_recommendation_has_the_best_median():
    result = made_up()
    assert result.fastest is result.rows[2]
    assert result.safest is None
    assert tuning_report.recommendation(result) == (
        'Fastest, 14 steps/s:\n    ReactorVectorEnv([make] * 2, placement="processes", num_workers=2)'
    )
    result.rows[1].rates[:] = [20.0]
    assert tuning_report.recommendation(result).endswith("\n    gym.vector.SyncVectorEnv([make] * 2)")
    lines = tuning_report.table(result).splitlines()
    assert lines[-1] == "[1] it died"
    assert lines[-3].split()[-1] == "[1]"
    assert lines[-4].split()[-7:] == ["14", "14", "to", "15", "1.39", "<-", "auto"]


def test_what_is_remarked(monkeypatch):
    monkeypatch.setattr("os.cpu_count", lambda: 64)
    times = StepTimes(10.0, 10.0, 50.0, cores=1.9)
    said = "\n".join(tuning_report.remarks(made_up(times, context="spawn")))
    for part in ("steps are unequal", "keeps 1.9 cores busy", "2 of 64 cores", '"spawn"'):
        assert part in said
    monkeypatch.setattr("os.cpu_count", lambda: 2)
    quiet = made_up(StepTimes(10.0, 10.0, 20.0, cores=1.0))
    assert list(tuning_report.remarks(quiet)) == []
    quiet.serial.rates[:] = [30.0, 38.0]
    assert [remark.partition(":")[0] for remark in tuning_report.remarks(quiet)] == [
        "no vector environment is faster than a plain loop; it saves calls of a policy, not of the environment"
    ]
    quiet.rows[2].rates[:] = [10.0, 14.0]
    quiet.cores = 1
    said = list(tuning_report.remarks(quiet))
    assert said[0].startswith("the turns differ much")
    assert said[-1].startswith("on one core")


def test_json_values():
    result = made_up(StepTimes(1.0, 1.0, 2.0, 1.0))
    values = result.to_dict()
    assert json.loads(json.dumps(values)) == values
    assert values["rows"][values["fastest"]]["setting"]["keywords"] == {"placement": "processes", "num_workers": 2}
    assert values["safest"] is None
    assert values["source"] == {"target": "mine:make", "kwargs": {}}
