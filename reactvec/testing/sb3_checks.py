"""Stable-Baselines3's contract for a VecEnv, in checks; what it leaves open, DummyVecEnv decides."""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Callable, Collection
from contextlib import closing
from copy import deepcopy
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from gymnasium.wrappers import TimeLimit
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.vec_env import DummyVecEnv, VecEnv

from reactvec.testing.check import Check, expect, expect_same, leave_out, run_all, statement_of
from reactvec.testing.probe import ACTIONS, OBSERVATIONS, POISON, probes

Make: TypeAlias = "Callable[[list[Any]], VecEnv]"
PATIENCE_S = 10
RESULT = ("observations", "rewards", "dones", "infos")  # of a reset there is the first only
NUMBER = 3  # environments; odd, and more than two workers


def vec_env_checks(make: Make, without: Collection[str] = ()) -> list[Check]:
    """The checks of a class of Stable-Baselines3's VecEnv, each to be called; fit for `pytest.mark.parametrize`.

    Args:
        make: `make(env_fns)` makes a vector environment: the class itself, or a function.
        without: the names of checks to leave out.

    Raises:
        ValueError: a name in `without` that no check has.
    """
    found = [
        Check(f"observations-{kind}", statement_of(check_observations), partial(check_observations, make, kind))
        for kind in OBSERVATIONS
        if kind != "nested"  # which it refuses
    ]
    found += [
        Check(f"actions-{kind}", statement_of(check_actions), partial(check_actions, make, kind))
        for kind in ("discrete", "box", "multi")  # it knows no actions of Dict spaces
    ]
    found += [
        Check(check.__name__.removeprefix("check_"), statement_of(check), partial(check, make)) for check in CHECKS
    ]
    return leave_out(found, without)


def check_vec_env(make: Make, without: Collection[str] = ()) -> None:
    """Run all checks; ContractError names those that fail, and why."""
    run_all(vec_env_checks(make, without))


def check_observations(make: Make, kind: str) -> None:
    """Observations of a reset and of steps are stacked, a row for each environment; at an end, of the next episode."""
    _compare(make, "observations", observation=kind)


def check_actions(make: Make, kind: str) -> None:
    """Each environment is given its own row of the actions."""
    with closing(Twins(make, action=kind)) as twins:
        twins.play()
        found, expected = (list(map(list, envs.get_attr("actions"))) for envs in (twins.envs, twins.oracle))
        expect_same(found, expected, "the actions that environments were given")


def check_attributes(make: Make) -> None:
    """`num_envs`, `observation_space`, `action_space` and `render_mode` say what one environment has."""
    with closing(make(probes(NUMBER, render_mode="rgb_array"))) as envs:
        expect_same(envs.num_envs, NUMBER, "num_envs")
        for name, wanted in (("observation_space", OBSERVATIONS["box"]), ("action_space", ACTIONS["discrete"])):
            expect(getattr(envs, name) == wanted, f"{name}: expected {wanted}, found {getattr(envs, name)}")
        expect_same(envs.render_mode, "rgb_array", "render_mode")


def check_rewards(make: Make) -> None:
    """Rewards are an array of floats, float32 or float64: Stable-Baselines3's own classes differ."""
    with closing(Twins(make)) as twins:
        steps = [pair for pair in enumerate(twins.play()) if "rewards" in pair[1][1]]
        for turn, (found, expected) in steps:
            rewards = found["rewards"]
            floats = isinstance(rewards, np.ndarray) and rewards.dtype in (np.float32, np.float64)
            expect(floats, f"result {turn}, rewards: expected an array of floats, found {rewards!r}")
            expect_same(rewards.astype(np.float32), expected["rewards"], f"result {turn}, rewards")


def check_dones(make: Make) -> None:
    """Dones are a bool array, True at a termination and at a truncation."""
    _compare(make, "dones")


def check_infos(make: Make) -> None:
    """Infos are a list of dicts; at an end with "terminal_observation", and always with "TimeLimit.truncated"."""
    _compare(make, "infos")


def check_reset_infos(make: Make) -> None:
    """`reset_infos` has what the last reset of each environment told, that after an end included."""
    _compare(make, "reset_infos")


