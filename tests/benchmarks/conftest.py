"""What the tests of benchmarks start from."""

from __future__ import annotations

import pytest

from benchmarks.harness import MISLEADING_VARIABLES


@pytest.fixture(autouse=True)
def _clean(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in MISLEADING_VARIABLES:  # with one of them, a benchmark's `main` would begin this process anew
        monkeypatch.delenv(name, raising=False)
