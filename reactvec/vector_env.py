"""ReactorVectorEnv: Gymnasium's vector environment over a compiled schedule. Spaces, seeds, infos; no scheduling."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from enum import Enum
from typing import Any

import gymnasium as gym
import numpy as np
import numpy.typing as npt
from gymnasium.error import AlreadyPendingCallError, ClosedEnvironmentError, NoAsyncCallError, ResetNeeded
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space, concatenate, create_empty_array

from reactvec.arguments import action_rows, check_arguments, checked_mask, refuse_timeout
from reactvec.compiler import compile
from reactvec.env_bank import NativeEnvBank, make_env_bank, name_environment
from reactvec.execution import Execution
from reactvec.placement import resolve_placement
from reactvec.port_types import copied, unpack, unpack_row
from reactvec.schedule import Schedule
from reactvec.topology import OutputPort, Topology

Array = npt.NDArray[Any]
StepResult = tuple[Any, npt.NDArray[np.float64], npt.NDArray[np.bool_], npt.NDArray[np.bool_], dict[str, Any]]


class Pending(Enum):
    """What an asynchronous call has begun and not finished."""

    NOTHING = "default"
    RESET = "reset"
    STEP = "step"


class ReactorVectorEnv(VectorEnv[Any, Any, Array]):
    """Vectorised environments, in place of `gymnasium.vector.SyncVectorEnv` or AsyncVectorEnv in this process.

    `reset`, `step`, their async forms and `close` are Gymnasium's; `call`, `get_attr`, `set_attr` and `render` are not
    there.

    Args:
        env_fns: functions that make the sub-environments, all with the same action space.
        shared_memory, context, daemon, max_concurrency: as in AsyncVectorEnv, for worker processes; without effect
            where the environments run in this process.
        copy: whether `reset` and `step` return observations of their own; if not, they are views that stay valid
            until the next call but one.
        worker: a function that speaks AsyncVectorEnv's pipe protocol; refused.
        observation_mode: "same".
        autoreset_mode: "NextStep", "SameStep" or "Disabled", or the enum.
        placement: "inline" (the caller steps all), "threads", or "auto" (see `reactvec.placement`).
        num_workers: threads including the caller; None for as many as pay.
        isolated, on_worker_failure: what needs worker processes; `isolated=False` and "raise" otherwise.
        native: "auto" steps environments that have a kernel without Python, bit for bit the same; True insists, False
            refuses.

    Raises:
        ValueError: arguments that make no sense, alone or together; the message names the remedy.
    """

    def __init__(
        self,
        env_fns: Iterable[Callable[[], gym.Env[Any, Any]]],
        shared_memory: bool = True,
        copy: bool = True,
        context: str | None = None,
        daemon: bool = True,
        worker: Callable[..., None] | None = None,
        observation_mode: str | tuple[gym.Space[Any], gym.Space[Any]] = "same",
        autoreset_mode: str | AutoresetMode = AutoresetMode.NEXT_STEP,
        max_concurrency: int | None = None,
        *,
        placement: str = "auto",
        num_workers: int | None = None,
        isolated: bool = False,
        native: bool | str = "auto",
        on_worker_failure: str = "raise",
    ) -> None:
        check_arguments(worker, observation_mode, isolated, native, on_worker_failure, max_concurrency)
        env_fns = self.env_fns = list(env_fns)
        self.shared_memory, self.copy, self.context, self.daemon = shared_memory, copy, context, daemon
        self.observation_mode = observation_mode
        self.autoreset_mode = AutoresetMode(autoreset_mode)
        self.num_envs = len(env_fns)
        resolve_placement(placement, num_workers, self.num_envs, native=False)  # refuse before anything is built
        self._bank = make_env_bank(env_fns, self.autoreset_mode, native, actions_as_given=True)
        first = self._bank.env(0)
        self.metadata = {**first.metadata, "autoreset_mode": self.autoreset_mode}
        self.render_mode = first.render_mode
        self.single_action_space = self._bank.single_action_space
        self.single_observation_space = self._bank.single_observation_space
        self.action_space = batch_space(self.single_action_space, self.num_envs)
        self.observation_space = batch_space(self.single_observation_space, self.num_envs)
        self._is_native = isinstance(self._bank, NativeEnvBank)
        self.placement, self.num_workers = resolve_placement(placement, num_workers, self.num_envs, self._is_native)
        self._start()

    def _start(self) -> None:
        bank, topology = self._bank, Topology()
        topology.add("envs", bank)
        topology.external(bank.action)
        topology.external(bank.request)
        self.schedule: Schedule = compile(topology, self.num_workers)
        self._execution = Execution(topology, self.schedule)
        self._actions = self._execution.input(bank.action)
        self._requests = self._execution.input(bank.request)
        outputs = (bank.obs, bank.reward, bank.terminated, bank.truncated, bank.final_obs, bank.infos)
        self._slots = [tuple(self._slot(port, slot) for port in outputs) for slot in range(2)]
        self._asked = Pending.NOTHING
        self._reset_needed = ""

    def _slot(self, port: OutputPort, slot: int) -> Any:
        values = self._execution.slots(port)[slot]
        structured = port is self._bank.obs and not port.dtype.hasobject
        return unpack(self.single_observation_space, values) if structured else values

    def explain(self) -> str:
        """Where the environments run and why, and the schedule."""
        return f"{self.num_envs} environments, {self.placement}, {self._bank.how}\n{self.schedule.explain()}"

    def reset(
        self, *, seed: int | Sequence[int | None] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """Reset the sub-environments: all, or those where `options["reset_mask"]` (bool `[num_envs]`) is True.

        `seed` is None, an int (environment i gets `seed + i`) or one per environment. The others keep their last
        observation and add no info.
        """
        self._assert_can_begin("reset_async")
        self._request(seed, options)
        return self._carry_out_reset()

    def reset_async(
        self, seed: int | Sequence[int | None] | None = None, options: dict[str, Any] | None = None
    ) -> None:
        """Check and keep the request; `reset_wait` carries it out."""
        self._assert_can_begin("reset_async")
        self._request(seed, options)
        self._asked = Pending.RESET

    def reset_wait(self, timeout: float | None = None) -> tuple[Any, dict[str, Any]]:
        """Carry out the reset that `reset_async` began; `(observations, infos)`."""
        self._assert_pending(Pending.RESET)
        refuse_timeout(timeout)
        self._asked = Pending.NOTHING
        return self._carry_out_reset()

    def step(self, actions: Any) -> StepResult:
        """Step every sub-environment: `(observations, rewards float64, terminations, truncations, infos)`.

        Raises:
            ValueError, TypeError: a wrong number or kind of actions; nothing has stepped then.
            Exception: whatever a sub-environment raised; a `reset()` is needed afterwards.
        """
        self._assert_can_begin("step_async")
        self._send(actions)
        return self._receive()

    def step_async(self, actions: Any) -> None:
        """Check and copy the actions and start the other workers; the caller's part runs in `step_wait`."""
        self._assert_can_begin("step_async")
        self._send(actions)
        self._asked = Pending.STEP

    def step_wait(self, timeout: float | None = None) -> StepResult:
        """Finish the step that `step_async` began."""
        self._assert_pending(Pending.STEP)
        refuse_timeout(timeout)
        return self._receive()

    def close_extras(self, timeout: float | None = None, terminate: bool = False) -> None:
        """Close the sub-environments, each in the worker that built it, and end the workers."""
        if not hasattr(self, "_execution"):
            return
        if self._pending is Pending.STEP:
            gym.logger.warn("Calling `close` while waiting for a pending call to `step` to complete.")
        self.closed = True
        self._execution.close()

    @property
    def _pending(self) -> Pending:
        """What the caller asked for and has not waited for; a step is over when the execution says so."""
        over = self._asked is Pending.STEP and not self._execution.begun
        return Pending.NOTHING if over else self._asked

    def _request(self, seed: int | Sequence[int | None] | None, options: dict[str, Any] | None) -> None:
        seeds = self._seeds(seed)
        mask = None
        if options is not None and "reset_mask" in options:
            mask = checked_mask(options["reset_mask"], self.num_envs)
            options = {key: value for key, value in options.items() if key != "reset_mask"}
        if mask is not None and self._reset_needed and not mask.all():
            raise ResetNeeded(f"{self._reset_needed}; reset all sub-environments first")
        for i in range(self.num_envs):
            self._requests[i] = (seeds[i], options) if mask is None or mask[i] else None

    def _carry_out_reset(self) -> tuple[Any, dict[str, Any]]:
        self._reset_needed = "the last reset() failed"
        self._execution.command("reset")
        obs, *_, infos = self._slots[(self._execution.tag - 1) & 1]
        result = self._observations(obs), self._merge(infos)
        self._reset_needed = ""
        return result

    def _send(self, actions: Any) -> None:
        if self._reset_needed:
            raise ResetNeeded(f"{self._reset_needed}; call reset() before step()")
        if self._is_native:
            self._write_actions(actions)
        else:
            rows = action_rows(self.action_space, actions, self.num_envs)
            self._actions[:] = np.fromiter(rows, object, self.num_envs)  # an array of the rows would unpack them
        self._reset_needed = "a step was cut short"  # until its results are there: a signal can come at any line
        self._execution.begin()

    def _receive(self) -> StepResult:
        try:
            self._execution.finish()
        except BaseException as error:
            self._reset_needed = f"a step was cut short by {type(error).__name__}"
            raise
        obs, reward, terminated, truncated, final_obs, infos = self._slots[(self._execution.tag - 1) & 1]
        if self._is_native:
            merged = self._native_infos(terminated, truncated, final_obs)
        else:
            merged = self._merge(infos)
        result = self._observations(obs), reward.copy(), terminated.copy(), truncated.copy(), merged
        self._reset_needed = ""
        return result

    def _observations(self, obs: Any) -> Any:
        """What is returned of a slot's observations: a copy or a view; Python values are batched as Gymnasium does."""
        if self._bank.obs.dtype.hasobject:
            empty = create_empty_array(self.single_observation_space, self.num_envs)
            return concatenate(self.single_observation_space, obs.tolist(), empty)  # type: ignore[arg-type]
        return copied(obs) if self.copy else obs

    def _write_actions(self, actions: Any) -> None:
        """Copy actions of native environments; a batch that does not fit is refused as Gymnasium's `iterate` would."""
        array = np.asarray(actions)
        if array.shape != self._actions.shape:
            action_rows(self.action_space, actions, self.num_envs)
            raise ValueError(f"Expected actions of shape {self._actions.shape}, got {array.shape}")
        if array.dtype != self._actions.dtype and not np.can_cast(array.dtype, self._actions.dtype, "same_kind"):
            raise TypeError(f"actions of dtype {array.dtype} do not fit the action space {self.single_action_space}")
        self._actions[...] = array

    def _native_infos(self, terminated: Array, truncated: Array, final_obs: Array) -> dict[str, Any]:
        """Kernels have no infos of their own; what remains are the final observations of SAME_STEP."""
        infos: dict[str, Any] = {}
        if self.autoreset_mode is AutoresetMode.SAME_STEP:
            for i in np.flatnonzero(terminated | truncated):
                final = unpack_row(self.single_observation_space, final_obs[i])
                infos = self._add_info(infos, {"final_obs": final, "final_info": {}}, int(i))
        return infos

    def _merge(self, rows: Array) -> dict[str, Any]:
        infos: dict[str, Any] = {}
        for i, row in [(i, row) for i, row in enumerate(rows.tolist()) if row]:
            for info in row:
                try:
                    infos = self._add_info(infos, info, i)
                except Exception as error:
                    name_environment(error, i)
                    raise
        return infos

    def _seeds(self, seed: int | Sequence[int | None] | None) -> Sequence[int | None]:
        if seed is None:
            return [None] * self.num_envs
        if isinstance(seed, int):
            return [seed + i for i in range(self.num_envs)]
        if len(seed) != self.num_envs:
            raise ValueError(
                "If seeds are passed as a list the length must match "
                f"num_envs={self.num_envs} but got length={len(seed)}."
            )
        return seed

    def _assert_can_begin(self, call: str) -> None:
        if self.closed:
            raise ClosedEnvironmentError(f"Trying to operate on `{type(self).__name__}`, after a call to `close()`.")
        if self._execution.begun or self._asked is not Pending.NOTHING:
            self._settle(call)

    def _settle(self, call: str) -> None:
        """Refuse a call while another one is pending; finish a step that a signal cut short before it could finish."""
        if self._pending is not Pending.NOTHING:
            raise AlreadyPendingCallError(
                f"Calling `{call}` while waiting for a pending call to `{self._pending.value}` to complete.",
                self._pending.value,
            )
        self._asked = Pending.NOTHING
        if self._execution.begun:
            self._execution.finish()

    def _assert_pending(self, pending: Pending) -> None:
        if self.closed:
            raise ClosedEnvironmentError(f"Trying to operate on `{type(self).__name__}`, after a call to `close()`.")
        if self._pending is not pending:
            name = pending.value
            raise NoAsyncCallError(f"Calling `{name}_wait` without any prior call to `{name}_async`.", name)
