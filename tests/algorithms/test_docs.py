"""docs/algorithms.md and docs/algorithms/: their snippets run, and their tables are those of the configs."""

import dataclasses
import re
from pathlib import Path

import pytest

from reactvec.algorithms import DQNConfig, PPOConfig
from reactvec.algorithms.settings import Settings

DOCS = Path(__file__).resolve().parents[2] / "docs"
PATHS = {DQNConfig: DOCS / "algorithms.md", PPOConfig: DOCS / "algorithms" / "ppo.md"}
SNIPPETS = [
    (path.name, snippet)
    for path in PATHS.values()
    for snippet in re.findall(r"```python\n(.*?)```", path.read_text(), re.DOTALL)
]


def row(name, cls, field, default):
    shown = f"`{default!r}`" if not isinstance(default, Settings) else "below"
    return f"| `{name}` | {shown} | {cls.docs()[field.name]} |"


def settings_table(cls):
    """The table of settings, group by group."""
    lines = []
    config, fields = cls(), {field.name: field for field in dataclasses.fields(cls)}
    for group, settings in cls._groups.items():
        lines += ["", f"`{group}`:", "", "| setting | default | meaning |", "|---|---|---|"]
        lines += [row(name, cls, fields[name], getattr(config, name)) for name in settings.__annotations__]
    lines += ["", "Nested:", "", "| setting | default | meaning |", "|---|---|---|"]
    for name in cls._parts:
        part = getattr(config, name)
        lines += [
            row(f"{name}.{field.name}", type(part), field, getattr(part, field.name))
            for field in dataclasses.fields(part)
        ]
    return "\n".join(lines).strip()


@pytest.mark.parametrize("cls", PATHS)
def test_the_table_is_that_of_the_config(cls):
    assert settings_table(cls) in PATHS[cls].read_text()


@pytest.mark.parametrize("number", range(len(SNIPPETS)))
def test_snippets_run(number, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    page, snippet = SNIPPETS[number]
    fast = snippet.replace("50_000", "600").replace("100_000", "2_000")
    exec(compile(fast, f"snippet {number} of {page}", "exec"), {"__name__": "snippet"})


def test_there_are_snippets():
    assert len(SNIPPETS) >= 6


def test_the_schedule_is_that_of_ppo():
    with PPOConfig(env="CartPole-v1").build_algo() as algorithm:
        step = algorithm.schedule.explain().split("\n\n")[2]
    assert step in PATHS[PPOConfig].read_text()
