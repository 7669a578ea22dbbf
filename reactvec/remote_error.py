"""An exception on its way from one process to another: type, arguments, notes, causes and traceback survive."""

from __future__ import annotations

import pickle
import traceback
from typing import Any

import cloudpickle
from tblib import Traceback


class RemoteError(RuntimeError):
    """Stands for an exception of a worker process that could not be pickled; its text holds the traceback."""


def pack_error(error: BaseException) -> bytes:
    """The exception as bytes, without running its `__init__` again: subclasses may want other arguments there."""
    try:
        data: bytes = cloudpickle.dumps(_describe(error, set()))
        unpack_error(data)
    except Exception:
        text = "".join(traceback.format_exception(type(error), error, error.__traceback__))
        return pickle.dumps(
            (RemoteError, (f"{type(error).__qualname__} in a worker process:\n{text}",), {}, None, (), "")
        )
    return data


def unpack_error(data: bytes) -> BaseException:
    """The exception that `pack_error` took apart."""
    return _build(pickle.loads(data))


def _describe(error: BaseException | None, seen: set[int]) -> Any:
    if error is None or id(error) in seen:
        return None
    seen.add(id(error))
    trace = None if error.__traceback__ is None else Traceback(error.__traceback__).to_dict()
    links = (_describe(error.__cause__, seen), _describe(error.__context__, seen), error.__suppress_context__)
    return type(error), error.args, dict(vars(error)), trace, links, str(error)


def _build(description: Any) -> BaseException:
    kind, arguments, attributes, trace, links, text = description
    error: BaseException = kind.__new__(kind, *arguments)
    error.args = arguments
    if str(error) != text and not attributes:  # what C code keeps beside the arguments, such as UnicodeDecodeError
        error = kind(*arguments)
    if isinstance(error, SystemExit):
        SystemExit.__init__(error, *arguments)  # which sets its code
    vars(error).update(attributes)
    if trace is not None:
        error.__traceback__ = Traceback.from_dict(trace).as_traceback()
    if links:
        cause, context, suppress = links
        error.__cause__ = None if cause is None else _build(cause)
        error.__context__ = None if context is None else _build(context)
        error.__suppress_context__ = suppress
    return error
