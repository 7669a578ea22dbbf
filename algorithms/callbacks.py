"""Callbacks: functions of the user's that a training calls at its events."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

from typing_extensions import TypedDict

Callback: TypeAlias = Callable[..., Any]
Callbacks: TypeAlias = Callback | Sequence[Callback] | None


class CallbackSettings(TypedDict, total=False):
    """What is called when; a function or several, called in their order. What one of them raises ends the training."""

    on_train_result: Callbacks
    on_episode_end: Callbacks
    on_evaluate_end: Callbacks
    on_checkpoint_loaded: Callbacks


def functions(value: Callbacks) -> Sequence[Callback]:
    """The functions of such a setting."""
    return () if value is None else (value,) if callable(value) else value


def tell(algorithm: Any, event: str, *news: dict[str, Any]) -> None:
    """Call the functions that an algorithm's config has for an event, with each of `news` as arguments. StopIteration
    of one is raised when all were called.
    """
    enough: StopIteration | None = None
    for function, arguments in ((f, each) for each in news for f in functions(getattr(algorithm.config, event))):
        try:
            function(algorithm=algorithm, **arguments)
        except StopIteration as seen_enough:
            enough = enough or seen_enough
    if enough is not None:
        raise enough


def check_callbacks(value: Any) -> str | None:
    """A check for a function, a sequence of functions, or None."""
    good = value is None or callable(value) or (isinstance(value, list | tuple) and all(map(callable, value)))
    return None if good else "must be a function, a list of functions, or None"