def check_results_are_kept(make: Make) -> None:
    """What `reset` and `step` returned does not change later, and what becomes of an info changes no other."""
    with closing(make(probes(NUMBER))) as envs:
        kept = [envs.reset(), *envs.step(_zeros())]
        copies = deepcopy(kept)
        for _ in range(3):
            for info in envs.step(_zeros() + 2)[3]:
                info["steps"] = "changed"
        expect_same(kept, copies, "the first results, three steps later")
        steps = [info["steps"] for info in envs.step(_zeros())[3]]
        expect("changed" not in steps, "an info that the caller changed came back")
    for kind in ("box", "dict", "tuple"):
        with closing(Twins(make, observation=kind)) as twins:
            then = [{name: found[name] for name in RESULT if name in found} for found, _ in twins.play()]
            for turn, (result, before) in enumerate(zip(twins.returned, then, strict=True)):
                expect_same(result, before, f"result {turn} of {kind} observations, some steps later")


def check_seeds(make: Make) -> None:
    """`seed(s)` returns `[s, s + 1, ...]`, `seed()` what it chose; the next reset uses them, and no later one."""
    with closing(make(probes(NUMBER))) as envs:
        chosen = list(envs.seed())
        expect(all(isinstance(seed, int | np.integer) for seed in chosen), f"seed() chooses seeds, found {chosen}")
        envs.reset()
        given = [row[-1] for row in envs.get_attr("seeds")]
        expect(given == chosen, f"seed() chose {chosen}, and environments were given {given}")
        expect_same(list(envs.seed(7)), [7, 8, 9], "seed(7)")
        envs.reset()
        envs.reset()
        expect_same(
            [list(given[1:]) for given in envs.get_attr("seeds")],
            [[7, None], [8, None], [9, None]],
            "the seeds that environments were given",
        )


def check_options(make: Make) -> None:
    """`set_options` takes a dict for all or a list of one each; the next reset uses them, and no later one."""
    with closing(make(probes(NUMBER))) as envs:
        for options in ({"low": 1}, [{"low": i} for i in range(NUMBER)]):
            envs.set_options(options)
            envs.reset()
            envs.reset()
        given = [[dict(options) for options in row if options] for row in envs.get_attr("options")]
        expected = [[{"low": 1}, {"low": i}] for i in range(NUMBER)]
        expect_same(given, expected, "the options that environments were given")
        expect_same([len(row) for row in envs.get_attr("options")], [4] * NUMBER, "the number of resets")


def check_asynchronous_steps(make: Make) -> None:
    """`step_async` and `step_wait` do what `step` does."""
    with closing(make(probes(NUMBER))) as envs, closing(make(probes(NUMBER))) as other:
        for vector in (envs, other):
            vector.seed(0)
            vector.reset()
        for _ in range(6):
            envs.step_async(_zeros() + 1)
            expect_same(list(envs.step_wait()), list(other.step(_zeros() + 1)), "step_wait()")


def check_attributes_of_environments(make: Make) -> None:
    """`get_attr`, `set_attr` and `has_attr` reach all environments, or those of `indices`: None, an int or a list."""
    with closing(make([partial(_wrapped, fn) for fn in probes(NUMBER)])) as envs:
        expect_same(list(envs.get_attr("index")), [0, 1, 2], 'get_attr("index")')
        expect_same(list(envs.get_attr("index", indices=1)), [1], 'get_attr("index", 1)')
        expect_same(list(envs.get_attr("index", indices=[2, 0])), [2, 0], 'get_attr("index", [2, 0])')
        envs.set_attr("mark", "a")
        envs.set_attr("mark", "b", indices=[1])
        envs.set_attr("mark", "c", indices=2)
        expect_same(list(envs.get_attr("mark")), ["a", "b", "c"], 'get_attr("mark") after set_attr')
        expect(envs.has_attr("index") and envs.has_attr("mark"), "has_attr denies what there is")
        expect(not envs.has_attr("no_such_attribute"), "has_attr affirms what there is not")


def check_methods_of_environments(make: Make) -> None:
    """`env_method` calls a method of all environments, wrapped or not, or of those of `indices`, and gives a list."""
    with closing(make([partial(_wrapped, fn) for fn in probes(NUMBER)])) as envs:
        found = list(envs.env_method("greet", "hello", mark="?"))
        expect_same(found, [f"hello {i}?" for i in range(NUMBER)], 'env_method("greet", "hello", mark="?")')
        expect_same(list(envs.env_method("greet", "bye", indices=-1)), ["bye 2!"], 'env_method("greet", "bye", -1)')


