"""A bank of environments as one reactor: the rows are sub-environments, a tag is one step of all of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import gymnasium as gym
import numpy as np
import numpy.typing as npt
from gymnasium import spaces
from gymnasium.vector import AutoresetMode

from reactvec.envs import Bank, specialise
from reactvec.port_types import port_type, row_writer
from reactvec.topology import InputPort, OutputPort, PortType, Reaction, Reactor, reaction

EnvFn = Callable[[], gym.Env[Any, Any]]
Array = npt.NDArray[Any]


class EnvBank(Reactor):
    """N Python environments, stepped row by row by the worker that owns the row and built them.

    Inputs: `action` (a row per environment; of dtype object the rows are passed as they are) and `request` (object; per
    row None, or the `(seed, options)` of a reset). Outputs, one row per environment: `obs`, `reward` float64,
    `terminated` and `truncated` bool, `final_obs` (the last observation of an episode that ended at this tag, in
    SAME_STEP mode; other rows hold no meaning), `infos` (object: None, or the info dicts of the tag, in order).

    Commands: `reset` resets the rows that have a request.
    """

    action = InputPort()
    request = InputPort((), object)
    obs = OutputPort()
    reward = OutputPort((), np.float64)
    terminated = OutputPort((), np.bool_)
    truncated = OutputPort((), np.bool_)
    final_obs = OutputPort()
    infos = OutputPort((), object)

    def __init__(
        self,
        env_fns: Sequence[EnvFn],
        built: Sequence[gym.Env[Any, Any]],
        autoreset_mode: AutoresetMode,
        action_type: PortType,
    ) -> None:
        self.single_observation_space = built[0].observation_space
        self.single_action_space = built[0].action_space
        obs_type = port_type(self.single_observation_space)
        super().__init__(bank=len(env_fns), action=action_type, obs=obs_type, final_obs=obs_type)
        self.env_fns = list(env_fns)
        self.envs: list[gym.Env[Any, Any] | None] = [*built, *[None] * (len(env_fns) - len(built))]
        self.autoreset_mode = autoreset_mode
        self.how = "Python"
        self._ended = [False] * len(env_fns)
        self._write = row_writer(self.single_observation_space)
        nested = isinstance(self.single_observation_space, spaces.Dict | spaces.Tuple)
        self._plain_dtype = None if nested else self.obs.dtype

    @reaction(on="startup")
    def build(self, rows: range) -> None:
        """Build the environments of these rows, in the worker that will step them."""
        for i in rows:
            if self.envs[i] is None:
                self.envs[i] = self.env_fns[i]()
            check_spaces(self.env(i), self.single_observation_space, self.single_action_space)

    @reaction(on="reset", triggers=[request], effects=[obs, infos])
    def reset(self, rows: range, request: Array, obs: Array, infos: Array) -> None:
        """Reset the rows that have a request."""
        for k, i in enumerate(rows):
            infos[k] = None
            if request[k] is not None:
                seed, options = request[k]
                try:
                    observation, info = self.env(i).reset(seed=seed, options=options)
                    self._write(obs, k, observation)
                except Exception as error:
                    name_environment(error, i)
                    raise
                self._ended[i] = False
                if info:
                    infos[k] = (info,)

    @reaction(triggers=[action], effects=[obs, reward, terminated, truncated, final_obs, infos])
    def step(
        self,
        rows: range,
        action: Array,
        obs: Array,
        reward: Array,
        terminated: Array,
        truncated: Array,
        final_obs: Array,
        infos: Array,
    ) -> None:
        """Step the rows, or reset those that ended, as the autoreset mode says."""
        infos[:] = None
        actions = action.tolist() if action.dtype == object else action.copy()  # rows that an environment may keep
        shape, dtype, write, ended = obs.shape[1:], self._plain_dtype, self._write, self._ended
        rewards, terminals, cuts = [], [], []
        i = rows.start
        try:
            for k, env in enumerate(self.envs[rows.start : rows.stop]):
                i = rows.start + k
                if ended[i]:
                    observation, value, terminal, cut, info = self._begin_episode(i)
                else:
                    observation, value, terminal, cut, info = env.step(actions[k])  # type: ignore[union-attr,assignment]
                    if terminal or cut:
                        observation, info = self._end_episode(i, k, observation, info, final_obs, infos)
                if info:
                    infos[k] = (*(infos[k] or ()), info)
                rewards.append(value)
                terminals.append(terminal)
                cuts.append(cut)
                if type(observation) is np.ndarray and observation.dtype is dtype and observation.shape == shape:
                    obs[k] = observation
                else:
                    write(obs, k, observation)
        except Exception as error:
            name_environment(error, i)
            raise
        try:
            reward[:], terminated[:], truncated[:] = rewards, terminals, cuts
        except (TypeError, ValueError):
            for column, values in ((reward, rewards), (terminated, terminals), (truncated, cuts)):
                _write_one_by_one(column, values, rows.start)

    def _begin_episode(self, i: int) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """The row after an end: in NEXT_STEP a reset row, its action ignored."""
        if self.autoreset_mode is AutoresetMode.DISABLED:
            raise gym.error.ResetNeeded("Cannot call step() after an episode's end before reset()")
        self._ended[i] = False
        observation, info = self.env(i).reset()
        return observation, 0.0, False, False, info

    def _end_episode(
        self, i: int, k: int, observation: Any, info: dict[str, Any], final_obs: Array, infos: Array
    ) -> tuple[Any, dict[str, Any]]:
        """An end: in SAME_STEP the row turns into the first of the next episode."""
        if self.autoreset_mode is not AutoresetMode.SAME_STEP:
            self._ended[i] = True
            return observation, info
        self._write(final_obs, k, observation)
        infos[k] = ({"final_obs": observation, "final_info": info},)
        return self.env(i).reset()

    @reaction(on="shutdown")
    def close(self, rows: range) -> None:
        """Close the environments of these rows; an error of one does not keep the others open."""
        errors = []
        for i in rows:
            env, self.envs[i] = self.envs[i], None
            try:
                if env is not None:
                    env.close()
            except BaseException as error:
                name_environment(error, i)
                errors.append(error)
        if errors:
            raise errors[0]

    def env(self, i: int) -> gym.Env[Any, Any]:
        """The Python object of row i."""
        env = self.envs[i]
        assert env is not None
        return env


class NativeEnvBank(EnvBank):
    """The same bank where all environments have a kernel: steps run without Python, the objects stay as shadows."""

    def __init__(
        self, env_fns: Sequence[EnvFn], built: Sequence[gym.Env[Any, Any]], kernel: Bank, autoreset_mode: AutoresetMode
    ) -> None:
        super().__init__(env_fns, built, autoreset_mode, port_type(built[0].action_space))
        self.native = kernel
        self.how = f"native: {type(kernel).__name__}"

    @reaction(on="reset", triggers=[EnvBank.request], effects=[EnvBank.obs, EnvBank.infos])
    def reset(self, rows: range, request: Array, obs: Array, infos: Array) -> None:
        """Reset the Python objects of the rows that have a request, and load their state into the kernel."""
        super().reset(rows, request, obs, infos)
        for k, i in enumerate(rows):
            if request[k] is not None:
                self.native.load(i)

    @reaction(
        triggers=[EnvBank.action],
        effects=[EnvBank.obs, EnvBank.reward, EnvBank.terminated, EnvBank.truncated, EnvBank.final_obs],
        native=True,
    )
    def step(self) -> Any:  # type: ignore[override]
        """The kernel that steps a range of rows."""
        return self.native.step

    def fault(self, entry: Reaction, code: int, ports: Sequence[Array]) -> Exception:
        """What Gymnasium would raise for the row `code - 1`."""
        error: Exception = self.native.fault(code, ports[0])
        name_environment(error, code - 1)
        return error


def make_env_bank(
    env_fns: Sequence[EnvFn],
    autoreset_mode: AutoresetMode = AutoresetMode.SAME_STEP,
    native: bool | str = "auto",
    actions_as_given: bool = False,
) -> EnvBank:
    """A bank over these environments: native where all of them have a kernel (and `native` is not False).

    Builds the first environment here, to learn the spaces, and the others too where a kernel may step them; otherwise
    each is built by its worker. `actions_as_given` makes `action` of the Python bank an object port.

    Raises:
        ValueError: no environments, or `native=True` and one of them has no kernel; the message says why.
    """
    if not env_fns:
        raise ValueError("env_fns is empty: give at least one function that makes an environment")
    built = [env_fns[0]()]
    try:
        kernel, reason = _find_kernel(env_fns, built, autoreset_mode, native)
    except BaseException:
        for env in built:
            env.close()
        raise
    if kernel is not None:
        return NativeEnvBank(env_fns, built, kernel, autoreset_mode)
    if native is True:
        built[0].close()
        raise ValueError(f"native=True, but {reason}; use native='auto' to step these environments in Python")
    action_type: PortType = ((), object) if actions_as_given else port_type(built[0].action_space)
    bank = EnvBank(env_fns, built, autoreset_mode, action_type)
    bank.how = f"Python: {reason}"
    return bank


def _find_kernel(
    env_fns: Sequence[EnvFn], built: list[gym.Env[Any, Any]], mode: AutoresetMode, native: bool | str
) -> tuple[Bank | None, str]:
    """The native bank of these environments, or None and why not. `built` must hold the only reference to each."""
    if native is False:
        return None, "native=False"
    if mode is AutoresetMode.DISABLED:
        return None, "kernels reset by themselves, and autoreset is disabled"
    same_step = mode is AutoresetMode.SAME_STEP
    kernel, reason = specialise(built, same_step)
    if kernel is None:
        return None, reason
    del kernel  # of the first environment alone, and a reference to it
    built.extend(env_fn() for env_fn in env_fns[1:])
    return specialise(built, same_step)


def check_spaces(env: gym.Env[Any, Any], observation: gym.Space[Any], action: gym.Space[Any]) -> None:
    """Raise RuntimeError where the spaces of a sub-environment are not those of the first."""
    if env.observation_space != observation:
        raise RuntimeError(
            "the sub-environments' observation spaces are not equivalent: "
            f"single_observation_space={observation}, sub-environment observation_space={env.observation_space}"
        )
    if env.action_space != action:
        raise RuntimeError(
            f"a sub-environment's action space {env.action_space} is not the single_action_space {action}"
        )


def _write_one_by_one(column: Array, values: list[Any], first: int) -> None:
    """Write a value per row, and name the row whose value does not fit."""
    for k, value in enumerate(values):
        try:
            column[k] = value
        except (TypeError, ValueError) as error:
            name_environment(error, first + k)
            raise


def name_environment(error: BaseException, index: int) -> None:
    """Note on an exception which sub-environment it comes from."""
    if hasattr(error, "add_note"):  # CPython >= 3.11
        error.add_note(f"raised by sub-environment {index}")
