"""A bank of environments that all have a kernel, and the choice between it and a bank in Python."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.vector import AutoresetMode

from reactvec._stepping import step_rows
from reactvec.env_bank import (
    EPISODE_OVER,
    Array,
    EnvBank,
    EnvFn,
    EpisodeOverError,
    ObservationMode,
    name_environment,
    naming,
)
from reactvec.env_traits import EnvTraits, make_env, probe
from reactvec.envs import specialise
from reactvec.envs.kernel_bank import KernelBank
from reactvec.native_infos import NativeInfos
from reactvec.processes import ProcessOptions
from reactvec.topology import OutputPort, Reaction, reaction

VISITING = threading.Lock()


class NativeEnvBank(EnvBank):
    """The same bank where all environments have a kernel: steps run without Python, the objects stay as shadows.

    Of native steps `info` and `final_info` tell what `infos` tells of others: `told` reads them.

    `visit` brings the shadows that it sees up to date; from then on these are what counts. Before the
    next `step` or `reset` comes the command `resume`, which gives their state back to the kernel; a row of `answer`
    that is not None then says why the kernel cannot stand for that environment any more. If there is one, the command
    `leave` makes all shadows what counts, once and for all, and `step_in_python` or `step_given` steps them.
    """

    info = OutputPort()
    final_info = OutputPort()

    def __init__(
        self,
        env_fns: Sequence[EnvFn],
        built: Sequence[gym.Env[Any, Any]],
        kernel: KernelBank,
        autoreset_mode: AutoresetMode,
        observation_mode: ObservationMode = "same",
    ) -> None:
        info = (), kernel.info_type or np.uint8  # a byte that nobody writes where infos are empty
        traits = EnvTraits.of(built[0])
        super().__init__(env_fns, traits, built, autoreset_mode, observation_mode, info=info, final_info=info)
        self.native = kernel
        self.told = NativeInfos(kernel, autoreset_mode)
        self.how = f"native: {type(kernel).__name__}"
        self._ahead = [False] * len(env_fns)  # shadows that the kernel has to catch up with

    @reaction(on="reset", triggers=[EnvBank.request], effects=[EnvBank.obs, EnvBank.infos])
    def reset(self, rows: range, request: Array, obs: Array, infos: Array) -> None:
        """Reset the Python objects of the rows that have a request, and load their state into the kernel."""
        for k, i in enumerate(rows):
            if request[k] is not None and not self._ahead[i]:
                self.native.store(i)  # what is reset may have counted its steps
        super().reset(rows, request, obs, infos)
        for k, i in enumerate(rows):
            if request[k] is not None and not self._ahead[i]:
                try:
                    self.native.load(i)
                except ValueError:  # `resume` will say why
                    self._ahead[i] = self.lags = True

    @reaction(triggers=[EnvBank.action], effects=[*EnvBank.stepped[:-2], info, final_info], native=True)
    def step(self) -> Any:  # type: ignore[override]
        """The kernel that steps a range of rows."""
        return self.native.step

    @reaction(on="step_in_python", triggers=[EnvBank.action], effects=EnvBank.stepped, whole=True)
    def step_in_python(self, rows: range, action: Array, *results: Array) -> None:
        """Step the shadows of the rows, after `leave`."""
        step_rows(self, rows.start, self._actions(action), results)

    @reaction(on="resume", effects=[EnvBank.answer])
    def resume(self, rows: range, answer: Array) -> None:
        """Let the kernel catch up with the shadows that were visited, or say why it cannot."""
        self.lags = False
        for k, i in enumerate(rows):
            answer[k] = self.native.adopt(i, self.env(i)) if self._ahead[i] else None
            self._ahead[i] = answer[k] is not None

    @reaction(on="visit", triggers=[EnvBank.request], effects=[EnvBank.answer])
    def visit(self, rows: range, request: Array, answer: Array) -> None:
        """As in any bank, but of all environments one at a time: they are in one process, and may draw with the same
        library, which need not be made for threads."""
        with VISITING:
            super().visit(rows, request, answer)

    @reaction(on="leave")
    def leave(self, rows: range) -> None:
        """Bring all shadows up to date; the kernel has no part in what follows."""
        for i in rows:
            _pass_first_check(self.visible(i))
            self.ended[i] = self.native.ended(i)

    def visible(self, i: int) -> gym.Env[Any, Any]:
        """The shadow of row i, brought up to date."""
        if not self._ahead[i]:
            self.native.store(i)
            self._ahead[i] = True
        return self.env(i)

    def fault(self, entry: Reaction, code: int, ports: Sequence[Array]) -> Exception:
        """What Gymnasium would raise for the row `code - 1`."""
        over = self.native.ended(code - 1)
        error = EpisodeOverError(EPISODE_OVER) if over else self.native.fault(code, ports[0])
        name_environment(error, code - 1)
        return error


def _pass_first_check(env: gym.Env[Any, Any]) -> None:
    """Gymnasium checks what the first step returns; the kernel has taken that step."""
    while isinstance(env, gym.Wrapper):
        if isinstance(env, gym.wrappers.PassiveEnvChecker):
            env.checked_step = True
        env = env.env


def make_env_bank(
    env_fns: Sequence[EnvFn],
    autoreset_mode: AutoresetMode = AutoresetMode.SAME_STEP,
    native: bool | str = "auto",
    observation_mode: ObservationMode = "same",
    isolated: ProcessOptions | None = None,
) -> EnvBank:
    """A bank over these environments: native where all of them have a kernel (and `native` is not False).

    Builds the first environment here, to learn the spaces, and the others too where a kernel may step them; otherwise
    each is built by its worker. `observation_mode` is that of Gymnasium's vector environments. With `isolated` no
    environment is built here; a process that starts as it says builds one to learn the spaces.

    Raises:
        ValueError: no environments, or `native=True` and one of them has no kernel; the message says why.
        TypeError: something in `env_fns` is no function.
    """
    if not env_fns:
        raise ValueError("env_fns is empty: give at least one function that makes an environment")
    for i, env_fn in enumerate(env_fns):
        if not callable(env_fn):
            raise TypeError(f"env_fns[{i}] is not a function that makes an environment, such as lambda: gym.make(...)")
    if isolated is not None:
        with naming(0):
            traits = probe(env_fns[0], isolated)
        bank = EnvBank(env_fns, traits, [], autoreset_mode, observation_mode)
        bank.how = "Python: isolated"
        return bank
    with naming(0):
        built = [make_env(env_fns[0])]
    try:
        kernel, reason = _find_kernel(env_fns, built, autoreset_mode, native)
        if kernel is not None:
            return NativeEnvBank(env_fns, built, kernel, autoreset_mode, observation_mode)
        if native is True:
            raise ValueError(f"native=True, but {reason}; use native='auto' to step these environments in Python")
        bank = EnvBank(env_fns, EnvTraits.of(built[0]), built, autoreset_mode, observation_mode)
    except BaseException:
        for env in built:
            env.close()
        raise
    bank.how = f"Python: {reason}"
    return bank


def _find_kernel(
    env_fns: Sequence[EnvFn], built: list[gym.Env[Any, Any]], mode: AutoresetMode, native: bool | str
) -> tuple[KernelBank | None, str]:
    """The native bank of these environments, or None and why not. `built` must hold the only reference to each."""
    if native is False:
        return None, "native=False"
    kernel, reason = specialise(built, mode)
    if kernel is None:
        return None, reason
    del kernel  # of the first environment alone, and a reference to it
    for i, env_fn in enumerate(env_fns[1:], 1):
        with naming(i):
            built.append(env_fn())
    return specialise(built, mode)
