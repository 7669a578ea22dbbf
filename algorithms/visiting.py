"""Visits to all environments of a program between two tags: their states are taken, or given back."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Sequence
from typing import Any

import cloudpickle

from reactvec import EnvBank, Execution
from reactvec.native_env_bank import NativeEnvBank

from . import env_state
from .checks import CheckpointError
from .environments import EnvReactor


def capture_all(execution: Execution, envs: EnvReactor) -> list[env_state.State] | None:
    """The states of all environments, or None where one of them cannot be saved."""
    if not isinstance(envs, EnvBank):
        return None
    states = _visit(execution, envs, env_state.capture, [()] * envs.rows)
    return None if None in states else states


def restore_all(execution: Execution, envs: EnvReactor, states: Sequence[env_state.State]) -> bool:
    """Bring all environments into their states; False where they are others."""
    if not isinstance(envs, EnvBank) or len(states) != envs.rows:
        return False
    return all(_visit(execution, envs, env_state.restore, [(state,) for state in states]))


def _visit(execution: Execution, envs: EnvBank, function: Callable[..., Any], arguments: Sequence[Any]) -> list[Any]:
    """What a function returns for each environment, its arguments after it."""
    request = execution.input(envs.request)
    for env, given in enumerate(arguments):
        request[env] = cloudpickle.dumps((function, given))
    execution.command("visit")
    (answers,) = execution.slots(envs.answer)
    results = [pickle.loads(answer) for answer in answers]
    request.fill(None)
    if isinstance(envs, NativeEnvBank):
        execution.command("resume")
        refused = [f"environment {env}: {reason}" for env, reason in enumerate(answers) if reason is not None]
        if refused:
            raise CheckpointError(f"a kernel cannot go on with what was restored: {refused[0]}")
    return results
