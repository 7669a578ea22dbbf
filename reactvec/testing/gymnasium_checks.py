"""Gymnasium's contract for a vector environment, in checks; what it leaves open, SyncVectorEnv decides."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Collection, Iterable
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.vector import AutoresetMode
from gymnasium.vector.utils import batch_space
from gymnasium.wrappers import TimeLimit

from reactvec.testing.check import Check, expect, expect_refused, expect_same, leave_out, run_all, statement_of
from reactvec.testing.probe import ACTIONS, OBSERVATIONS, POISON, ProbeError, probes
from reactvec.testing.twins import NUMBER, Make, Twins, Vector

MODES = tuple(AutoresetMode)


def vector_env_checks(
    make: Make, modes: Iterable[AutoresetMode | str] = MODES, without: Collection[str] = ()
) -> list[Check]:
    """The checks of a class of vector environments, each to be called; fit for `pytest.mark.parametrize`.

    Args:
        make: `make(env_fns, autoreset_mode=mode)` makes a vector environment: the class itself, or a function.
        modes: the autoreset modes that it has.
        without: the names of checks to leave out.

    Raises:
        ValueError: no modes, or a name in `without` that no check has.
    """
    chosen = [AutoresetMode(mode) for mode in modes]
    if not chosen:
        raise ValueError("modes is empty: name the autoreset modes that the vector environment has")
    found = []
    for mode in chosen:
        for name, check in _checks_of_modes():
            found.append(_check(f"{name}-{mode.value}", check, partial(make, autoreset_mode=mode), mode))
    found += [_check(_name(check), check, partial(make, autoreset_mode=chosen[0])) for check in CHECKS]
    if AutoresetMode.DISABLED in chosen:
        made = partial(make, autoreset_mode=AutoresetMode.DISABLED)
        found.append(_check(_name(check_reset_mask), check_reset_mask, made))
    return leave_out(found, without)


def check_vector_env(make: Make, modes: Iterable[AutoresetMode | str] = MODES, without: Collection[str] = ()) -> None:
    """Run all checks; ContractError names those that fail, and why."""
    run_all(vector_env_checks(make, modes, without))


def check_attributes(make: Make, mode: AutoresetMode) -> None:
    """`num_envs`, the spaces, `render_mode` and `metadata["autoreset_mode"]` say what is there."""
    with closing(make(probes(NUMBER, render_mode="rgb_array"))) as envs:
        expect_same(envs.num_envs, NUMBER, "num_envs")
        single = {"observation": OBSERVATIONS["box"], "action": ACTIONS["discrete"]}
        for what, space in single.items():
            for name, wanted in ((f"single_{what}_space", space), (f"{what}_space", batch_space(space, NUMBER))):
                expect(getattr(envs, name) == wanted, f"{name}: expected {wanted}, found {getattr(envs, name)}")
        expect_same(envs.render_mode, "rgb_array", "render_mode")
        expect_same(envs.metadata.get("autoreset_mode"), mode, 'metadata["autoreset_mode"]')


def check_observations(make: Make, mode: AutoresetMode, kind: str = "box") -> None:
    """Observations are batched as `observation_space` says, a row for each environment; at an end as the mode says."""
    _compare(make, mode, "observations", observation=kind)


def check_rewards(make: Make, mode: AutoresetMode) -> None:
    """Rewards are a float64 array, 0 in the row of a reset."""
    _compare(make, mode, "rewards")


def check_terminations(make: Make, mode: AutoresetMode) -> None:
    """Terminations are a bool array."""
    _compare(make, mode, "terminations")


def check_truncations(make: Make, mode: AutoresetMode) -> None:
    """Truncations are a bool array; an end can be both."""
    _compare(make, mode, "truncations")


def check_infos(make: Make, mode: AutoresetMode) -> None:
    """Infos are one dict of arrays, each with a mask of the environments that gave it; at an end as the mode says."""
    _compare(make, mode, "infos")


def check_actions(make: Make, mode: AutoresetMode, kind: str = "discrete") -> None:
    """Each environment is given its own row of the actions, of its space's type."""
    with closing(Twins(make, mode, action=kind)) as twins:
        twins.play()
        found, expected = (list(map(list, envs.get_attr("actions"))) for envs in (twins.envs, twins.oracle))
        expect_same(found, expected, "the actions that environments were given")


