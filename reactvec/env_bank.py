"""A bank of environments as one reactor: the rows are sub-environments, a tag is one step of all of them."""

from __future__ import annotations

import contextlib
import pickle
from collections.abc import Callable, Iterator, Sequence
from copy import deepcopy
from typing import Any, TypeAlias

import cloudpickle
import gymnasium as gym
import numpy as np
import numpy.typing as npt
from gymnasium import spaces
from gymnasium.vector import AutoresetMode

from reactvec._stepping import step_rows
from reactvec.env_traits import EnvTraits, make_env
from reactvec.failures import note
from reactvec.handover import packed
from reactvec.port_types import ARRAYS, port_type, row_writer, unpack_row
from reactvec.topology import InputPort, OutputPort, PortType, Reactor, reaction

EnvFn = Callable[[], gym.Env[Any, Any]]
Array = npt.NDArray[Any]
ObservationMode: TypeAlias = "str | tuple[gym.Space[Any], gym.Space[Any]]"


def name_environment(error: BaseException, index: int) -> None:
    """Note on an exception which sub-environment it comes from."""
    note(error, f"raised by sub-environment {index}")


def check_info(info: object) -> None:
    """Raise TypeError for an info whose items Gymnasium could not take."""
    if not hasattr(info, "items"):
        raise TypeError(f"an info is a dict, and this one is {info!r}")


class SpaceMismatchError(RuntimeError, AssertionError):
    """Sub-environments whose spaces cannot be batched; SyncVectorEnv raises AssertionError there before 1.3."""


EPISODE_OVER = "Cannot call step() after an episode's end before reset()"


class EpisodeOverError(gym.error.ResetNeeded, AssertionError):
    """A step after an episode's end, with autoreset disabled; Gymnasium raises AssertionError there."""


