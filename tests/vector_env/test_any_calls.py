"""Whatever is called in whatever order: the same as SyncVectorEnv, for any spaces, seeds, modes, masks and workers."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, TypeAlias

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.sample_envs import SPACES, SampleEnv, cartpole
from tests.vector_env.oracle import MODES, RESETTING, Twins, same, twins
from tests.vector_env.placements import PLACEMENTS, fitting

Operation: TypeAlias = Callable[[Twins], Any]

SEEDS = st.one_of(st.none(), st.integers(0, 1 << 40))
BITS = st.integers(0, 255)
ENVS = st.integers(1, 6)


def mask_of(both: Twins, bits: int) -> Any:
    """A mask of some environments, of all that have ended, and of at least one."""
    mask = np.array([bits >> i & 1 for i in range(both.vector.num_envs)], bool) | both.ended
    return mask if mask.any() else ~mask


def step(count: int, as_rows: bool) -> Operation:
    def run(both: Twins) -> None:
        both.run(count)
        actions = both.oracle.action_space.sample()
        both.step(list(actions) if as_rows and isinstance(actions, np.ndarray) else actions)

    return run


def masked_reset(seed: int | None, bits: int) -> Operation:
    return lambda both: both.reset(seed=seed, options={"reset_mask": mask_of(both, bits), "bits": bits})


def reset(seed: int | None, asynchronous: bool) -> Operation:
    def run(both: Twins) -> None:
        seeds = [None if seed is None or i % 3 == 2 else seed * 31 + i for i in range(both.vector.num_envs)]
        if asynchronous:
            both.vector.reset_async(seed=seeds)
            assert same(both.vector.reset_wait(), both.oracle.reset(seed=seeds))
        else:
            both.reset(seed=seeds)
        both.ended[:] = False

    return run


def reset_with_options_of_their_own(seed: int, bits: int) -> Operation:
    """SyncVectorEnv can only do it one by one."""

    def run(both: Twins) -> None:
        number = both.vector.num_envs
        options = [{"low": -0.1 * (i + 1), "high": 0.1} if bits >> i & 1 else None for i in range(number)]
        obs, infos = both.vector.reset(seed=seed, options=options)
        for i in range(number):
            mask = np.arange(number) == i
            one, info = both.oracle.reset(seed=seed, options={**(options[i] or {}), "reset_mask": mask})
            told = repr(options[i])
            assert "options" not in infos or (
                infos["options"][i] == told and info["_options"].tolist() == mask.tolist()
            )
        assert same(one, obs)
        both.ended[:] = False

    return run


def do(method: str, *args: Any) -> Operation:
    return lambda both: both.do(method, *args)


def set_each(name: str, bits: int) -> Operation:
    return lambda both: both.do("set_attr", name, [float(bits >> i & 3) for i in range(both.vector.num_envs)])


def of_some(name: str, bits: int) -> Operation:
    """What `indices` gives is a part of what is there."""

    def run(both: Twins) -> None:
        rows = np.flatnonzero(mask_of(both, bits))[::-1]
        everything = both.do("get_attr", name)
        assert same(both.vector.get_attr(name, indices=rows), tuple(everything[i] for i in rows))

    return run


STEPS = st.builds(step, st.integers(0, 12), st.booleans())
RESETS = st.one_of(st.builds(masked_reset, SEEDS, BITS), st.builds(reset, SEEDS, st.booleans()))
SAMPLE_CALLS = st.one_of(
    st.builds(do, st.just("call"), st.just("draws"), st.integers(0, 3)),
    st.builds(do, st.just("set_attr"), st.just("scale"), st.floats(0, 4)),
    st.builds(set_each, st.just("scale"), BITS),
    st.builds(of_some, st.sampled_from(["scale", "actions", "np_random"]), BITS),
    st.just(do("render")),
)
POLE_CALLS = st.one_of(
    st.builds(do, st.just("set_attr"), st.sampled_from(["gravity", "length", "tau"]), st.floats(0.01, 4)),
    st.builds(do, st.just("set_attr"), st.just("state"), st.just(np.array([0.01, 0.02, 0.03, -0.02]))),
    st.builds(set_each, st.just("masspole"), BITS),
    st.builds(do, st.just("set_attr"), st.just("gravity"), st.integers(1, 9)),
    st.builds(of_some, st.sampled_from(["state", "_elapsed_steps", "np_random", "steps_beyond_terminated"]), BITS),
)


def operations(calls: Any) -> Any:
    return st.lists(st.one_of(STEPS, STEPS, RESETS, calls), min_size=1, max_size=12)


def run(both: Twins, seed: int | None, sequence: list[Operation]) -> None:
    both.reset(seed=seed or 0)
    both.run(1)  # before anything changes: Gymnasium checks what the first step returns
    for operation in sequence:
        operation(both)
    both.run(2)


@settings(max_examples=60)
@given(
    observation=st.sampled_from(list(SPACES)),
    action=st.sampled_from(list(SPACES)),
    num_envs=ENVS,
    seed=SEEDS,
    mode=st.sampled_from(MODES),
    place=st.sampled_from(PLACEMENTS),
    sequence=operations(SAMPLE_CALLS),
)
def test_python_environments(
    observation: str, action: str, num_envs: int, seed: Any, mode: Any, place: Any, sequence: list[Operation]
) -> None:
    with twins([partial(SampleEnv, observation, action)] * num_envs, mode, **fitting(place, num_envs)) as both:
        run(both, seed, sequence)


@settings(max_examples=60)
@given(
    num_envs=ENVS,
    seed=SEEDS,
    mode=st.sampled_from(RESETTING),
    place=st.sampled_from(PLACEMENTS),
    sequence=operations(st.one_of(POLE_CALLS, st.builds(reset_with_options_of_their_own, st.integers(0, 9), BITS))),
)
def test_native_environments(num_envs: int, seed: Any, mode: Any, place: Any, sequence: list[Operation]) -> None:
    env_fns = [partial(cartpole, max_episode_steps=8 + i) for i in range(num_envs)]
    with twins(env_fns, mode, **fitting(place, num_envs)) as both:
        run(both, seed, sequence)


@settings(max_examples=30)
@given(
    num_envs=ENVS,
    mode=st.sampled_from(MODES),
    place=st.sampled_from(PLACEMENTS),
    seed=st.integers(0, 9),
    bits=BITS,
    sequence=operations(SAMPLE_CALLS),
)
def test_options_of_their_own(
    num_envs: int, mode: Any, place: Any, seed: int, bits: int, sequence: list[Operation]
) -> None:
    with twins([SampleEnv] * num_envs, mode, **fitting(place, num_envs)) as both:
        run(both, seed, [*sequence, reset_with_options_of_their_own(seed, bits), *sequence])
