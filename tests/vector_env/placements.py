"""Where the tests of vector environments run them: each of these dicts is arguments of ReactorVectorEnv."""

from __future__ import annotations

from typing import Any

import pytest

INLINE = {"placement": "inline"}
TWO_THREADS = {"placement": "threads", "num_workers": 2}
FOUR_THREADS = {"placement": "threads", "num_workers": 4}
TWO_PROCESSES = {"placement": "processes", "num_workers": 2}
ISOLATED = {"isolated": True, "num_workers": 2}

# Sub-environments that live in this process: tests may watch them, and what they share with the test.
IN_THIS_PROCESS: list[dict[str, Any]] = [INLINE, TWO_THREADS, FOUR_THREADS]
PLACEMENTS: list[dict[str, Any]] = [*IN_THIS_PROCESS, TWO_PROCESSES, ISOLATED]
# One worker, and several, for what does not depend on how many.
FEW: list[dict[str, Any]] = [INLINE, TWO_THREADS, TWO_PROCESSES]


def label(place: dict[str, Any]) -> str:
    """A short name of a placement."""
    return "-".join(map(str, place.values()))


everywhere = pytest.mark.parametrize("place", PLACEMENTS, ids=label)
on_few = pytest.mark.parametrize("place", FEW, ids=label)
# One worker and two, of this process: where kernels run, and where tests may watch.
where_kernels_run = pytest.mark.parametrize("place", [INLINE, TWO_THREADS], ids=label)
in_this_process = pytest.mark.parametrize("place", IN_THIS_PROCESS, ids=label)
natively_and_not = pytest.mark.parametrize("native", [False, "auto"], ids=["python", "native"])


def fitting(place: dict[str, Any], num_envs: int) -> dict[str, Any]:
    """The placement with no more workers than environments."""
    workers = place.get("num_workers")
    return place if workers is None else {**place, "num_workers": min(workers, num_envs)}
