"""What is returned belongs to the caller, unless `copy=False`."""

from __future__ import annotations

import copy
from functools import partial
from typing import Any

import numpy as np
import pytest

from reactvec import ReactorVectorEnv
from tests.sample_envs import ReusesItsBuffer, SampleEnv, cartpole
from tests.vector_env.oracle import same
from tests.vector_env.placements import everywhere, natively_and_not


@natively_and_not
def test_results_are_copies_unless_asked_otherwise(native: Any) -> None:
    vector = ReactorVectorEnv([cartpole] * 2, native=native)
    first, _ = vector.reset(seed=0)
    kept = first.copy()
    for _ in range(4):
        vector.step(np.zeros(2, int))
    assert same(first, kept)
    views = ReactorVectorEnv([cartpole] * 2, native=native, copy=False)
    first, _ = views.reset(seed=0)
    for _ in range(2):
        views.step(np.zeros(2, int))
    assert not same(first, kept)
    vector.close()
    views.close()


@everywhere
@pytest.mark.parametrize("observation", ["dict", "nested", "dict_of_text", "graph"])
def test_nothing_returned_changes_later(observation: str, place: dict[str, Any]) -> None:
    vector = ReactorVectorEnv([partial(SampleEnv, observation)] * 4, shared_memory=False, **place)
    results = [vector.reset(seed=0)]
    kept = copy.deepcopy(results)
    for _ in range(10):
        results.append(vector.step(np.zeros(4, int)))
        kept.append(copy.deepcopy(results[-1]))
        vector.get_attr("scale")
        assert same(results, kept)
    vector.close()


@everywhere
@pytest.mark.parametrize("dynamic", [False, True])
def test_an_environment_may_reuse_its_buffers(dynamic: bool, place: dict[str, Any]) -> None:
    vector = ReactorVectorEnv([partial(ReusesItsBuffer, dynamic)] * 4, shared_memory=False, **place)
    results = [vector.reset()[0]] + [vector.step(np.zeros(4, int))[0] for _ in range(3)]
    for count, obs in enumerate(results):
        assert same(obs["a"], np.full((4, 2), float(count)))
        assert not np.shares_memory(obs["a"], obs["b"])
        if dynamic:
            assert [part[0].tolist() for part in obs["c"]] == [[count, count]] * 4
    results[-1]["a"][:] = 9
    assert vector.step(np.zeros(4, int))[0]["a"].max() == 4
    vector.close()


@everywhere
def test_calls_leave_the_last_observations_in_place(place: dict[str, Any]) -> None:
    """A masked reset returns those of the environments that it passes over."""
    vector = ReactorVectorEnv([SampleEnv] * 4, **place)
    vector.reset(seed=0)
    last = vector.step(np.zeros(4, int))[0]
    for calls in range(4):
        vector.call_async("draws", 1)
        vector.call_wait()
        for _ in range(calls):
            vector.get_attr("scale")
        obs, infos = vector.reset(options={"reset_mask": np.arange(4) == calls})
        assert same(obs[calls + 1 :], last[calls + 1 :])
        assert infos["_begin"].tolist() == (np.arange(4) == calls).tolist()
    vector.close()


class Words(SampleEnv):
    """Its observations are arrays of no dimension that hold an object."""

    def __init__(self) -> None:
        super().__init__("text")
        self.count = 0

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        self.count += 1
        return np.array(f"a{self.count}", dtype=object), 0.0, False, False, {}


@everywhere
def test_objects_are_not_copied_as_bytes(place: dict[str, Any]) -> None:
    vector = ReactorVectorEnv([Words] * 4, **place)
    vector.reset(seed=0)
    kept = [vector.step(np.zeros(4, int))[0] for _ in range(50)]
    junk = [str(i) + "q" for i in range(1000)]
    assert [str(obs[3]) for obs in kept] == [f"a{i + 1}" for i in range(50)]
    assert junk
    vector.close()


class TakesOptions(SampleEnv):
    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        observation, _ = super().reset(seed=seed)
        return observation, {"goal": (options or {}).pop("goal", None)}


@everywhere
def test_each_environment_has_options_of_its_own(place: dict[str, Any]) -> None:
    vector, options = ReactorVectorEnv([TakesOptions] * 4, **place), {"goal": 7}
    assert vector.reset(options=options)[1]["goal"].tolist() == [7] * 4
    assert options == {"goal": 7}
    vector.close()