def check_wrapping(make: Make) -> None:
    """`env_is_wrapped` tells of each environment whether it is in such a wrapper."""
    made = probes(NUMBER)
    with closing(make([made[0], partial(_monitored, made[1]), made[2]])) as envs:
        expect_same(list(envs.env_is_wrapped(Monitor)), [False, True, False], "env_is_wrapped(Monitor)")
        expect_same(list(envs.env_is_wrapped(Monitor, indices=[1])), [True], "env_is_wrapped(Monitor, [1])")


def check_images(make: Make) -> None:
    """`get_images` gives each environment's frame."""
    with closing(make(probes(NUMBER, render_mode="rgb_array"))) as envs:
        envs.reset()
        frames = [np.full((4, 4, 3), i, np.uint8) for i in range(NUMBER)]
        expect_same(list(envs.get_images()), frames, "get_images()")


def check_exceptions(make: Make) -> None:
    """An environment that raises ends the step with an exception, and `close` returns afterwards."""
    envs = make(probes(NUMBER, raises=True))
    envs.reset()
    raised = _raised(partial(envs.step, np.array([0, POISON, 0])), "step()")
    expect(raised is not None, "an action at which an environment raises was accepted")
    _raised(envs.close, "close()")


def check_close(make: Make) -> None:
    """`close` closes every environment, and can be called again."""
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "closed"
        envs = make(probes(NUMBER, log=log))
        envs.reset()
        envs.close()
        envs.close()
        closed = log.read_text().split() if log.exists() else []
        expect(set(closed) == set("012"), f"expected environments 0, 1 and 2 to be closed, found {closed}")


CHECKS: list[Callable[[Make], None]] = [
    check_attributes,
    check_rewards,
    check_dones,
    check_infos,
    check_reset_infos,
    check_results_are_kept,
    check_seeds,
    check_options,
    check_asynchronous_steps,
    check_attributes_of_environments,
    check_methods_of_environments,
    check_wrapping,
    check_images,
    check_exceptions,
    check_close,
]


class Twins:
    """The vector environment that is checked, and DummyVecEnv over the same probes."""

    def __init__(self, make: Make, **arguments: Any) -> None:
        self.envs, self.oracle = make(probes(NUMBER, **arguments)), DummyVecEnv(probes(NUMBER, **arguments))
        self.oracle.action_space.seed(11)
        self.returned: list[dict[str, Any]] = []  # by the first, itself

    def play(self) -> list[tuple[dict[str, Any], dict[str, Any]]]:
        """What both return of two times a reset and 7 steps, by name."""
        results = []
        for _ in range(2):
            for envs in (self.envs, self.oracle):
                envs.seed(5)
            results.append(self._named((self.envs.reset(),), (self.oracle.reset(),)))
            for _ in range(7):
                actions = np.array([self.oracle.action_space.sample() for _ in range(NUMBER)])
                results.append(self._named(self.envs.step(actions), self.oracle.step(actions)))
        return results

    def _named(self, found: Any, expected: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        fits = isinstance(found, tuple) and len(found) == len(expected)
        expect(fits, f"expected a tuple of {len(expected)}, found {found!r}")
        self.returned.append(dict(zip(RESULT, found, strict=False)))
        named = self.returned[-1], dict(zip(RESULT, expected, strict=False))
        return deepcopy(named[0]) | _told(self.envs), deepcopy(named[1]) | _told(self.oracle)

    def close(self) -> None:
        """Close both."""
        self.envs.close()
        self.oracle.close()


def _told(envs: VecEnv) -> dict[str, Any]:
    return {"reset_infos": deepcopy(list(envs.reset_infos))}


def _compare(make: Make, what: str, **arguments: Any) -> None:
    """Expect one of the results of a rollout to be that of DummyVecEnv, all along."""
    with closing(Twins(make, **arguments)) as twins:
        for turn, (found, expected) in enumerate(twins.play()):
            if what in expected:
                expect_same(found[what], expected[what], f"result {turn}, {what}")


def _raised(call: Callable[[], object], what: str) -> Exception | None:
    """What a call raises; in a thread, since it may never return."""
    raised: list[Exception | None] = [None]

    def run() -> None:
        try:
            call()
        except Exception as error:
            raised[0] = error

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(PATIENCE_S)
    expect(not thread.is_alive(), f"{what} did not return within {PATIENCE_S} seconds")
    return raised[0]


def _zeros() -> Any:
    return np.zeros(NUMBER, np.int64)


def _wrapped(make_env: Callable[[], Any]) -> Any:
    return TimeLimit(make_env(), 100)


def _monitored(make_env: Callable[[], Any]) -> Any:
    return Monitor(make_env())
