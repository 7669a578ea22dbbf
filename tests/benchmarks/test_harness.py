from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from benchmarks import harness, machine
from benchmarks.harness import Bar, Case, Report, Sample

ROOT = Path(__file__).parents[2]


def samples(**rates: list[float]) -> dict[str, Sample]:
    """Samples of 100 steps each with given rates, in steps per second."""
    made = {}
    for name, values in rates.items():
        made[name] = Sample(name, [100] * len(values), [100 / value for value in values])
    return made


def noting(calls: list[str], what: str, result: int = 1) -> Callable[[], int]:
    """A function that notes that it was called."""

    def call() -> int:
        calls.append(what)
        return result

    return call


def test_spread_of_known_values():
    assert harness.spread([5.0, 1.0, 4.0, 2.0, 3.0]) == harness.Spread(3.0, 2.0, 4.0, 1.0, 5.0)
    assert harness.spread([1.0, 2.0]) == harness.Spread(1.5, 1.25, 1.75, 1.0, 2.0)


def test_spread_of_one_value_is_that_value():
    assert harness.spread([7.0]) == harness.Spread(7.0, 7.0, 7.0, 7.0, 7.0)


def test_spread_of_nothing_is_refused():
    with pytest.raises(ValueError, match="at least one repetition"):
        harness.spread([])


def test_rate_and_nanoseconds_of_a_sample():
    sample = Sample("case", [1000, 2000], [1e-3, 1e-3])
    assert sample.rates == [1e6, 2e6]
    assert sample.nanoseconds.maximum == pytest.approx(1000)
    assert sample.nanoseconds.minimum == pytest.approx(500)


@pytest.mark.parametrize("count", [1, 2, 3, 5])
def test_rotation_gives_every_case_every_place_equally_often(count: int):
    orders = [harness.rotated(count, turn) for turn in range(2 * count)]
    assert all(sorted(order) == list(range(count)) for order in orders)
    places = Counter((place, case) for order in orders for place, case in enumerate(order))
    assert set(places.values()) == {2}


def test_measure_interleaves_rotates_and_drops_warm_ups():
    calls: list[str] = []
    cases = [Case(name, noting(calls, name)) for name in "abc"]
    measured = harness.measure(cases, repeats=3, warmups=1)
    assert "".join(calls) == "cab" + "abc" + "bca" + "cab"
    assert {name: len(sample.seconds) for name, sample in measured.items()} == {"a": 3, "b": 3, "c": 3}


def test_prepare_and_finish_surround_every_repetition_and_reset_rows_are_subtracted():
    calls: list[str] = []
    case = Case("a", noting(calls, "run", 10), noting(calls, "prepare"), noting(calls, "finish", 3))
    measured = harness.measure([case], repeats=2, warmups=0)
    assert calls == ["prepare", "run", "finish"] * 2
    assert measured["a"].steps == [7, 7]


def test_only_the_function_is_timed(monkeypatch: pytest.MonkeyPatch):
    now = [0]

    def passing(nanoseconds: int) -> int:
        now[0] += nanoseconds
        return 0

    monkeypatch.setattr(time, "perf_counter_ns", lambda: now[0])
    case = Case("a", lambda: passing(5) + 1, lambda: passing(1000), lambda: passing(1000))
    assert harness.measure([case], repeats=1)["a"].seconds == [5e-9]


def test_two_cases_of_one_name_are_refused():
    with pytest.raises(ValueError, match="one name"):
        harness.measure([Case("a", lambda: 1), Case("a", lambda: 1)], repeats=1)


def test_ratio_compares_within_turns():
    # The machine became ten times slower after the first turn; each turn says that ours is twice as fast.
    measured = samples(ours=[200.0, 20.0, 20.0], theirs=[100.0, 10.0, 10.0])
    assert harness.ratio(measured["ours"], measured["theirs"]) == pytest.approx(2.0)


def test_ratio_of_unlike_numbers_of_turns_is_refused():
    measured = samples(ours=[1.0, 2.0], theirs=[1.0])
    with pytest.raises(ValueError, match="zip"):
        harness.ratio(measured["ours"], measured["theirs"])


def test_best_is_the_highest_median_not_the_highest_value():
    measured = samples(steady=[10.0, 10.0, 10.0], lucky=[1.0, 1.0, 99.0])
    assert harness.best(measured.values()).name == "steady"


@pytest.mark.parametrize(
    ("value", "at_least", "met", "verdict"),
    [
        (2.0, True, True, "met"),
        (1.9, True, False, "NOT MET"),
        (2.0, False, True, "met"),
        (2.1, False, False, "NOT MET"),
        (None, True, None, "not measured"),
    ],
)
def test_bar(value: float | None, at_least: bool, met: bool | None, verdict: str):
    bar = Bar("what", value, 2.0, "x", at_least)
    assert bar.met is met
    assert str(bar).endswith(verdict)


def test_a_bar_needs_exactly_one_bound():
    report = Report("report")
    with pytest.raises(ValueError, match="one of at_least and at_most"):
        report.bar("what", 1.0)
    with pytest.raises(ValueError, match="one of at_least and at_most"):
        report.bar("what", 1.0, at_least=1.0, at_most=2.0)


def test_main_prints_its_bars_and_writes_its_report(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    def run(report: Report) -> None:
        measured = report.measure([Case("ours", lambda: 10), Case("theirs", lambda: 10)])
        report.table("a table", measured, baseline="theirs")
        report.bar("a bar", 3.0, at_least=2.0)

    target = tmp_path / "new" / "report.json"
    harness.main("example", run, ["--quick", "--repeats", "4", "--json", str(target)])
    written = json.loads(target.read_text())
    assert written["name"] == "example"
    assert written["quick"] is True
    assert written["machine"]["python"]
    assert written["samples"]["a table"]["ours"]["steps"] == [10] * 4
    assert written["samples"]["a table"]["ours"]["rate"]["median"] > 0
    assert written["bars"] == [
        {"what": "a bar", "value": 3.0, "bound": 2.0, "unit": "x", "at_least": True, "met": True}
    ]
    printed = capsys.readouterr().out
    assert "a table" in printed
    assert "a bar" in printed


def test_the_header_does_not_name_the_machine_or_its_user():
    values = " ".join(machine.describe().values())
    assert os.uname().nodename not in values.split()
    assert str(Path.home()) not in values


def test_a_missing_peer_is_named_with_its_remedy(capsys: pytest.CaptureFixture[str]):
    assert harness.peer("no_such_library") is None
    assert "reactvec[bench]" in capsys.readouterr().out


def test_a_process_restarts_without_misleading_variables():
    code = (
        "import os, sys; from benchmarks.harness import restart_with_clean_environment as restart;"
        "restart(); print(sys.argv[1:], [name for name in os.environ if name.startswith('OPENBLAS')])"
    )
    result = subprocess.run(
        [sys.executable, "-c", code, "argument"],
        env=os.environ | {"OPENBLAS_CORETYPE": "Haswell", "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert result.stdout.strip() == "['argument'] []"