def check_seeds(make: Make) -> None:
    """`reset(seed=)` seeds environment i by `seed + i`, by the i-th of a sequence, or, without one, not at all."""
    with closing(make(probes(NUMBER))) as envs:
        envs.reset(seed=7)
        envs.reset(seed=[3, None, 5])
        envs.reset()
        seeds = [tuple(given) for given in envs.get_attr("seeds")]
        expect_same(seeds, [(7, 3, None), (8, None, None), (9, 5, None)], "the seeds that environments were given")


def check_seed_lengths(make: Make) -> None:
    """A sequence of seeds for another number of environments is refused."""
    with closing(make(probes(NUMBER))) as envs:
        expect_refused(partial(envs.reset, seed=[1, 2]), "reset(seed=[1, 2])")


def check_options(make: Make) -> None:
    """`reset(options=)` reaches every environment, and no reset after it."""
    with closing(make(probes(NUMBER))) as envs:
        envs.reset(options={"low": 1, "high": [2.0]})
        envs.reset()
        expect_same(
            [list(given) for given in envs.get_attr("options")],
            [[{"low": 1, "high": [2.0]}, None]] * NUMBER,
            "the options that environments were given",
        )


def check_reset_midway(make: Make) -> None:
    """A reset in the middle of episodes begins new ones."""
    with closing(make(probes(NUMBER))) as envs:
        for episode in (1, 2):
            observations, infos = envs.reset(seed=0)
            expect_same(_episodes(observations), [[episode, 0]] * NUMBER, "episodes and steps after a reset")
            expect_same(infos["begun"].tolist(), [episode] * NUMBER, 'infos["begun"] of a reset')
            envs.step(_zeros(envs))


def check_reset_after_an_end(make: Make) -> None:
    """A reset right after an episode's end begins the next one, and the step after it is a step of that."""
    with closing(make(probes(NUMBER, length=2))) as envs:
        envs.reset(seed=0)
        envs.step(_zeros(envs))
        envs.step(_zeros(envs))
        begun = _episodes(envs.reset()[0])
        found = _episodes(envs.step(_zeros(envs) + 1)[0])
        expect_same(found, [[episode, 1] for episode, _ in begun], "episodes and steps after the first step")


def check_reset_mask(make: Make) -> None:
    """`options["reset_mask"]` resets some environments; the others keep their episode and their last observation."""
    mask = np.array([True, False, True])
    with closing(make(probes(NUMBER))) as envs:
        envs.reset(seed=0)
        envs.step(_zeros(envs))
        observations, infos = envs.reset(options={"reset_mask": mask.copy()})
        expect_same(
            _episodes(observations),
            [[2, 0], [1, 1], [2, 0]],
            "episodes and steps after a masked reset",
        )
        expect_same(infos["_begun"], mask, 'infos["_begun"] of a masked reset')
        observations = envs.step(_zeros(envs))[0]
        expect_same(_episodes(observations), [[2, 1], [1, 2], [2, 1]], "episodes and steps after the next step")


def check_results_are_kept(make: Make, mode: AutoresetMode, kind: str) -> None:
    """What `reset` and `step` returned, infos too, does not change later."""
    with closing(Twins(make, mode, observation=kind)) as twins:
        then = [found for found, _ in twins.play()]
        for turn, (result, before) in enumerate(zip(twins.returned, then, strict=True)):
            expect_same(result, before, f"result {turn}, some steps later")


def check_the_same_again(make: Make) -> None:
    """The same seeds and actions give the same results again."""
    runs = []
    for _ in range(2):
        with closing(make(probes(NUMBER))) as envs:
            envs.action_space.seed(3)
            steps = [envs.reset(seed=5), *(envs.step(envs.action_space.sample())[:4] for _ in range(2))]
            runs.append([observations.tolist() for observations, *_ in steps] + [list(map(list, steps[-1]))])
    expect_same(runs[1], runs[0], "the second rollout")


def check_number_of_actions(make: Make) -> None:
    """More or fewer actions than environments are refused."""
    with closing(make(probes(NUMBER))) as envs:
        envs.reset(seed=0)
        for number in (NUMBER + 2, NUMBER - 1):
            expect_refused(partial(envs.step, np.zeros(number, np.int64)), f"{number} actions")


def check_calls(make: Make) -> None:
    """`call` calls a method of each environment, wrapped or not, and returns a tuple."""
    with closing(make([partial(_wrapped, fn) for fn in probes(NUMBER)])) as envs:
        found = envs.call("greet", "hello", mark="?")
        expect_same(found, tuple(f"hello {i}?" for i in range(NUMBER)), 'call("greet", "hello", mark="?")')


