"""What a vector environment must know of an environment before it makes others like it."""

from __future__ import annotations

import multiprocessing
import pickle
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any

import cloudpickle
import gymnasium as gym

from reactvec.descriptors import enough_descriptors
from reactvec.leash import Leash
from reactvec.process_worker import ByValue, settle
from reactvec.processes import AT_START, GRACE_S, ProcessOptions, end_in_words, let_go, start_quietly
from reactvec.remote_error import pack_error, unpack_error


@dataclass(frozen=True)
class EnvTraits:
    """The spaces, metadata and render mode of an environment."""

    observation_space: gym.Space[Any]
    action_space: gym.Space[Any]
    metadata: dict[str, Any]
    render_mode: str | None

    @classmethod
    def of(cls, env: gym.Env[Any, Any]) -> EnvTraits:
        """Those of an environment that is built."""
        return cls(env.observation_space, env.action_space, dict(env.metadata), env.render_mode)


def probe(env_fn: Callable[[], gym.Env[Any, Any]], options: ProcessOptions) -> EnvTraits:
    """The traits of an environment that is built, asked and closed in a process of its own.

    Raises:
        Exception: what building it raised.
        RuntimeError: the process died.
    """
    method = multiprocessing.get_context(options.context)
    with enough_descriptors(1, starting=1):
        leash = Leash()
        ours, theirs = method.Pipe(duplex=False)
    process = method.Process(  # type: ignore[attr-defined]
        target=_answer, args=(ByValue(env_fn), theirs, leash), daemon=options.daemon
    )
    try:
        start_quietly(process, method.get_start_method())
        theirs.close()
        leash.handed_over()
        kind, data = ours.recv()
        process.join(GRACE_S)  # time to close the environment
    except EOFError:
        raise RuntimeError(
            f"environment 0: the process that builds it first, to learn its spaces, {end_in_words(process)}. {AT_START}"
        ) from None
    finally:
        theirs.close()
        ours.close()
        leash.close()  # ends it, where it was interrupted
        if process.pid is not None:
            let_go(process)
    if kind == "error":
        raise unpack_error(data)
    traits: EnvTraits = pickle.loads(data)
    return traits


def _answer(env_fn: ByValue, pipe: Connection, leash: Leash) -> None:
    settle(leash)
    try:
        env = env_fn.value()
        pipe.send(("traits", cloudpickle.dumps(EnvTraits.of(env))))
        env.close()
    except BaseException as error:
        pipe.send(("error", pack_error(error)))
