"""The benchmark of how greedy returns swing: when it looks, what it writes, and what it makes of that."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks import swings
from benchmarks.learning_results import BrokenResult, Run, write_json
from benchmarks.learning_sides import OURS, SB3
from benchmarks.page import END, begin

CARTPOLE, LUNARLANDER = swings.ALL
SHORT = replace(CARTPOLE, row=replace(CARTPOLE.row, steps=2_600))


def test_when_it_looks():
    assert CARTPOLE.looks[:2] == [30_720, 31_744]
    assert [len(each.looks) for each in swings.ALL] == [19, 20]
    assert all(step % each.row.settings["train_freq"] == 0 for each in swings.ALL for step in each.looks)
    assert not any({*each.seeds} & {*each.row.all_seeds} for each in swings.ALL)
    assert SHORT.looks == [2_048]


@pytest.mark.parametrize("side", [OURS, SB3])
def test_a_training_is_looked_at_and_at_its_end(side: str):
    found = swings.TRAIN[side](SHORT, 1_000)
    assert [steps for steps, _ in found] == [2_048, 2_600 if side == OURS else 2_816]
    assert all(8 <= value <= 500 for _, value in found)


def test_what_is_there_is_judged(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch):
    page = tmp_path / "page.md"
    page.write_text(f"before\n{begin(swings.COMMAND)}\n{END}\nafter\n")
    with pytest.raises(SystemExit, match="no row has results of both sides"):
        swings.main(["--report", "--results", str(tmp_path), "--page", str(page)])
    made = {OURS: [[500.0, 500.0], [500.0, 100.0]], SB3: [[400.0, 500.0], [100.0, 300.0], [300.0, 300.0]]}
    for side, trainings in made.items():
        for seed, values in zip(CARTPOLE.seeds, trainings, strict=False):
            monkeypatch.setitem(swings.TRAIN, side, lambda _, seed, values=values: list(enumerate(values)))  # type: ignore[arg-type]
            swings.train(CARTPOLE, [side], [seed], tmp_path)
    capsys.readouterr()
    swings.main(["--report", "--results", str(tmp_path), "--page", str(page)])
    lines = capsys.readouterr().out.splitlines()
    assert lines[2].startswith(
        "| dqn/CartPole-v1 | reactvec | 2 | 400 (100) | below 200: 25% | below 200: 50% | +0.175 ("
    )
    assert lines[3:] == ["| dqn/CartPole-v1 | sb3 | 3 | 317 (73) | below 200: 17% | below 200: 0% |  |"]
    assert page.read_text() == "\n".join(["before", begin(swings.COMMAND), "", *lines, "", END, "after", ""])


def test_what_is_there_is_not_trained_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    trained: list[tuple[str, int]] = []

    def train(wanted: swings.Swings, seed: int) -> list[swings.Look]:
        trained.append((wanted.row.name, seed))
        return [(1, 2.0)]

    monkeypatch.setattr(swings, "TRAIN", {OURS: train})
    for _ in range(2):
        swings.main(["--only", LUNARLANDER.row.name, "--results", str(tmp_path), "--seeds", "41000", "42000"])
    assert trained == [(LUNARLANDER.row.name, 41_000), (LUNARLANDER.row.name, 42_000)]
    run = Run(OURS, LUNARLANDER.row, 41_000)
    held = json.loads(run.file(tmp_path).read_text())
    assert held["looks"] == [[1, 2.0]]
    write_json(run.file(tmp_path), held | {"settings": held["settings"] | {"lr": 1.0}})
    with pytest.raises(BrokenResult, match=r"seed-41000\.json is of other settings than the row's now"):
        swings.read(run, tmp_path)
    run.file(tmp_path).write_text('{"looks": 3')
    with pytest.raises(BrokenResult, match=r"seed-41000\.json is broken"):
        swings.read(run, tmp_path)
