"""The checks of Stable-Baselines3's VecEnv pass where the contract is kept, and every one of them can fail."""

from __future__ import annotations

from copy import deepcopy
from functools import partial
from typing import Any

import numpy as np
import pytest
from stable_baselines3.common.vec_env import DummyVecEnv

from reactvec.sb3 import ReactorVecEnv
from reactvec.testing import ContractError, check_vec_env, vec_env_checks
from reactvec.testing.check import Check
from tests.sb3.oracle import PLACES


def test_the_stock_class_keeps_the_contract() -> None:
    check_vec_env(DummyVecEnv)


@pytest.mark.parametrize("place", PLACES.values(), ids=PLACES)
def test_ours_keeps_the_contract(place: dict[str, Any]) -> None:
    check_vec_env(partial(ReactorVecEnv, **place))


class NoRenderMode(DummyVecEnv):
    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.render_mode = None


class OldObservations(DummyVecEnv):
    """At an end it gives the last observation, and not the next episode's first."""

    def step_wait(self) -> Any:
        observations, rewards, dones, infos = super().step_wait()
        for i in np.flatnonzero(dones) if isinstance(observations, np.ndarray) else ():
            observations[i] = infos[i]["terminal_observation"]
        return observations, rewards, dones, infos


class ShuffledParts(DummyVecEnv):
    """The rows of each part of a nested observation are in another order."""

    def step_wait(self) -> Any:
        observations, *rest = super().step_wait()
        parts = observations.values() if isinstance(observations, dict) else observations
        if not isinstance(observations, np.ndarray):
            for part in parts:
                part[:] = part[::-1].copy()
        return observations, *rest


class StaleReset(DummyVecEnv):
    """A reset gives the observations of the last step, if there was one."""

    last: Any = None

    def reset(self) -> Any:
        observations = super().reset()
        return observations if self.last is None else deepcopy(self.last)

    def step_wait(self) -> Any:
        self.last, *rest = super().step_wait()
        return self.last, *rest


class OneLastObservation(DummyVecEnv):
    """All last observations are the same array."""

    last: Any = None

    def step_wait(self) -> Any:
        observations, rewards, dones, infos = super().step_wait()
        for i in np.flatnonzero(dones) if isinstance(observations, np.ndarray) else ():
            self.last = np.zeros_like(observations[i]) if self.last is None else self.last
            self.last[...] = infos[i]["terminal_observation"]
            infos[i]["terminal_observation"] = self.last
        return observations, rewards, dones, infos


class TupleOfInfos(DummyVecEnv):
    def step_wait(self) -> Any:
        *rest, infos = super().step_wait()
        return *rest, tuple(infos)


class ChoosesNoSeed(DummyVecEnv):
    def seed(self, seed: int | None = None) -> Any:
        return [None] * self.num_envs if seed is None else super().seed(seed)


class OneIndexIsAll(DummyVecEnv):
    def set_attr(self, attr_name: str, value: Any, indices: Any = None) -> None:
        super().set_attr(attr_name, value, None if isinstance(indices, int) else indices)


class OtherActions(DummyVecEnv):
    def step_async(self, actions: Any) -> None:
        super().step_async(actions[::-1].copy())


class ListsOfRewards(DummyVecEnv):
    def step_wait(self) -> Any:
        observations, rewards, dones, infos = super().step_wait()
        return observations, rewards.tolist(), dones, infos


class OtherRewards(DummyVecEnv):
    def step_wait(self) -> Any:
        observations, rewards, dones, infos = super().step_wait()
        return observations, rewards[::-1].copy(), dones, infos


class NumbersForDones(DummyVecEnv):
    def step_wait(self) -> Any:
        observations, rewards, dones, infos = super().step_wait()
        return observations, rewards, dones.astype(int), infos


class NothingOfTheEnd(DummyVecEnv):
    def step_wait(self) -> Any:
        *rest, infos = super().step_wait()
        for info in infos:
            info.pop("terminal_observation", None)
        return *rest, infos


