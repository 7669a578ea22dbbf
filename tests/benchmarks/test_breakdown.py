"""Where the time goes: the clock around the parts of a training."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from benchmarks import breakdown
from benchmarks.breakdown import Clock


def test_what_a_part_calls_counts_for_the_inner_one(monkeypatch: pytest.MonkeyPatch):
    now = 0.0

    def work(seconds: float) -> None:
        nonlocal now
        now += seconds

    monkeypatch.setattr(breakdown.time, "perf_counter", lambda: now)
    clock, parts = Clock(), SimpleNamespace()
    parts.inner = lambda: work(2.0)
    parts.outer = lambda: (work(1.0), parts.inner(), work(4.0), parts.inner())
    clock.around(parts, "inner", "inner")
    clock.around(parts, "outer", "outer")
    parts.outer()
    parts.inner()
    assert clock.seconds == {"inner": 6.0, "outer": 5.0}


def test_what_fails_is_counted_and_raised():
    clock, parts = Clock(), SimpleNamespace()
    parts.fails = lambda: 1 // 0
    clock.around(parts, "fails", "part")
    with pytest.raises(ZeroDivisionError):
        parts.fails()
    assert clock.seconds["part"] > 0


@pytest.mark.parametrize("name", [name for name in breakdown.TRAININGS if "images" not in name])
def test_the_parts_of_every_training_are_there_to_be_timed(name: str):
    make, settings = breakdown.TRAININGS[name]
    clock = Clock()
    with make(clock, **settings) as algorithm:
        algorithm.train_steps(128 if make is breakdown.sac else 2_048)
    assert clock.seconds[breakdown.FIT] > 0
    assert set(clock.seconds) <= set(breakdown.PARTS)
