"""A check: one statement of a contract, and a function that raises where it does not hold."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np


class ContractError(AssertionError):
    """A vector environment breaks its contract; the message says where, what was expected and what was found."""


@dataclass(frozen=True)
class Check:
    """Call it: it returns where the `statement` holds, and raises ContractError, or what the class raised, elsewhere.

    `name` is fit for a test's id.
    """

    name: str
    statement: str
    function: Callable[[], None]

    def __call__(self) -> None:
        """Check."""
        self.function()

    def __str__(self) -> str:
        return self.name


def statement_of(function: Callable[..., Any]) -> str:
    """The first paragraph of a docstring, on one line."""
    return " ".join((function.__doc__ or "").split("\n\n")[0].split())


def leave_out(checks: Sequence[Check], names: Collection[str]) -> list[Check]:
    """All checks but those of these names, which must exist."""
    unknown = set(names) - {check.name for check in checks}
    if unknown:
        raise ValueError(f"no check is called {', '.join(sorted(unknown))}; there are {', '.join(map(str, checks))}")
    return [check for check in checks if check.name not in names]


def run_all(checks: Sequence[Check]) -> None:
    """Run checks; ContractError tells of all that fail."""
    failures = []
    for check in checks:
        try:
            check()
        except Exception as error:
            failures.append(f"{check.name}: {check.statement}\n    {type(error).__name__}: {error}")
    if failures:
        raise ContractError(f"{len(failures)} of {len(checks)} checks failed:\n\n" + "\n".join(failures))


def expect(holds: object, message: str) -> None:
    """Raise ContractError with this message unless something holds."""
    if not holds:
        raise ContractError(message)


def expect_refused(call: Callable[[], object], what: str) -> None:
    """Raise ContractError unless a call raises something."""
    try:
        call()
    except Exception:
        return
    raise ContractError(f"{what} was accepted")


def expect_same(found: Any, expected: Any, what: str) -> None:
    """Raise ContractError unless two values agree in structure, and arrays in dtype, shape and every element."""
    difference = _difference(found, expected)
    expect(not difference, f"{what}{difference}")


def _difference(found: Any, expected: Any) -> str:
    """Where and how two values differ; an empty string where they do not."""
    if isinstance(expected, dict):
        if not isinstance(found, dict) or found.keys() != expected.keys():
            return f": expected the keys {list(expected)}, found {list(found) if isinstance(found, dict) else found!r}"
        return _first({f"[{key!r}]": (found[key], expected[key]) for key in expected})
    if isinstance(expected, tuple | list):
        if not isinstance(found, tuple if isinstance(expected, tuple) else list) or len(found) != len(expected):
            return f": expected {expected!r}, found {found!r}"
        return _first({f"[{i}]": pair for i, pair in enumerate(zip(found, expected, strict=True))})
    if isinstance(expected, np.ndarray):
        return _difference_of_arrays(found, expected)
    return "" if type(found) is type(expected) and found == expected else f": expected {expected!r}, found {found!r}"


def _first(pairs: dict[str, tuple[Any, Any]]) -> str:
    for place, (found, expected) in pairs.items():
        difference = _difference(found, expected)
        if difference:
            return f"{place}{difference}"
    return ""


def _difference_of_arrays(found: Any, expected: Any) -> str:
    if not isinstance(found, np.ndarray):
        return f": expected an array, found {found!r}"
    if (found.dtype, found.shape) != (expected.dtype, expected.shape):
        return f": expected {expected.dtype} {expected.shape}, found {found.dtype} {found.shape}"
    if expected.dtype == object:
        return _difference(found.tolist(), expected.tolist())
    return "" if found.tobytes() == expected.tobytes() else f": expected\n{expected}\nfound\n{found}"
