"""Every kernel against Gymnasium's own environments in SyncVectorEnv: whatever is done to both, no bit differs."""

from __future__ import annotations

import copy
import os
from collections import Counter
from collections.abc import Iterator
from functools import partial
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.envs.kinds import KINDS, Kind
from tests.vector_env.oracle import MODES, Twins, twins
from tests.vector_env.placements import FOUR_THREADS, INLINE, TWO_THREADS, fitting

EXAMPLES = int(os.environ.get("REACTVEC_EXAMPLES", "8"))
of_each_kind = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
Data = st.DataObject


@pytest.fixture
def stepped(kind: Kind) -> Iterator[Counter[str]]:
    """Counts the steps of a kind, and says at last how many there were (`pytest -s`)."""
    steps: Counter[str] = Counter()
    yield steps
    print(f"\n{kind.name}: {steps[kind.name]:,} steps of an environment without a differing bit")


def is_native(both: Twins) -> bool:
    return ", native: " in both.vector.explain().split("\n")[0]


def actions(kind: Kind, both: Twins) -> Any:
    """As many as there are environments; some of them beyond the bounds, where they may be."""
    sampled = both.oracle.action_space.sample()
    return sampled if sampled.dtype.kind == "i" else (sampled * kind.reach).astype(sampled.dtype)


def run(kind: Kind, both: Twins, steps: int) -> int:
    for _ in range(steps):
        both.step(actions(kind, both))
    return steps * both.oracle.num_envs


def see(kind: Kind, both: Twins) -> None:
    for name in kind.sees:
        if both.oracle.call("has_wrapper_attr", name)[0]:
            both.do("get_attr", name)
    both.do("get_attr", "np_random")


def change(kind: Kind, both: Twins, data: Data) -> None:
    name = data.draw(st.sampled_from(sorted(kind.changes)), "attribute")
    values = [data.draw(kind.changes[name], "value") for _ in range(both.oracle.num_envs)]
    both.do("set_attr", name, values)


def reset(kind: Kind, both: Twins, data: Data) -> None:
    names = data.draw(st.sets(st.sampled_from(sorted(kind.bounds))), "options") if kind.bounds else ()
    options = {name: data.draw(kind.bounds[name]) for name in sorted(names)}
    mask = np.array(data.draw(st.lists(st.booleans(), min_size=both.oracle.num_envs, max_size=both.oracle.num_envs)))
    if mask.any():
        options["reset_mask"] = mask
    both.reset(seed=data.draw(st.one_of(st.none(), st.integers(0, 2**31)), "seed"), options=options or None)


@of_each_kind
@settings(max_examples=EXAMPLES, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_no_bit_differs(kind: Kind, stepped: Counter[str], data: Data) -> None:
    n = data.draw(st.integers(1, 6), "num_envs")
    mode = data.draw(st.sampled_from(MODES))
    place = fitting(data.draw(st.sampled_from([INLINE, TWO_THREADS, FOUR_THREADS])), n)
    with twins(kind.env_fns(data, n), mode, **place) as both:
        assert is_native(both)
        both.reset(seed=data.draw(st.integers(0, 2**31), "seed"))
        for event in data.draw(st.lists(st.sampled_from([see, change, reset]), min_size=1, max_size=6)):
            stepped[kind.name] += run(kind, both, data.draw(st.integers(0, 80), "steps"))
            event(kind, both, *(() if event is see else (data,)))
        stepped[kind.name] += run(kind, both, 60)
        see(kind, both)
        assert is_native(both)


BREAKS = [(kind, name) for kind in KINDS for name in kind.breaks]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(("kind", "name"), BREAKS, ids=[f"{kind.name}-{name}" for kind, name in BREAKS])
def test_what_a_kernel_cannot_honour_goes_on_in_python(kind: Kind, name: str, mode: AutoresetMode) -> None:
    """The change reaches the environments, and they go on from the same state."""
    shared = {"desc": ["SF", "FG"]} if "desc" in kind.shared else {}
    with twins([partial(gym.make, kind.id, max_episode_steps=30, **shared)] * 3, mode, **TWO_THREADS) as both:
        both.reset(seed=3)
        run(kind, both, 20)
        assert is_native(both)
        both.do("set_attr", name, [copy.deepcopy(kind.breaks[name]) for _ in range(3)])
        run(kind, both, 1)
        assert "Python, since environment 0 was changed: " in both.vector.explain()
        see(kind, both)
        run(kind, both, 60)
        both.reset(seed=4)
        run(kind, both, 60)
        see(kind, both)


FAR: dict[str, dict[str, Any]] = {
    "MountainCar-v0": {"low": 1e301, "high": 1e302},
    "MountainCarContinuous-v0": {"low": 1e31, "high": 1e32},
}


@pytest.mark.filterwarnings("ignore::RuntimeWarning", "ignore::UserWarning")
@pytest.mark.parametrize("name", FAR)
def test_a_reset_to_where_a_kernel_cannot_follow(name: str) -> None:
    """It is Gymnasium's; from there on the environments run in Python."""
    with twins([partial(gym.make, name)] * 3, **TWO_THREADS) as both:
        both.reset(seed=0)
        both.run(5)
        both.reset(seed=1, options={**FAR[name], "reset_mask": np.array([False, True, False])})
        both.do("get_attr", "state")
        both.run(3)
        assert "Python, since environment 1 was changed: " in both.vector.explain()
