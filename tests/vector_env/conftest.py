"""Vector environments that misbehave, closed after each test, with nothing left behind."""

from __future__ import annotations

import multiprocessing
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from reactvec import ReactorVectorEnv
from tests.faulty_envs import FaultyEnv

Make = Callable[..., ReactorVectorEnv]


@pytest.fixture
def make() -> Iterator[Make]:
    """Makes a vector environment, of four FaultyEnvs where nothing else is asked for."""
    made: list[ReactorVectorEnv] = []

    def make_one(env_fns: Any = (FaultyEnv,) * 4, **named: Any) -> ReactorVectorEnv:
        made.append(ReactorVectorEnv(env_fns, **named))
        return made[-1]

    yield make_one
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that a step is pending is what some tests leave
        for vector in made:
            vector.close(terminate=vector._deployment.is_pending)
    assert multiprocessing.active_children() == []
