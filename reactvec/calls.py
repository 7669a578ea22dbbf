"""Calls of single sub-environments, and what is pending: the part of a vector environment that no step goes through."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import time
import weakref
from collections.abc import Callable, Iterable, Iterator
from enum import Enum
from typing import Any, TypeAlias

import cloudpickle
import numpy as np
import numpy.typing as npt
from gymnasium.error import AlreadyPendingCallError, ClosedEnvironmentError, NoAsyncCallError
from gymnasium.vector import VectorEnv

from reactvec import visits
from reactvec.arguments import check_call, check_timeout, row_indices, value_rows
from reactvec.deployment import Deployment
from reactvec.env_bank import EnvBank
from reactvec.execution import ClosedExecutionError
from reactvec.infos import ObjectInfos
from reactvec.native_infos import NativeInfos
from reactvec.processes import WorkerDeath, WorkerDiedError
from reactvec.recovery import EnvironmentsLostError

Array: TypeAlias = "npt.NDArray[Any]"
Indices: TypeAlias = "int | Iterable[int] | None"
REMEDY = "Close this and make another; with on_worker_failure='restart' such environments come back."


class Pending(Enum):
    """What an asynchronous call has begun and not finished."""

    NOTHING = "default"
    RESET = "reset"
    STEP = "step"
    CALL = "call"


class Calls(VectorEnv[Any, Any, Array]):
    """`call`, `get_attr`, `set_attr` and `render` of a vector environment over an env bank, and its state machine.

    What crosses, either way, is a copy, wherever the sub-environments live. No call disturbs observations or asks for a
    reset, not even one that fails; one that fails in an environment is made in the others all the same.

    `indices` names the sub-environments that are meant: None for all, an int, or several, negative ones from the end;
    the results are in that order.
    """

    _known_as = ""  # to the caller, where that is not this class
    on_worker_failure: str
    _deployment: Deployment
    _called: list[int]
    _asked: Pending
    _asked_at: int  # the tag
    _bank: EnvBank
    _is_native: bool
    _step_command: str
    _told: ObjectInfos | NativeInfos  # reads the infos of steps
    _visited: bool  # the kernel has to catch up with its environments
    _ready: bool  # the last thing done was a step, and another one can follow
    _lost: EnvironmentsLostError | None

    def call(self, name: str, *args: Any, indices: Indices = None, **kwargs: Any) -> tuple[Any, ...]:
        """Call a method of each sub-environment, or look up an attribute that is none; a tuple of the results.

        Raises:
            ValueError: `reset`, `step` or `close`, which are methods of the vector environment.
            IndexError: there is no such sub-environment.
            Exception: what the first of the sub-environments that failed has raised.
        """
        check_call(name)
        return self._visited_by("call_async", visits.call, (name, args, kwargs), indices)

    def call_async(self, name: str, /, *args: Any, indices: Indices = None, **kwargs: Any) -> None:
        """Start a call in the other workers; the caller's part runs in `call_wait`."""
        self._assert_can_begin("call_async")
        check_call(name)
        self._request_visits(visits.call, (name, args, kwargs), indices)
        self._ask(Pending.CALL, "visit")

    def call_wait(self, timeout: float | None = None) -> tuple[Any, ...]:
        """Finish the call that `call_async` began; a tuple of the results."""
        self._assert_pending(Pending.CALL)
        with self._returning():
            self._finish("call", timeout)
            return self._answers()

    def visit(self, function: Callable[..., Any], *arguments: Any, indices: Indices = None) -> tuple[Any, ...]:
        """Call `function(env, *arguments)` with each sub-environment, where it lives; a tuple of the results.

        Raises:
            IndexError: there is no such sub-environment.
            Exception: what the function raised for the first of the sub-environments that failed.
        """
        return self._visited_by("visit", function, arguments, indices)

    def get_attr(self, name: str, indices: Indices = None) -> tuple[Any, ...]:
        """An attribute of each sub-environment, of whichever wrapper has it; where it is a method, it is called."""
        return self.call(name, indices=indices)

    def set_attr(self, name: str, values: Any, indices: Indices = None) -> None:
        """Set an attribute of each sub-environment where it is found, else on its outermost wrapper.

        `values` is one value for all, or a list or tuple with one for each of `indices`.
        """
        self._assert_can_begin("set_attr")
        rows = row_indices(indices, self.num_envs)
        messages = [cloudpickle.dumps((visits.set_attribute, (name, value))) for value in value_rows(values, len(rows))]
        self._request(dict(zip(rows, messages, strict=True)))
        self._run("visit", "call")
        self._deployment.take_answers()

    def render(self) -> tuple[Any, ...]:
        """The frame of each sub-environment."""
        return self.call("render")

    @property  # type: ignore[misc]
    def np_random(self) -> tuple[np.random.Generator, ...]:  # type: ignore[override]
        """Copies of the random generators of the sub-environments."""
        return self.get_attr("np_random")

    @property
    def np_random_seed(self) -> tuple[int, ...]:  # type: ignore[override]
        """The seeds that the sub-environments had last; -1 where it is not known."""
        return self.get_attr("np_random_seed")

    def _visited_by(
        self, by: str, function: Callable[..., Any], arguments: tuple[Any, ...], indices: Indices
    ) -> tuple[Any, ...]:
        self._assert_can_begin(by)
        self._request_visits(function, arguments, indices)
        self._run("visit", "call")
        return self._answers()

    def _request_visits(self, function: Callable[..., Any], arguments: tuple[Any, ...], indices: Indices) -> None:
        self._called = row_indices(indices, self.num_envs)
        self._request(dict.fromkeys(self._called, cloudpickle.dumps((function, arguments))))

    def _request(self, messages: dict[int, bytes]) -> None:
        self._visited |= self._is_native
        request = self._deployment.request
        request.fill(None)
        for i, message in messages.items():
            request[i] = message

    def _answers(self) -> tuple[Any, ...]:
        answers = self._deployment.take_answers()
        return tuple(cloudpickle.loads(answers[i]) for i in self._called)

    def _run(self, command: str, what: str) -> None:
        """Begin and finish a command that is part of a reset, step or call."""
        try:
            self._deployment.execution.command(command)
        except WorkerDeath as death:
            self._recover(death, what)
            self._brought_back(None)
        except BaseException as error:
            self._look_for_deaths(error, what)
            raise

    def _finish(self, what: str, timeout: float | None) -> None:
        """Finish the reset, step or call that was begun.

        Raises:
            ValueError: a timeout where environments run in this process, which nothing could keep, or one that is NaN.
            multiprocessing.TimeoutError: it takes longer than `timeout` seconds, and stays pending.
            Exception: what a sub-environment raised, or that its process died.
        """
        check_timeout(timeout)
        if timeout is not None and not self._deployment.place.isolated:
            raise ValueError(
                f"timeout={timeout}: an environment that runs in this process cannot be interrupted; leave timeout "
                "out, or use isolated=True"
            )
        execution, recovery = self._deployment.execution, self._deployment.recovery
        begun = time.monotonic()
        try:
            done = recovery.is_under_way or not execution.begun or execution.finish(timeout)
        except WorkerDeath as death:
            self._recover(death, what)
            done = True
        except BaseException as error:
            self._look_for_deaths(error, what)
            raise
        left = None if timeout is None else max(0.0, timeout - (time.monotonic() - begun))
        if not (done and self._brought_back(left)):
            raise multiprocessing.TimeoutError(
                f"The call to `{what}_wait` has timed out after {timeout} second(s).{self._at_work(what)} It stays "
                "pending: wait again, or close(terminate=True)."
            )

    def _at_work(self, what: str) -> str:
        """What a wait was for that is over too soon."""
        recovery = self._deployment.recovery
        if recovery.is_under_way:
            return " Environments whose worker process died are being brought back."
        busy = ", ".join(map(str, recovery.in_step())) if what == "step" else ""
        return f" Environment {busy} is at work." if busy else ""

    def _recover(self, death: WorkerDiedError, what: str) -> None:
        """Begin to bring the environments of dead workers back, where that is asked for and a step or reset can tell of
        it; else raise what names them."""
        recovery = self._deployment.recovery
        if self.on_worker_failure == "raise":
            self._lost = recovery.lost(death, REMEDY)
            raise self._lost from None
        if what == "call":
            raise recovery.lost(death, "They come back with the next step or reset.") from None
        (recovery.after_step if what == "step" else recovery.after_reset)(death)

    def _look_for_deaths(self, error: BaseException, what: str) -> None:
        """Begin to recover, too, where a signal came when workers had died; it is raised all the same."""
        if isinstance(error.__cause__, WorkerDeath):
            with contextlib.suppress(WorkerDiedError):  # which every call after this one raises
                self._recover(error.__cause__, what)

    def _brought_back(self, timeout: float | None) -> bool:
        """Go on with what brings environments back, if anything does; False after `timeout` seconds."""
        recovery = self._deployment.recovery
        try:
            return recovery.go_on(timeout)
        except BaseException as error:
            if recovery.is_under_way or recovery.death is None:  # a signal, and who waits again loses nothing
                raise
            lost = self._lost = recovery.lost(recovery.death, f"They could not be brought back: {error!r}. Close this.")
            if not isinstance(error, Exception):
                raise
            raise lost from error

    def _resume(self) -> None:
        """Let the kernel catch up with what calls did to its environments, or leave it where it cannot."""
        deployment = self._deployment
        deployment.execution.command("resume")
        reasons = [(i, reason) for i, reason in enumerate(deployment.take_answers()) if reason is not None]
        if reasons:
            self._leave("since environment {} was changed: {}".format(*reasons[0]))
        self._visited = False

    def _leave(self, reason: str) -> None:
        """Step the environments in Python from now on."""
        self._deployment.execution.command("leave")
        self._step_command, self._is_native = "step_in_python", False
        self._told = ObjectInfos(self.single_observation_space)
        self._bank.how = f"Python, {reason}"

    @property
    def _pending(self) -> Pending:
        """What was asked for and not returned: it is at work, or done, and its results are still there."""
        waits = self._deployment.is_pending or self._is_done(self._asked)
        return self._asked if waits else Pending.NOTHING

    def _is_done(self, asked: Pending) -> bool:
        """Whether a signal came between the end of what was asked for and the return of its results."""
        if asked is Pending.CALL:
            return self._deployment.has_answers()
        return asked is not Pending.NOTHING and self._deployment.execution.tag != self._asked_at

    def _ask(self, asked: Pending, command: str) -> None:
        self._asked_at = self._deployment.execution.tag
        self._deployment.execution.begin(command)
        self._asked = asked

    @contextlib.contextmanager
    def _returning(self) -> Iterator[None]:
        """What was asked for is over when its results are returned, or when it failed; not when a signal came."""
        try:
            yield
        except Exception:
            if not self._deployment.is_pending:
                self._asked = Pending.NOTHING
            raise
        self._asked = Pending.NOTHING

    def _assert_can_begin(self, call: str) -> None:
        self._ready = False
        self._assert_open()
        if self._deployment.is_pending or self._asked is not Pending.NOTHING:
            self._settle(call)
        if self._deployment.execution.running:
            raise RuntimeError("another thread is using these environments; use them from one thread at a time")

    def _settle(self, call: str) -> None:
        """Refuse a call while another one is pending; finish what a signal cut short before it could finish."""
        if self._pending is not Pending.NOTHING:
            raise AlreadyPendingCallError(
                f"Calling `{call}` while waiting for a pending call to `{self._pending.value}` to complete.",
                self._pending.value,
            )
        self._asked = Pending.NOTHING
        if self._deployment.execution.begun and not self._deployment.recovery.is_under_way:
            with contextlib.suppress(Exception):  # of a call whose caller is gone
                self._deployment.execution.finish()
        self._brought_back(None)

    def _assert_pending(self, pending: Pending) -> None:
        self._assert_open()
        if self._pending is not pending:
            name = pending.value
            raise NoAsyncCallError(f"Calling `{name}_wait` without any prior call to `{name}_async`.", name)

    def _assert_open(self) -> None:
        if self.closed:
            raise ClosedEnvironmentError(
                f"Trying to operate on `{self._known_as or type(self).__name__}`, after a call to `close()`."
            )
        if self._lost is not None:
            raise self._lost.with_traceback(None)  # which would grow
        if self._deployment.execution.closed:  # before anything is written where others might read it
            raise ClosedExecutionError("these environments belong to another process, or were ended by an interrupt")


vectors: weakref.WeakSet[Calls] = weakref.WeakSet()


def _refuse_in_child() -> None:
    """In a forked child: look at what is the matter before the next step; its memory is still the parent's."""
    for vector in list(vectors):
        vector._ready = False


os.register_at_fork(after_in_child=_refuse_in_child)
