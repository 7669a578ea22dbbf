"""docs/algorithms.md: its snippets run, and its table is that of the config."""

import dataclasses
import re
from pathlib import Path

import pytest

from reactvec.algorithms import DQNConfig, ModelConfig, ReplayBufferConfig

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "algorithms.md").read_text()
SNIPPETS = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)


def row(name, cls, field):
    default = field.default if field.default is not dataclasses.MISSING else field.default_factory()
    shown = f"`{default!r}`" if not isinstance(default, ModelConfig | ReplayBufferConfig) else "below"
    return f"| `{name}` | {shown} | {cls.docs()[field.name]} |"


def settings_table():
    """The table of settings, group by group."""
    lines = []
    fields = {field.name: field for field in dataclasses.fields(DQNConfig)}
    for group, settings in DQNConfig._groups.items():
        lines += ["", f"`{group}`:", "", "| setting | default | meaning |", "|---|---|---|"]
        lines += [row(name, DQNConfig, fields[name]) for name in settings.__annotations__]
    lines += ["", "Nested:", "", "| setting | default | meaning |", "|---|---|---|"]
    for name, cls in (("model", ModelConfig), ("replay_buffer_config", ReplayBufferConfig)):
        lines += [row(f"{name}.{field.name}", cls, field) for field in dataclasses.fields(cls)]
    return "\n".join(lines).strip()


def test_the_table_is_that_of_the_config():
    assert settings_table() in PAGE


def test_the_schedule_is_that_of_the_defaults():
    with DQNConfig(env="CartPole-v1", placement="inline").build_algo() as algorithm:
        told, drawn = algorithm.schedule.explain(), algorithm.schedule.to_mermaid()
    assert told[: told.index("\n")] in PAGE
    assert told[told.index("\nstep:") : told.index("\n\nshutdown:")] in PAGE
    assert drawn.rstrip() in PAGE


@pytest.mark.parametrize("number", range(len(SNIPPETS)))
def test_snippets_run(number, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    fast = SNIPPETS[number].replace("50_000", "600")
    exec(compile(fast, f"snippet {number} of docs/algorithms.md", "exec"), {"__name__": "snippet"})


def test_there_are_snippets():
    assert len(SNIPPETS) >= 4
