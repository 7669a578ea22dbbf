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

from reactvec.process_worker import ByValue
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


def probe(env_fn: Callable[[], gym.Env[Any, Any]], context: str | None) -> EnvTraits:
    """The traits of an environment that is built, asked and closed in a process of its own.

    Raises:
        Exception: what building it raised.
        RuntimeError: the process died.
    """
    method = multiprocessing.get_context(context)
    ours, theirs = method.Pipe(duplex=False)
    process = method.Process(target=_answer, args=(ByValue(env_fn), theirs), daemon=True)  # type: ignore[attr-defined]
    process.start()
    theirs.close()
    try:
        kind, data = ours.recv()
    except EOFError:
        process.join()
        raise RuntimeError(
            f"the process that built an environment to learn its spaces ended with exit code {process.exitcode}"
        ) from None
    finally:
        ours.close()
        process.join()
    if kind == "error":
        raise unpack_error(data)
    traits: EnvTraits = pickle.loads(data)
    return traits


def _answer(env_fn: ByValue, pipe: Connection) -> None:
    try:
        env = env_fn.value()
        pipe.send(("traits", cloudpickle.dumps(EnvTraits.of(env))))
        env.close()
    except BaseException as error:
        pipe.send(("error", pack_error(error)))
