"""What a setting may be: checks of single values, and the errors of a bad configuration."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

Check: TypeAlias = Callable[[Any], str | None]
"""Takes a value; returns what it must be, or None if it is."""


class ConfigError(ValueError):
    """A setting, or a combination of settings, that makes no sense; the message names it and the remedy."""


class CheckpointError(ValueError):
    """A checkpoint that is missing, incomplete, changed, or written by another version, or cannot be written."""


class MissingExtra(ModuleNotFoundError):
    """A package that only an extra of reactvec installs; the message names both."""


def why_not_finite(environments: list[int]) -> str:
    """Why numbers may be NaN or infinite, where observations of these environments are."""
    if environments:
        return f"observations are not finite (environments {environments})"
    return "lr is too high, or rewards or observations are too large"


def whole(least: int, *, most: int | None = None, none: bool = False) -> Check:
    """A check for whole numbers of at least `least` and at most `most`, or None."""
    limits = f">= {least}{'' if most is None else f' and <= {most}'}{', or None' if none else ''}"

    def check(value: Any) -> str | None:
        if value is None and none:
            return None
        good = type(value) is int and value >= least and (most is None or value <= most)
        return None if good else f"must be a whole number {limits}"

    return check


def number(above: float | None = None, *, least: float = 0, most: float = float("inf")) -> Check:
    """A check for numbers in a range: more than `above` or at least `least`, and at most `most`."""
    low = f"> {above:g}" if above is not None else f">= {least:g}"
    high = f" and <= {most:g}" if most < float("inf") else " and finite"

    def check(value: Any) -> str | None:
        good = isinstance(value, int | float) and not isinstance(value, bool) and value <= most
        good = good and value < float("inf")
        good = good and (value > above if above is not None else value >= least)
        return None if good else f"must be a number {low}{high}"

    return check


def ramp(check: Check) -> Check:
    """A check of each value of a number or of points (time, value)."""
    return lambda value: (
        check(value)
        if value is None or isinstance(value, int | float)
        else next((message for _, level in value if (message := check(level))), None)
    )


def one_of(*choices: object) -> Check:
    """A check for membership, by value and type."""
    return lambda value: (
        None if any(type(value) is type(c) and value == c for c in choices) else f"must be one of {choices}"
    )


def optional(check: Check) -> Check:
    """A check that lets None pass."""
    return lambda value: None if value is None else check(value)


def folder(value: Any) -> str | None:
    """A check for the path of a folder, or None."""
    return None if value is None or (isinstance(value, str) and value) else "must be the path of a folder, or None"


def check_storable(env_config: Mapping[str, Any]) -> None:
    """ConfigError for an `env_config` that would come back from a checkpoint as another."""
    for name, value in env_config.items():
        try:
            same = json.loads(json.dumps({name: value})) == {name: value}
        except (TypeError, ValueError):
            same = False
        if not same:
            raise ConfigError(
                f"env_config={{{name!r}: {value!r}}} is nothing that JSON holds as it is (numbers, words, lists), "
                "so a checkpoint cannot: bind it into a function that makes the environment"
            )
