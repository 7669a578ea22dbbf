"""ReactorVecEnv: Stable-Baselines3's SubprocVecEnv over the same core as ReactorVectorEnv."""

from __future__ import annotations

import contextlib
import multiprocessing
import warnings
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any, TypeAlias

import gymnasium as gym
import numpy as np
import numpy.typing as npt
from gymnasium.vector import AutoresetMode
from stable_baselines3.common.env_util import is_wrapped
from stable_baselines3.common.vec_env import SubprocVecEnv, VecEnv
from stable_baselines3.common.vec_env.patch_gym import _patch_env

from reactvec import visits
from reactvec.row_infos import RowInfos

Array: TypeAlias = "npt.NDArray[Any]"
EnvFn: TypeAlias = "Callable[[], gym.Env[Any, Any]]"
Indices: TypeAlias = "int | Iterable[int] | None"
StepReturn: TypeAlias = "tuple[Any, npt.NDArray[np.float32], npt.NDArray[np.bool_], list[dict[str, Any]]]"


class ReactorVecEnv(SubprocVecEnv):
    """Vectorised environments, in place of `stable_baselines3.common.vec_env.SubprocVecEnv`.

    All methods are Stable-Baselines3's, with its results: rewards are float32, an environment that ends is reset in the
    same step, and each info has "TimeLimit.truncated" and, at an end, "terminal_observation". What crosses to or from
    an environment is a copy, wherever it lives.

    Args:
        env_fns: functions that make the environments, each a new one at every call.
        start_method: how worker processes start, "forkserver" where there is one, else "spawn".
        placement, num_workers, isolated, on_worker_failure, native: as in `reactvec.ReactorVectorEnv`.

    Attributes:
        processes: the worker processes, of which each may have several environments, or none.
        remotes: an empty tuple, since there are no pipes.

    Raises:
        ValueError, TypeError: arguments that make no sense, alone or together; the message names the remedy.
    """

    def __init__(
        self,
        env_fns: list[EnvFn],
        start_method: str | None = None,
        *,
        placement: str = "auto",
        num_workers: int | None = None,
        isolated: bool = False,
        native: bool | str = "auto",
        on_worker_failure: str = "raise",
    ) -> None:
        env_fns = list(env_fns)
        self.closed = False
        self.remotes = ()
        if start_method is None:
            start_method = "forkserver" if "forkserver" in multiprocessing.get_all_start_methods() else "spawn"
        self._vector = RowInfos(
            [partial(_made, env_fn) if callable(env_fn) else env_fn for env_fn in env_fns],
            shared_memory=False,
            context=start_method,
            autoreset_mode=AutoresetMode.SAME_STEP,
            placement=placement,
            num_workers=num_workers,
            isolated=isolated,
            native=native,
            on_worker_failure=on_worker_failure,
        )
        try:
            VecEnv.__init__(self, len(env_fns), self._vector.single_observation_space, self._vector.single_action_space)
        except BaseException:
            self._vector.close()
            raise

    @property
    def waiting(self) -> bool:  # type: ignore[override]
        """Whether `step_async` has begun a step whose results were not returned."""
        return self._vector.waiting

    @property
    def processes(self) -> list[Any]:  # type: ignore[override]
        """The worker processes."""
        return self._vector.processes

    def explain(self) -> str:
        """Where the environments run and why, and the schedule."""
        return self._vector.explain()

    def reset(self) -> Any:
        """Reset all environments, with the seeds and options that were set since the last reset; observations.

        A step that was begun and not waited for, perhaps for a Ctrl-C, is given up.
        """
        if self.waiting:
            with contextlib.suppress(Exception):  # of a step that nobody wants; who died is named by the reset
                self.step_wait()
        options = [chosen or None for chosen in self._options]
        observations, self.reset_infos = self._vector.reset(seed=self._seeds, options=options)  # type: ignore[assignment]
        self._reset_seeds()
        self._reset_options()
        return observations

    def step(self, actions: Array) -> StepReturn:
        """Step all environments: `(observations, rewards, dones, infos)`."""
        return self._told(self._vector.step(actions))

    def step_async(self, actions: Array) -> None:
        """Check and copy the actions and start the other workers; the caller's part runs in `step_wait`."""
        self._vector.step_async(actions)

    def step_wait(self) -> StepReturn:
        """Finish the step that `step_async` began."""
        return self._told(self._vector.step_wait())

    def _told(self, result: Any) -> StepReturn:
        observations, rewards, dones, infos, begun = result
        for i, info in begun.items():
            self.reset_infos[i] = info
        return observations, rewards, dones, infos

    def close(self) -> None:
        """Close the environments and end the workers; closing again does nothing."""
        if self.closed:
            return
        self.closed = True
        try:
            if self.waiting:
                self.step_wait()
        finally:
            self._vector.close()

    def get_images(self) -> Sequence[Array | None]:
        """The frame of each environment, or None where they render to something else."""
        if self.render_mode != "rgb_array":
            warnings.warn(
                f"The render mode is {self.render_mode}, but this method assumes it is `rgb_array` to obtain images.",
                stacklevel=2,
            )
            return [None] * self.num_envs
        return list(self._vector.visit(visits.render))

    def has_attr(self, attr_name: str) -> bool:
        """Whether all environments have an attribute, which need not be picklable."""
        return all(self._vector.visit(visits.has_attribute, attr_name))

    def get_attr(self, attr_name: str, indices: Indices = None) -> list[Any]:
        """An attribute of each environment, of whichever wrapper has it."""
        return self._visit(visits.attribute, attr_name, indices=indices)

    def set_attr(self, attr_name: str, value: Any, indices: Indices = None) -> None:
        """Set an attribute of the outermost wrapper of each environment."""
        self._visit(setattr, attr_name, value, indices=indices)

    def env_method(
        self, method_name: str, *method_args: Any, indices: Indices = None, **method_kwargs: Any
    ) -> list[Any]:
        """Call a method of each environment, of whichever wrapper has it."""
        return self._visit(visits.method, method_name, method_args, method_kwargs, indices=indices)

    def env_is_wrapped(
        self, wrapper_class: type[gym.Wrapper[Any, Any, Any, Any]], indices: Indices = None
    ) -> list[bool]:
        """Whether each environment is wrapped in such a wrapper."""
        return self._visit(is_wrapped, wrapper_class, indices=indices)

    def _visit(self, function: Callable[..., Any], *arguments: Any, indices: Indices) -> list[Any]:
        return list(self._vector.visit(function, *arguments, indices=indices))


def _made(env_fn: EnvFn) -> gym.Env[Any, Any]:
    """A Gymnasium environment, whatever Gym the one is from."""
    env: gym.Env[Any, Any] = _patch_env(env_fn())
    return env