def check_attributes_of_environments(make: Make) -> None:
    """`get_attr` returns a tuple of each environment's attribute; `set_attr` sets one value for all, or one each."""
    with closing(make(probes(NUMBER))) as envs:
        expect_same(envs.get_attr("index"), tuple(range(NUMBER)), 'get_attr("index")')
        envs.set_attr("length", 9)
        expect_same(envs.get_attr("length"), (9,) * NUMBER, 'get_attr("length") after set_attr("length", 9)')
        envs.set_attr("length", [4, 5, 6])
        expect_same(envs.get_attr("length"), (4, 5, 6), 'get_attr("length") after set_attr("length", [4, 5, 6])')
        expect_refused(partial(envs.set_attr, "length", [1, 2]), 'set_attr("length", [1, 2])')


def check_render(make: Make) -> None:
    """`render` returns a tuple of each environment's frame."""
    with closing(make(probes(NUMBER, render_mode="rgb_array"))) as envs:
        envs.reset(seed=0)
        expected = tuple(np.full((4, 4, 3), i, np.uint8) for i in range(NUMBER))
        expect_same(envs.render(), expected, "render()")


def check_exceptions(make: Make) -> None:
    """What an environment raises in a step reaches the caller, with its type and message."""
    envs = make(probes(NUMBER, raises=True))
    try:
        envs.reset(seed=0)
        envs.step(np.array([0, POISON, 0]))
    except ProbeError as error:
        expect(str(error) == f"environment 1 was given {POISON}", f"the message is {error}")
    except Exception as error:
        expect(False, f"expected ProbeError, found {error!r}")
    else:
        expect(False, "expected ProbeError, and nothing was raised")
    finally:
        envs.close()


def check_close(make: Make) -> None:
    """`close` closes each environment once, however often it is called, and then `closed` is True."""
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "closed"
        envs = make(probes(NUMBER, log=log))
        envs.reset(seed=0)
        envs.close()
        envs.close()
        expect(envs.closed, "closed is not True")
        # A class may have built one more, to learn the spaces of it.
        closed = sorted(log.read_text().split()) if log.exists() else []
        expect(set(closed) == set("012") and closed.count("1") == closed.count("2") == 1, f"closed: {closed}")


CHECKS: list[Callable[[Make], None]] = [
    check_seeds,
    check_seed_lengths,
    check_options,
    check_reset_midway,
    check_reset_after_an_end,
    check_the_same_again,
    check_number_of_actions,
    check_calls,
    check_attributes_of_environments,
    check_render,
    check_exceptions,
    check_close,
]


def _compare(make: Make, mode: AutoresetMode, what: str, **arguments: Any) -> None:
    """Expect one of the results of a rollout to be that of SyncVectorEnv, all along."""
    with closing(Twins(make, mode, **arguments)) as twins:
        for turn, (found, expected) in enumerate(twins.play()):
            if what in expected:
                expect_same(found[what], expected[what], f"result {turn}, {what}")


def _checks_of_modes() -> list[tuple[str, Callable[..., None]]]:
    """Those of every mode, by name; of spaces of several kinds."""
    plain = [check_attributes, check_rewards, check_terminations, check_truncations, check_infos]
    named: list[tuple[str, Callable[..., None]]] = [(_name(check), check) for check in plain]
    named += [(f"observations-{kind}", _of_kind(check_observations, kind)) for kind in OBSERVATIONS]
    named += [(f"actions-{kind}", _of_kind(check_actions, kind)) for kind in ACTIONS]
    named += [(f"results_are_kept-{kind}", _of_kind(check_results_are_kept, kind)) for kind in ("box", "nested")]
    return named


def _check(name: str, function: Callable[..., None], *arguments: Any) -> Check:
    return Check(name, statement_of(function), partial(function, *arguments))


def _of_kind(function: Callable[..., None], kind: str) -> Callable[..., None]:
    check = partial(function, kind=kind)
    check.__doc__ = function.__doc__
    return check


def _name(function: Callable[..., Any]) -> str:
    return function.__name__.removeprefix("check_")


def _episodes(observations: Any) -> list[list[int]]:
    """Of each environment, the number of its episode, and the steps in it."""
    return observations[:, :2].astype(int).tolist()  # type: ignore[no-any-return]


def _zeros(envs: Vector) -> Any:
    return np.zeros(envs.num_envs, np.int64)


def _wrapped(make_env: Callable[[], gym.Env[Any, Any]]) -> gym.Env[Any, Any]:
    return TimeLimit(make_env(), 100)
