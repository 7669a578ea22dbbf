"""docs/algorithms.md and docs/algorithms/: their tables are those of the configs, and their schedules."""

import dataclasses
from pathlib import Path

import pytest

from reactvec.algorithms import DQNConfig, PPOConfig, SACConfig
from reactvec.algorithms.settings import Settings

DOCS = Path(__file__).resolve().parents[2] / "docs"
PATHS = {
    DQNConfig: DOCS / "algorithms.md",
    PPOConfig: DOCS / "algorithms" / "ppo.md",
    SACConfig: DOCS / "algorithms" / "sac.md",
}


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


def test_the_schedule_is_that_of_the_defaults():
    with DQNConfig(env="CartPole-v1", placement="inline").build_algo() as algorithm:
        told, drawn = algorithm.schedule.explain(), algorithm.schedule.to_mermaid()
    assert told[: told.index("\n")] in PATHS[DQNConfig].read_text()
    assert told[told.index("\nstep:") : told.index("\n\nshutdown:")] in PATHS[DQNConfig].read_text()
    assert drawn.rstrip() in PATHS[DQNConfig].read_text()


def test_the_schedule_is_that_of_ppo():
    with PPOConfig(env="CartPole-v1").build_algo() as algorithm:
        step = algorithm.schedule.explain().split("\n\n")[2]
    assert step in PATHS[PPOConfig].read_text()


def test_the_schedule_is_that_of_sac():
    with SACConfig(env="Pendulum-v1", num_envs=1).build_algo() as algorithm:
        step = algorithm.schedule.explain().split("\n\n")[2]
    assert step in PATHS[SACConfig].read_text()
