"""The checks of vector environments pass where the contract is kept, and every one of them can fail."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import pytest
from gymnasium.vector import AsyncVectorEnv, AutoresetMode, SyncVectorEnv

from reactvec import ReactorVectorEnv
from reactvec.testing import ContractError, check_vector_env, vector_env_checks
from reactvec.testing.check import Check

OURS = {
    "inline": {"placement": "inline"},
    "threads": {"placement": "threads", "num_workers": 2},
    "processes": {"placement": "processes", "num_workers": 2},
    "isolated": {"isolated": True, "num_workers": 2},
}


def test_the_stock_class_keeps_the_contract() -> None:
    check_vector_env(SyncVectorEnv)


@pytest.mark.parametrize("place", OURS.values(), ids=OURS)
def test_ours_keeps_the_contract(place: dict[str, Any]) -> None:
    check_vector_env(partial(ReactorVectorEnv, **place))


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_known_defect_of_a_stock_class_is_found() -> None:
    """AsyncVectorEnv resets again, and drops the action, where observations come through pipes."""
    (check,) = (c for c in vector_env_checks(partial(AsyncVectorEnv, shared_memory=False)) if c.name == AFTER_AN_END)
    with pytest.raises(ContractError, match=r"expected 2, found 3"):
        check()


AFTER_AN_END = "reset_after_an_end"


class Mutant(SyncVectorEnv):
    """SyncVectorEnv as it is; what follows breaks one thing each."""


class NoMode(Mutant):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.metadata = {**self.metadata, "autoreset_mode": None}


class Shuffled(Mutant):
    def step(self, actions: Any) -> Any:
        observations, *rest = super().step(actions)
        return flipped(observations), *rest


class ShuffledReset(Mutant):
    def reset(self, **kwargs: Any) -> Any:
        observations, infos = super().reset(**kwargs)
        return flipped(observations), infos


class SingleRewards(Mutant):
    def step(self, actions: Any) -> Any:
        observations, rewards, *rest = super().step(actions)
        return observations, rewards.astype(np.float32), *rest


class CutsAreTerminations(Mutant):
    def step(self, actions: Any) -> Any:
        observations, rewards, terminations, truncations, infos = super().step(actions)
        return observations, rewards, terminations | truncations, truncations, infos


class FlagsAreNumbers(Mutant):
    def step(self, actions: Any) -> Any:
        observations, rewards, terminations, truncations, infos = super().step(actions)
        return observations, rewards, terminations, truncations.astype(np.int8), infos


class NoMasks(Mutant):
    def step(self, actions: Any) -> Any:
        *rest, infos = super().step(actions)
        return *rest, {key: value for key, value in infos.items() if not key.startswith("_")}


class OtherActions(Mutant):
    def step(self, actions: Any) -> Any:
        return super().step(flipped(actions))


class OneSeed(Mutant):
    def reset(self, *, seed: Any = None, options: Any = None) -> Any:
        return super().reset(seed=[seed] * self.num_envs if isinstance(seed, int) else seed, options=options)


class LenientSeeds(Mutant):
    def reset(self, *, seed: Any = None, options: Any = None) -> Any:
        short = isinstance(seed, list) and len(seed) < self.num_envs
        return super().reset(seed=None if short else seed, options=options)


class NoOptions(Mutant):
    def reset(self, *, seed: Any = None, options: Any = None) -> Any:
        return super().reset(seed=seed, options={k: options[k] for k in options or {} if k == "reset_mask"} or None)


class LazyReset(Mutant):
    """A reset in the middle of an episode does nothing."""

    def reset(self, *, seed: Any = None, options: Any = None) -> Any:
        if getattr(self, "begun", None) is not None and options is None:
            return self.begun
        self.begun = super().reset(seed=seed, options=options)
        return self.begun


class ResetsAgain(Mutant):
    """As AsyncVectorEnv: a reset forgets not that an episode ended."""

    def reset(self, *, seed: Any = None, options: Any = None) -> Any:
        ended = self._autoreset_envs.copy()
        result = super().reset(seed=seed, options=options)
        self._autoreset_envs |= ended
        return result


class NoMask(Mutant):
    def reset(self, *, seed: Any = None, options: Any = None) -> Any:
        return super().reset(seed=seed, options={k: v for k, v in (options or {}).items() if k != "reset_mask"})


class Views(Mutant):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **{**kwargs, "copy": False})


class Drifting(Mutant):
    """Every vector environment begins from another seed."""

    made = 0

    def reset(self, *, seed: Any = None, options: Any = None) -> Any:
        Drifting.made += 1
        return super().reset(seed=None if seed is None else Drifting.made, options=options)


class Generous(Mutant):
    def step(self, actions: Any) -> Any:
        return super().step(actions[: self.num_envs] if isinstance(actions, np.ndarray) else actions)


class SameInfos(Mutant):
    """The arrays of infos are those of the step before, overwritten."""

    def step(self, actions: Any) -> Any:
        *rest, infos = super().step(actions)
        self.kept = vars(self).get("kept", {})
        for key, value in infos.items():
            if key in self.kept and isinstance(value, np.ndarray):
                self.kept[key][...] = value
            else:
                self.kept[key] = value
        return *rest, {key: self.kept[key] for key in infos}


class PadsActions(Mutant):
    def step(self, actions: Any) -> Any:
        missing = self.num_envs - len(actions) if isinstance(actions, np.ndarray) else 0
        return super().step(np.pad(actions, (0, missing)) if missing > 0 else actions)


class AttributesAsList(Mutant):
    def get_attr(self, name: str) -> Any:
        return list(super().get_attr(name))


class CallGivesList(Mutant):
    def call(self, name: str, *args: Any, **kwargs: Any) -> Any:
        return list(super().call(name, *args, **kwargs))


class OneValueForAll(Mutant):
    def set_attr(self, name: str, values: Any) -> None:
        super().set_attr(name, [values] * self.num_envs)


class NoFrames(Mutant):
    def render(self) -> Any:
        return (None,) * self.num_envs


class Swallows(Mutant):
    def step(self, actions: Any) -> Any:
        try:
            return super().step(actions)
        except Exception as error:
            raise RuntimeError("an environment failed") from error


class NeverCloses(Mutant):
    def close_extras(self, **kwargs: Any) -> None:
        pass


def flipped(batch: Any) -> Any:
    if isinstance(batch, dict):
        return {key: flipped(part) for key, part in batch.items()}
    if isinstance(batch, tuple):
        return tuple(flipped(part) for part in batch)
    return batch[::-1].copy()


# What breaks which check: the first part of its name.
MUTANTS = {
    NoMode: "attributes",
    Shuffled: "observations",
    ShuffledReset: "observations",
    SingleRewards: "rewards",
    CutsAreTerminations: "terminations",
    FlagsAreNumbers: "truncations",
    NoMasks: "infos",
    OtherActions: "actions",
    OneSeed: "seeds",
    LenientSeeds: "seed_lengths",
    NoOptions: "options",
    LazyReset: "reset_midway",
    ResetsAgain: AFTER_AN_END,
    NoMask: "reset_mask",
    Views: "results_are_kept",
    Drifting: "the_same_again",
    SameInfos: "results_are_kept",
    Generous: "number_of_actions",
    PadsActions: "number_of_actions",
    AttributesAsList: "attributes_of_environments",
    CallGivesList: "calls",
    OneValueForAll: "attributes_of_environments",
    NoFrames: "render",
    Swallows: "exceptions",
    NeverCloses: "close",
}


def base(check: Check) -> str:
    """A check's name without the kind and the mode."""
    return check.name.split("-")[0]


