"""ReactorVectorEnv: Gymnasium's vector environment over a compiled schedule. Spaces, seeds, infos; no scheduling."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterable, Sequence
from copy import deepcopy
from typing import Any

import gymnasium as gym
import numpy as np
import numpy.typing as npt
from gymnasium.error import ResetNeeded
from gymnasium.vector import AutoresetMode
from gymnasium.vector.utils import batch_space, concatenate, create_empty_array

from reactvec._stepping import copies, ended_rows
from reactvec.actions import Actions
from reactvec.arguments import (
    Options,
    check_arguments,
    check_not_native,
    check_shareable,
    check_timeout,
    option_rows,
    seed_rows,
)
from reactvec.calls import Calls, Pending, vectors
from reactvec.deployment import Deployment, topology_of
from reactvec.env_bank import ObservationMode
from reactvec.held_signals import held_signals
from reactvec.infos import ObjectInfos, merged
from reactvec.native_env_bank import NativeEnvBank, make_env_bank
from reactvec.observation_mode import batched_observation_space
from reactvec.placement import Placement, limited, resolve_placement
from reactvec.port_types import ARRAYS, copied
from reactvec.processes import GRACE_S, ProcessOptions
from reactvec.schedule import Schedule

CUT_SHORT = "a step was cut short"
Array = npt.NDArray[Any]
StepResult = tuple[Any, npt.NDArray[np.float64], npt.NDArray[np.bool_], npt.NDArray[np.bool_], dict[str, Any]]


class ReactorVectorEnv(Calls):
    """Vectorised environments, in place of `gymnasium.vector.AsyncVectorEnv` or SyncVectorEnv.

    All methods and attributes are Gymnasium's. Beyond it, `call`, `get_attr` and `set_attr` take `indices`, and `reset`
    takes options per environment.

    Args:
        env_fns: functions that make the sub-environments, all with the same action space.
        shared_memory: False for observations that cannot lie in shared memory: those of Graph, Sequence and custom
            spaces.
        copy: whether `reset` and `step` return observations of their own; if not, they are views that stay valid
            until the next `reset` or `step` but one.
        context: how worker processes start: "fork", "forkserver", "spawn", or None for the interpreter's default.
        daemon: whether they end with this process and may have no children of their own; as in AsyncVectorEnv.
        worker: a function that speaks AsyncVectorEnv's pipe protocol; refused.
        observation_mode: "same", "different" (spaces that share a shape and dtype), or the tuple `(observation_space,
            single_observation_space)`.
        autoreset_mode: "NextStep", "SameStep" or "Disabled", or the enum.
        max_concurrency: how many environments may step or reset at the same time, at most; None for no limit.
        placement: "inline" (the caller steps all), "threads", "processes", or "auto" (see `reactvec.placement`); "auto"
            goes on in this process alone when steps turn out too short to share.
        num_workers: threads or processes, including the caller; None for as many as pay.
        isolated: no environment in this process: one that crashes or hangs is survived and named, and waits may have a
            timeout. `num_workers` are then processes; with `num_workers=num_envs` each environment has its own.
        on_worker_failure: "raise", or "restart": the environments of a worker process that died come back, with
            truncated=True, their last observation and the info "worker_restarted"; the others lose nothing.
        native: "auto" steps environments that have a kernel without Python, bit for bit the same; True insists, False
            refuses.

    Raises:
        ValueError, TypeError: arguments that make no sense, alone or together; the message names the remedy.
        RuntimeError: sub-environments whose spaces cannot be batched.
    """

    def __init__(
        self,
        env_fns: Iterable[Callable[[], gym.Env[Any, Any]]],
        shared_memory: bool = True,
        copy: bool = True,
        context: str | None = None,
        daemon: bool = True,
        worker: Callable[..., None] | None = None,
        observation_mode: ObservationMode = "same",
        autoreset_mode: str | AutoresetMode = AutoresetMode.NEXT_STEP,
        max_concurrency: int | None = None,
        *,
        placement: str = "auto",
        num_workers: int | None = None,
        isolated: bool = False,
        native: bool | str = "auto",
        on_worker_failure: str = "raise",
    ) -> None:
        check_arguments(worker, observation_mode, native, on_worker_failure, max_concurrency, context)
        env_fns = self.env_fns = list(env_fns)
        self.shared_memory, self.copy, self.context, self.daemon = shared_memory, copy, context, daemon
        self.worker, self.observation_mode, self.max_concurrency = worker, observation_mode, max_concurrency
        self.autoreset_mode = AutoresetMode(autoreset_mode)
        self.num_envs = len(env_fns)
        self.on_worker_failure = on_worker_failure
        asked = placement, num_workers, self.num_envs
        resolve_placement(*asked, native=False, isolated=isolated)  # refuse before anything is built
        if isolated or placement == "processes":
            native = check_not_native(native)
        self._processes = ProcessOptions(context, daemon)
        probing = self._processes if isolated else None
        self._bank = make_env_bank(env_fns, self.autoreset_mode, native, observation_mode, probing)
        self._is_native = isinstance(self._bank, NativeEnvBank)
        place = self._placed(*asked, isolated)
        adapts = placement == "auto" and place.name == "processes" and not isolated and on_worker_failure == "raise"
        self._topology = topology_of(self._bank)
        self._deploy(Deployment(self._topology, self._bank, place, self._processes, adapts))
        self._gather_spaces()
        bank = self._bank
        self._told = bank.told if isinstance(bank, NativeEnvBank) else ObjectInfos(self.single_observation_space)
        self._plain_observations = isinstance(self.single_observation_space, ARRAYS)
        self._step_command, self._asked = "step", Pending.NOTHING
        self._ready = self._visited = False
        vectors.add(self)
        self._reset_needed, self._lost = "", None

    def _placed(self, placement: str, num_workers: int | None, num_envs: int, isolated: bool) -> Placement:
        """Where the bank goes; if it can go nowhere, its environments are closed."""
        try:
            self._describe()
            place = resolve_placement(placement, num_workers, num_envs, self._is_native, isolated)
            place = limited(place, self.max_concurrency)
            self._check_restart(place)
        except BaseException:
            self._bank.close(range(num_envs))
            raise
        return place

    def _check_restart(self, place: Placement) -> None:
        """ValueError where no process but this one would step environments."""
        if self.on_worker_failure == "restart" and (place.name != "processes" or place.scheduled == 1):
            raise ValueError(
                f"on_worker_failure='restart' needs worker processes, and these environments run on placement="
                f"{place.name!r} with {place.workers} worker(s); use isolated=True"
            )

    def _describe(self) -> None:
        """Set what the first environment tells; what the others have to say is heard when they are built."""
        traits = self._bank.traits
        self.metadata = {**traits.metadata, "autoreset_mode": self.autoreset_mode}
        self.render_mode = traits.render_mode
        self.single_action_space = self._bank.single_action_space
        self.single_observation_space = self._bank.single_observation_space
        self.action_space = batch_space(self.single_action_space, self.num_envs)
        if self.shared_memory:
            check_shareable(self.single_observation_space)

    def _deploy(self, deployment: Deployment) -> None:
        """Step the environments where this has put them."""
        self._deployment, place = deployment, deployment.place
        self.placement, self.num_workers, self.isolated = place.name, place.workers, place.isolated
        self.schedule: Schedule = deployment.schedule
        self._actions = Actions(self.action_space, self.single_action_space, deployment.action, deployment.request)

    def _gather_spaces(self) -> None:
        """Batch the observation spaces that the sub-environments turned out to have."""
        try:
            spaces = self._deployment.execution.read(self._bank.space).tolist()
            self.observation_space = batched_observation_space(
                self.observation_mode, self.single_observation_space, spaces
            )
        except BaseException:
            self._deployment.execution.close()
            raise

    def explain(self) -> str:
        """Where the environments run and why, and the schedule."""
        return f"{self.num_envs} environments, {self.placement}, {self._bank.how}\n{self.schedule.explain()}"

    def reset(
        self,
        *,
        seed: int | Sequence[int | None] | None = None,
        options: Options | Sequence[Options] = None,
    ) -> tuple[Any, dict[str, Any]]:
        """Reset the sub-environments: all, or those where `options["reset_mask"]` (bool `[num_envs]`) is True.

        `seed` is None, an int (environment i gets `seed + i`) or one per environment; `options` None, a dict for all,
        or a list or tuple of one dict or None per environment. The others keep their last observation and add no info.
        """
        self._assert_can_begin("reset_async")
        self._request_reset(seed, options)
        self._run("reset", "reset")
        return self._reset_result()

    def reset_async(
        self, seed: int | Sequence[int | None] | None = None, options: Options | Sequence[Options] = None
    ) -> None:
        """Check and keep the request and start the other workers; the caller's part runs in `reset_wait`."""
        self._assert_can_begin("reset_async")
        self._request_reset(seed, options)
        self._ask(Pending.RESET, "reset")

    def reset_wait(self, timeout: float | None = None) -> tuple[Any, dict[str, Any]]:
        """Finish the reset that `reset_async` began; `(observations, infos)`."""
        self._assert_pending(Pending.RESET)
        with self._returning():
            self._finish("reset", timeout)
            return self._reset_result()

    def step(self, actions: Any) -> StepResult:
        """Step every sub-environment: `(observations, rewards float64, terminations, truncations, infos)`.

        Raises:
            ValueError, TypeError: a wrong number or kind of actions; nothing has stepped then.
            Exception: whatever a sub-environment raised; a `reset()` is needed afterwards.
        """
        if not self._ready:
            self._prepare_step()
        command = self._send(actions)
        self._ready, self._reset_needed = False, CUT_SHORT  # until its results are there: a signal comes at any line
        try:
            self._run(command, "step")
            result = self._step_result()
        except BaseException as error:
            self._reset_needed = f"{CUT_SHORT} by {type(error).__name__}"
            raise
        self._ready = True
        return result

    def step_async(self, actions: Any) -> None:
        """Check and copy the actions and start the other workers; the caller's part runs in `step_wait`."""
        self._prepare_step()
        command = self._send(actions)
        self._reset_needed = CUT_SHORT
        self._ask(Pending.STEP, command)

    def step_wait(self, timeout: float | None = None) -> StepResult:
        """Finish the step that `step_async` began."""
        self._assert_pending(Pending.STEP)
        try:
            with self._returning():
                self._finish("step", timeout)
                return self._step_result()
        except BaseException as error:
            self._reset_needed = f"{CUT_SHORT} by {type(error).__name__}"
            raise

    def close_extras(self, timeout: float | None = None, terminate: bool = False) -> None:
        """Close the sub-environments, each in the worker that built it, and end the workers.

        Worker processes that take longer than `timeout` seconds are killed, with `terminate` all of them at once. What
        a signal cut short gets 5 seconds where no timeout says otherwise.
        """
        check_timeout(timeout)
        if not hasattr(self, "_asked"):
            return
        self._ready, self.closed, pending = False, True, self._pending
        if timeout is None and pending is Pending.NOTHING and self._deployment.is_pending:
            timeout = GRACE_S  # a signal cut something short, which may be a hang
        try:
            if pending is not Pending.NOTHING:
                gym.logger.warn(f"Calling `close` while waiting for a pending call to `{pending.value}` to complete.")
        finally:
            self._deployment.execution.close(timeout, terminate)

    def _request_reset(self, seed: int | Sequence[int | None] | None, options: Options | Sequence[Options]) -> None:
        seeds = seed_rows(seed, self.num_envs)
        rows, mask = option_rows(options, self.num_envs)
        if mask is not None and self._reset_needed and not mask.all():
            raise ResetNeeded(f"{self._reset_needed}; reset all sub-environments first")
        if self._visited or self._bank.lags:
            self._resume()
        deployment = self._deployment
        for i in range(self.num_envs):
            asked = mask is None or mask[i]
            deployment.request[i] = (seeds[i], rows[i]) if asked else None
            deployment.recovery.remember(i, seeds[i] if asked else None)
        self._reset_needed = "the last reset() failed"  # until its results are there: a signal can come at any line

    def _reset_result(self) -> tuple[Any, dict[str, Any]]:
        results = self._deployment.results()
        result = self._observations(results.obs), merged(self._add_info, results.infos)
        self._reset_needed = ""
        return result

    def _prepare_step(self) -> None:
        """What a step needs that does not follow another one directly."""
        self._assert_can_begin("step_async")
        if self._reset_needed:
            raise ResetNeeded(f"{self._reset_needed}; call reset() before step()")
        if self._visited or self._bank.lags:
            self._resume()

    def _send(self, actions: Any) -> str:
        """Write a batch of actions; the command that steps with it."""
        sharing = self._deployment.sharing
        if sharing is not None and sharing.loses():
            self._bring_back()
        if self._actions.write(actions, self._is_native):
            return self._step_command
        if self._is_native:
            self._leave("since actions came in a form that the kernel does not take")
        return "step_given"

    def _step_result(self) -> StepResult:
        results = self._deployment.results()
        flags = results.terminated, results.truncated
        ended = ended_rows(*flags) if self.autoreset_mode is AutoresetMode.SAME_STEP else ()
        self._told.follow(results)
        infos = self._told.batched(self._add_info, results, ended)
        result = self._observations(results.obs), *copies(results.reward, *flags), infos
        self._reset_needed = ""
        return result

    def _observations(self, obs: Any) -> Any:
        """What is returned of a slot's observations: a copy or a view; Python values are batched as Gymnasium does."""
        if self._plain_observations:
            return obs.copy() if self.copy else obs
        if self._bank.obs.dtype.hasobject:
            empty = create_empty_array(self.single_observation_space, self.num_envs)
            batch = concatenate(self.single_observation_space, obs.tolist(), empty)  # type: ignore[arg-type]
            return deepcopy(batch) if self.copy else batch
        return copied(obs) if self.copy else obs

    def _bring_back(self) -> None:
        """Go on in this process alone, with the environments as they are, if they can be handed over whole."""
        self._ready = False
        old, old.sharing = self._deployment, None
        theirs = [rows for worker in range(1, self.num_workers) if (rows := old.execution.rows_of(worker))]
        old.request[:] = [any(i in rows for rows in theirs) or None for i in range(self.num_envs)]
        self._run("hand_over", "call")
        answers = old.take_answers()
        if any(answers[rows.start] is None for rows in theirs):
            return
        with held_signals(signal.valid_signals()):
            try:
                self._bank.receive({rows.start: answers[rows.start] for rows in theirs})
            except Exception:  # not to be had here: they stay where they are
                return
            self._bank.how += ", steps too short to share with other processes"
            deployment = Deployment(self._topology, self._bank, Placement("inline", 1), self._processes)
            deployment.follow(old)
            self._deploy(deployment)
            old.execution.abandon()
