"""The benchmark of how greedy returns swing: when it looks, what it writes, and what it makes of that."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks import swings
from benchmarks.learning_results import write_json
from benchmarks.learning_sides import OURS, SB3
from benchmarks.page import END, begin

SHORT = replace(swings.ROW, steps=2_600)


def test_when_it_looks():
    assert swings.looks(swings.ROW)[:2] == [30_720, 31_744]
    assert len(swings.looks(swings.ROW)) == 19
    assert swings.looks(SHORT) == [2_048]


@pytest.mark.parametrize("side", [OURS, SB3])
def test_a_training_is_looked_at_and_at_its_end(side: str):
    found = swings.TRAIN[side](SHORT, 1_000)
    assert [steps for steps, _ in found] == [2_048, 2_600 if side == OURS else 2_816]
    assert all(8 <= value <= 500 for _, value in found)


def test_what_is_there_is_judged(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    page = tmp_path / "page.md"
    page.write_text(f"before\n{begin(swings.COMMAND)}\n{END}\nafter\n")
    with pytest.raises(SystemExit, match="nothing of reactvec and sb3"):
        swings.main(["--report", "--results", str(tmp_path), "--page", str(page)])
    made = {OURS: [[500.0, 500.0], [500.0, 100.0]], SB3: [[400.0, 500.0], [100.0, 300.0], [300.0, 300.0]]}
    for side, trainings in made.items():
        for seed, values in zip(swings.TRAININGS, trainings, strict=False):
            write_json(tmp_path / side / f"seed-{seed}.json", list(enumerate(values)))
    swings.main(["--report", "--results", str(tmp_path), "--page", str(page)])
    lines = capsys.readouterr().out.splitlines()
    assert "| reactvec | 2 | 400 (100) | 25% | 50% |" in lines
    assert "| sb3 | 3 | 317 (73) | 17% | 0% |" in lines
    assert lines[-1].startswith("IQM of the means, ours - SB3, normalised (95 %): +0.175 (")
    assert page.read_text() == "\n".join(["before", begin(swings.COMMAND), "", *lines, "", END, "after", ""])


def test_what_is_there_is_not_trained_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    trained: list[int] = []
    monkeypatch.setattr(swings, "TRAIN", {OURS: lambda row, seed: trained.append(seed) or [(1, 2.0)]})
    for _ in range(2):
        swings.main(["--results", str(tmp_path), "--seeds", "41000", "42000"])
    assert trained == [41_000, 42_000]
    assert json.loads((tmp_path / OURS / "seed-41000.json").read_text()) == [[1, 2.0]]