def fails(check: Check) -> bool:
    try:
        check()
    except ContractError:
        return True
    return False


def found_by(mutant: type[Mutant]) -> set[str]:
    """The checks that are there to find this mutant, and do."""
    return {check.name for check in vector_env_checks(mutant) if base(check) == MUTANTS[mutant] and fails(check)}


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.__name__)
def test_a_mutant_is_found(mutant: type[Mutant]) -> None:
    assert found_by(mutant)


def test_every_check_finds_a_mutant() -> None:
    assert {check.name for check in vector_env_checks(SyncVectorEnv)} == set().union(*map(found_by, MUTANTS))


def test_a_check_of_every_mode_and_kind_can_fail() -> None:
    found = {check.name for check in vector_env_checks(Shuffled) if fails(check)}
    for mode in AutoresetMode:
        for kind in ("box", "image", "count", "dict", "tuple", "nested"):
            assert f"observations-{kind}-{mode.value}" in found


def test_the_report_names_all_that_fails() -> None:
    with pytest.raises(ContractError) as told:
        check_vector_env(SingleRewards)
    text = str(told.value)
    assert text.startswith("3 of 64 checks failed:")
    for mode in AutoresetMode:
        assert f"rewards-{mode.value}: Rewards are a float64 array" in text
    assert "result 1, rewards: expected float64 (3,), found float32 (3,)" in text


def test_checks_can_be_left_out() -> None:
    check_vector_env(NoFrames, without=["render"])
    modes = {
        check.name.split("-")[-1] for check in vector_env_checks(SyncVectorEnv, modes=["SameStep"]) if "-" in check.name
    }
    assert modes == {"SameStep"}
    with pytest.raises(ValueError, match="no check is called rendering; there are attributes-NextStep"):
        vector_env_checks(SyncVectorEnv, without=["rendering"])
    with pytest.raises(ValueError, match="modes is empty"):
        vector_env_checks(SyncVectorEnv, modes=[])
