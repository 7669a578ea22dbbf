"""The page about the checks says what they say."""

from __future__ import annotations

import re
from pathlib import Path

from gymnasium.vector import SyncVectorEnv
from stable_baselines3.common.vec_env import DummyVecEnv

from reactvec.testing import vec_env_checks, vector_env_checks

PAGE = Path(__file__).parents[2] / "docs" / "conformance.md"


def test_its_tables_have_all_checks() -> None:
    text = PAGE.read_text()
    parts = text.split("\n## ")[1:3]
    for part, checks in zip(parts, (vector_env_checks(SyncVectorEnv), vec_env_checks(DummyVecEnv)), strict=True):
        told = dict(re.findall(r"^\| `(\w+)` \| (.*) \|$", part, re.MULTILINE))
        assert told == {check.name.split("-")[0]: check.statement for check in checks}