class EnvBank(Reactor):
    """N Python environments, stepped row by row by the worker that owns the row and built them.

    Inputs: `action` (a row per environment) and `request` (object; what each command below says, None for a row that it
    passes over). Outputs, one row per environment: `obs`, `reward` float64, `terminated` and `truncated` bool,
    `final_obs` (the last observation of an episode that ended at this tag, in SAME_STEP mode; other rows hold no
    meaning), `infos` (object: None, or the info dicts of the tag, in order; of a row with a last observation the first
    is that observation's, see `reactvec.infos.end_of`), `running` (int64; in the first row of a worker's range: the row
    that it steps, or -1), `answer` (object, of `visit`) and `space` (object, of the startup: None, or an observation
    space other than the single one; never with observation_mode "same").

    Commands, and what `request` holds for them: `reset` (the `(seed, options)` of a reset), `step_given` (the action,
    of any kind: a step like that of `action`) and `visit` (the pickled `(function, arguments)` to call with the
    environment; `answer` is the result, pickled).
    """

    action = InputPort()
    request = InputPort((), object)
    obs = OutputPort()
    reward = OutputPort((), np.float64)
    terminated = OutputPort((), np.bool_)
    truncated = OutputPort((), np.bool_)
    final_obs = OutputPort()
    infos = OutputPort((), object)
    answer = OutputPort((), object)
    space = OutputPort((), object)
    running = OutputPort((), np.int64)
    lags = False  # whether a kernel has to catch up with environments, though nobody visited them
    name_environment = staticmethod(name_environment)
    check_info = staticmethod(check_info)
    stepped = (obs, reward, terminated, truncated, final_obs, infos, running)

    def __init__(
        self,
        env_fns: Sequence[EnvFn],
        traits: EnvTraits,
        built: Sequence[gym.Env[Any, Any]],
        autoreset_mode: AutoresetMode,
        observation_mode: ObservationMode = "same",
        **more_ports: PortType,
    ) -> None:
        first = traits.observation_space
        self.single_observation_space = first if isinstance(observation_mode, str) else observation_mode[1]
        self.single_action_space = traits.action_space
        obs_type = port_type(self.single_observation_space)
        action_type = port_type(self.single_action_space)
        super().__init__(bank=len(env_fns), action=action_type, obs=obs_type, final_obs=obs_type, **more_ports)
        self.env_fns = list(env_fns)
        self._handed_over = False  # the environments lived elsewhere before, where their spaces were checked
        self.traits = traits
        self.envs: list[gym.Env[Any, Any] | None] = [*built, *[None] * (len(env_fns) - len(built))]
        self.autoreset_mode = autoreset_mode
        self.observation_mode = observation_mode
        self.how = "Python"
        self.ended = [False] * len(env_fns)
        self._seeds: dict[int, int] = {}  # of rows whose next reset is that of an environment that took another's place
        self.write = row_writer(self.single_observation_space)
        nested = isinstance(self.single_observation_space, spaces.Dict | spaces.Tuple)
        self._scalar_actions = isinstance(self.single_action_space, ARRAYS) and self.single_action_space.shape == ()
        self.plain_dtype = None if nested or self.obs.dtype.hasobject else self.obs.dtype

    @reaction(on="startup", effects=[space, running])
    def build(self, rows: range, space: Array, running: Array) -> None:
        """Build the environments of these rows, in the worker that will step them."""
        running.fill(-1)
        for k, i in enumerate(rows):
            with naming(i):
                if self.envs[i] is None:
                    self.envs[i] = self._make(i)
                self._check_own(i)
                space[k] = None if self._handed_over else self._check_spaces(self.env(i))

    def _make(self, i: int) -> gym.Env[Any, Any]:
        """A new environment for row i."""
        try:
            return make_env(self.env_fns[i])
        except Exception as error:
            if any(env is not None for env in self.envs):  # after a fork, those of the caller count as well
                note(
                    error,
                    "this process has other environments already; where there can be only one in a process, use "
                    f"isolated=True, num_workers={self.rows}",
                )
            raise

    def _check_own(self, i: int) -> None:
        if any(other is self.envs[i] for j, other in enumerate(self.envs) if j != i):
            raise ValueError(
                "env_fns gave the same environment to several sub-environments; each call must make a new one "
                "(lambda: gym.make(...), not lambda: env)"
            )

    def _check_spaces(self, env: gym.Env[Any, Any]) -> gym.Space[Any] | None:
        """The environment's own observation space, where it has another one and the mode allows that."""
        same = env.observation_space == self.single_observation_space
        if not same and self.observation_mode == "same":
            raise SpaceMismatchError(
                "ReactorVectorEnv(..., observation_mode='same') however some of the sub-environments observation "
                f"spaces are not equivalent. single_observation_space={self.single_observation_space}, sub-environment "
                f"observation_space={env.observation_space}. If this is intentional, use "
                "`observation_mode='different'` instead."
            )
        if env.action_space != self.single_action_space:
            raise SpaceMismatchError(
                f"Some environments have an action space different from `{self.single_action_space}`. In order to "
                f"batch actions, the action spaces from all environments must be equal; one has {env.action_space}"
            )
        return None if same else env.observation_space

    @reaction(on="reset", triggers=[request], effects=[obs, infos])
    def reset(self, rows: range, request: Array, obs: Array, infos: Array) -> None:
        """Reset the rows that have a request."""
        for k, i in enumerate(rows):
            infos[k] = None
            if request[k] is not None:
                seed, options = deepcopy(request[k])  # an environment may change what it is given
                expected = self._seeds.pop(i, None)
                try:
                    observation, info = self.env(i).reset(seed=expected if seed is None else seed, options=options)
                    self.write(obs, k, observation)
                    check_info(info)
                except BaseException as error:
                    name_environment(error, i)
                    raise
                self.ended[i] = False
                if info:
                    infos[k] = (info,)

    @reaction(triggers=[action], effects=stepped)
    def step(self, rows: range, action: Array, *results: Array) -> None:
        """Step the rows with the actions of the typed port."""
        step_rows(self, rows.start, self._actions(action), results)

    @reaction(on="step_given", triggers=[request], effects=stepped, whole=True)
    def step_given(self, rows: range, request: Array, *results: Array) -> None:
        """Step the rows with actions of any kind."""
        step_rows(self, rows.start, request.tolist(), results)

    def _actions(self, action: Array) -> list[Any]:
        """The action of each row, to be kept by its environment: what Gymnasium's `iterate` makes of the batch."""
        if self._scalar_actions:
            return list(action)  # scalars are copies already
        if isinstance(self.single_action_space, ARRAYS):
            return list(action.copy())
        if action.dtype == object:
            return list(action.tolist())
        return [unpack_row(self.single_action_space, row) for row in action]

    def begin_episode(self, i: int) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """The row after an end: in NEXT_STEP a reset row, its action ignored."""
        if self.autoreset_mode is AutoresetMode.DISABLED:
            raise EpisodeOverError(EPISODE_OVER)
        self.ended[i] = False
        seed = self._seeds.pop(i, None)
        observation, info = self.env(i).reset() if seed is None else self.env(i).reset(seed=seed)
        return observation, 0.0, False, False, info

    def end_episode(
        self, i: int, k: int, observation: Any, info: dict[str, Any], final_obs: Array, infos: Array
    ) -> tuple[Any, dict[str, Any]]:
        """An end: in SAME_STEP the row turns into the first of the next episode."""
        if self.autoreset_mode is not AutoresetMode.SAME_STEP:
            self.ended[i] = True
            return observation, info
        self.write(final_obs, k, observation)
        first, begun = self.env(i).reset()
        if not self._is_plain(observation):
            infos[k] = ({"final_obs": observation, "final_info": info},)
        elif info or begun:
            infos[k] = ({"final_info": info},)
        return first, begun

    def _is_plain(self, observation: Any) -> bool:
        """Whether a port holds all that there is to an observation; of one without dimensions it gives a number."""
        return (
            type(observation) is np.ndarray
            and observation.ndim > 0
            and observation.dtype == self.plain_dtype
            and observation.shape == self.single_observation_space.shape
        )

    @reaction(on="visit", triggers=[request], effects=[answer])
    def visit(self, rows: range, request: Array, answer: Array) -> None:
        """Call a function with each environment that is asked, and copy what it returns; what fails first is raised
        when all have been visited."""
        answer[:] = None
        errors: list[BaseException] = []
        for k, i in enumerate(rows):
            if request[k] is not None:
                try:
                    function, arguments = cloudpickle.loads(request[k])
                    answer[k] = cloudpickle.dumps(function(self.visible(i), *arguments))
                except BaseException as error:
                    name_environment(error, i)
                    errors.append(error)
                    if isinstance(error, KeyboardInterrupt):
                        break  # Ctrl-C is not answered with more work
        _raise_first(errors)

    @reaction(on="shutdown")
    def close(self, rows: range) -> None:
        """Close the environments of these rows; an error of one does not keep the others open."""
        errors: list[BaseException] = []
        for i in rows:
            env, self.envs[i] = self.envs[i], None
            try:
                if env is not None:
                    env.close()
            except BaseException as error:
                name_environment(error, i)
                errors.append(error)
        _raise_first(errors)

    @reaction(on="hand_over", triggers=[request], effects=[answer])
    def hand_over(self, rows: range, request: Array, answer: Array) -> None:
        """Give environments away, where that can be done without loss: `answer` of the first row that is asked for all
        is what `receive` takes, or None."""
        answer[:] = None
        if rows and request[0] is not None:
            answer[0] = packed([self.env(i) for i in rows], [self.ended[i] for i in rows], self._seeds)

    def receive(self, parts: dict[int, bytes]) -> None:
        """Take over environments that other processes gave away: by the first of their rows, what `hand_over` answered.

        Raises:
            Exception: they cannot be unpickled here; nothing was taken.
        """
        taken = {first: pickle.loads(data) for first, data in parts.items()}
        for first, (envs, ended, seeds) in taken.items():
            self.envs[first : first + len(envs)] = envs
            self.ended[first : first + len(envs)] = ended
            self._seeds.update(seeds)
        self._handed_over = True

    def expect(self, i: int, seed: int | None) -> None:
        """Row i begins anew: whoever builds it resets it before its next step, with this seed."""
        self.ended[i] = True
        if seed is not None:
            self._seeds[i] = seed

    def __getstate__(self) -> dict[str, Any]:
        """What another process needs; each builds environments of its own."""
        return {**vars(self), "envs": [None] * len(self.envs)}

    def env(self, i: int) -> gym.Env[Any, Any]:
        """The Python object of row i."""
        env = self.envs[i]
        assert env is not None
        return env

    def visible(self, i: int) -> gym.Env[Any, Any]:
        """The Python object of row i, as it is now, for someone who may look at it or change it."""
        return self.env(i)


def _raise_first(errors: Sequence[BaseException]) -> None:
    if errors:
        try:
            raise errors[0]
        finally:
            del errors  # its traceback holds this frame: a circle


@contextlib.contextmanager
def naming(index: int) -> Iterator[None]:
    """Note on an exception which sub-environment it comes from."""
    try:
        yield
    except BaseException as error:
        name_environment(error, index)
        raise
