"""Placements with worker processes: of four environments, 2 and 3 live in the same one, which is not the caller."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.faulty_envs import FAULTS

PROCESSES: dict[str, Any] = {"placement": "processes", "num_workers": 2, "context": "fork"}
ISOLATED: dict[str, Any] = {"isolated": True, "num_workers": 2, "context": "fork"}
in_processes = pytest.mark.parametrize("place", [PROCESSES, ISOLATED], ids=["processes", "isolated"])


def orders(num_envs: int = 4, **faults: str) -> Any:
    """Actions that tell environments to misbehave: `e3="exit"`."""
    actions = np.zeros(num_envs, np.int64)
    for env, fault in faults.items():
        actions[int(env[1:])] = FAULTS.index(fault)
    return actions