class NoResetInfos(DummyVecEnv):
    def step_wait(self) -> Any:
        result = super().step_wait()
        self.reset_infos = [{} for _ in self.envs]
        return result


class Views(DummyVecEnv):
    def _obs_from_buf(self) -> Any:
        return self.buf_obs[None]


class SeedsForEver(DummyVecEnv):
    def _reset_seeds(self) -> None:
        pass


class OptionsForEver(DummyVecEnv):
    def _reset_options(self) -> None:
        pass


class TwoSteps(DummyVecEnv):
    def step_wait(self) -> Any:
        super().step_wait()
        return super().step_wait()

    def step(self, actions: Any) -> Any:
        self.step_async(actions)
        return super().step_wait()


class AllAttributes(DummyVecEnv):
    def get_attr(self, attr_name: str, indices: Any = None) -> Any:
        return super().get_attr(attr_name)


class AllMethods(DummyVecEnv):
    def env_method(self, method_name: str, *args: Any, indices: Any = None, **kwargs: Any) -> Any:
        return super().env_method(method_name, *args, **kwargs)


class NothingIsWrapped(DummyVecEnv):
    def env_is_wrapped(self, wrapper_class: Any, indices: Any = None) -> Any:
        return [False] * len(self._get_indices(indices))  # type: ignore[arg-type]


class NoImages(DummyVecEnv):
    def get_images(self) -> Any:
        return [None] * self.num_envs


class Swallows(DummyVecEnv):
    def step_wait(self) -> Any:
        try:
            return super().step_wait()
        except Exception:
            return self._obs_from_buf(), self.buf_rews, self.buf_dones, self.buf_infos


class NeverCloses(DummyVecEnv):
    def close(self) -> None:
        pass


# What breaks which check: the first part of its name.
MUTANTS = {
    NoRenderMode: "attributes",
    OldObservations: "observations",
    ShuffledParts: "observations",
    StaleReset: "observations",
    OneLastObservation: "results_are_kept",
    TupleOfInfos: "infos",
    ChoosesNoSeed: "seeds",
    OneIndexIsAll: "attributes_of_environments",
    OtherActions: "actions",
    ListsOfRewards: "rewards",
    OtherRewards: "rewards",
    NumbersForDones: "dones",
    NothingOfTheEnd: "infos",
    NoResetInfos: "reset_infos",
    Views: "results_are_kept",
    SeedsForEver: "seeds",
    OptionsForEver: "options",
    TwoSteps: "asynchronous_steps",
    AllAttributes: "attributes_of_environments",
    AllMethods: "methods_of_environments",
    NothingIsWrapped: "wrapping",
    NoImages: "images",
    Swallows: "exceptions",
    NeverCloses: "close",
}


def base(check: Check) -> str:
    return check.name.split("-")[0]


def found_by(mutant: type[DummyVecEnv]) -> set[str]:
    """The checks that are there to find this mutant, and do."""
    found = set()
    for check in vec_env_checks(mutant):
        if base(check) == MUTANTS[mutant]:
            try:
                check()
            except ContractError:
                found.add(check.name)
    return found


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.__name__)
def test_a_mutant_is_found(mutant: type[DummyVecEnv]) -> None:
    assert found_by(mutant)


def test_every_check_finds_a_mutant() -> None:
    assert {check.name for check in vec_env_checks(DummyVecEnv)} == set().union(*map(found_by, MUTANTS))


class HangsAtClose(DummyVecEnv):
    """As SubprocVecEnv after an environment has raised: it waits for results that will never come."""

    def close(self) -> None:
        import threading

        threading.Event().wait()


def test_a_close_that_never_returns_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("reactvec.testing.sb3_checks.PATIENCE_S", 0.1)
    (check,) = (check for check in vec_env_checks(HangsAtClose) if check.name == "exceptions")
    with pytest.raises(ContractError, match=r"close\(\) did not return within 0.1 seconds"):
        check()


def test_checks_can_be_left_out() -> None:
    check_vec_env(NoImages, without=["images"])
    with pytest.raises(ContractError, match="1 of 23 checks failed"):
        check_vec_env(NoImages)
