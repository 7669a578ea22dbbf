"""Settings: a dataclass as the single source of keyword arguments, fluent groups, dicts and JSON."""

from __future__ import annotations

import ast
import copy
import dataclasses
import inspect
import json
import textwrap
from collections.abc import Mapping
from itertools import pairwise
from typing import Any, ClassVar

import numpy as np
from typing_extensions import Self

from .checks import Check, ConfigError
from .names_elsewhere import Suggesting, unknown_setting
from .piecewise import as_ramp


class Settings(Suggesting):
    """Base of configuration dataclasses: names and values are checked when one is built or changed.

    Subclasses list `_checks` by field, `_ramps` (fields that hold a number or points), `_parts` (fields that
    hold another Settings and also take a dict of its fields) and `_groups` (name -> TypedDict of its fields).
    """

    _checks: ClassVar[dict[str, Check]] = {}
    _ramps: ClassVar[tuple[str, ...]] = ()
    _parts: ClassVar[dict[str, type[Settings]]] = {}
    _groups: ClassVar[dict[str, Any]] = {}

    def __new__(cls, *args: Any, **settings: Any) -> Self:
        """Refuse unknown names before the dataclass does, with a suggestion."""
        cls.check_names(settings)
        return super().__new__(cls)

    def __post_init__(self) -> None:
        self.validate()

    def __setattr__(self, name: str, value: object) -> None:
        if self.is_frozen:
            raise ConfigError(f"{type(self).__name__} is frozen (it runs already); change a copy() of it")
        self.check_names({name: value})
        object.__setattr__(self, name, value)

    @classmethod
    def check_names(cls, settings: Mapping[str, object]) -> None:
        """UnknownSetting, with a suggestion, for a name that is no setting."""
        known = [field.name for field in dataclasses.fields(cls)]  # type: ignore[arg-type]
        for name in settings:
            if name not in known:
                raise unknown_setting(cls.__name__, name, known)

    @property
    def is_frozen(self) -> bool:
        """Whether changes are refused."""
        return bool(self.__dict__.get("_frozen"))

    def freeze(self) -> Self:
        """Refuse changes from now on, of parts too; returns self."""
        for value in self.__dict__.values():
            if isinstance(value, Settings):
                value.freeze()
        self.__dict__["_frozen"] = True
        return self

    def copy(self) -> Self:
        """A copy that can be changed, parts too. Environments and model factories are shared, not copied."""
        other = copy.copy(self)
        other.__dict__.pop("_frozen", None)
        for name, value in other.__dict__.items():
            if isinstance(value, dict | Settings):
                other.__dict__[name] = value.copy()
        return other

    def validate(self) -> None:
        """Bring values to their form (lists to tuples, dicts to parts) and check each; ConfigError names the
        first bad one.
        """
        for name, value in self.__dict__.items():
            if isinstance(value, np.integer | np.floating):
                self.__dict__[name] = int(value) if isinstance(value, np.integer) else float(value)
        name = ""
        try:
            for name in self._ramps:
                if (value := getattr(self, name)) is not None:  # the checks say whether it may be None
                    self.__dict__[name] = as_ramp(value)
            for name, part in self._parts.items():
                if isinstance(value := getattr(self, name), Mapping):
                    self.__dict__[name] = part.from_dict(value)
                elif isinstance(value, Settings):
                    value.validate()
        except ValueError as error:
            raise error if isinstance(error, ConfigError) else ConfigError(f"{name}: {error}") from None
        for name, check in self._checks.items():
            if message := check(getattr(self, name)):
                raise ConfigError(f"{type(self).__name__}: {name}={getattr(self, name)!r} {message}")

    def update(self, settings: Mapping[str, Any]) -> Self:
        """Change several settings or, if one of them is bad, none; returns self."""
        before = dict(self.__dict__)
        try:
            for name, value in settings.items():
                setattr(self, name, value)
            self.validate()
        except ConfigError:
            self.__dict__.clear()
            self.__dict__.update(before)
            raise
        return self

    def _group(self, group: str, settings: Mapping[str, Any]) -> Self:
        known = list(self._groups[group].__annotations__)
        for name in settings:
            if name not in known:
                home = next((g for g, fields in self._groups.items() if name in fields.__annotations__), None)
                if home is None:
                    raise unknown_setting(f"{group}()", name, [f.name for f in dataclasses.fields(self)])  # type: ignore[arg-type]
                raise ConfigError(f"{name} is a setting of {home}(), not of {group}()")
        return self.update(settings)

    @classmethod
    def docs(cls) -> dict[str, str]:
        """What each setting means: the docstring under its field."""
        found: dict[str, str] = {}
        for base in reversed(cls.__mro__[: cls.__mro__.index(Settings)]):
            (tree,) = ast.parse(textwrap.dedent(inspect.getsource(base))).body
            body = tree.body if isinstance(tree, ast.ClassDef) else []
            for field, after in pairwise(body):
                if isinstance(field, ast.AnnAssign) and isinstance(after, ast.Expr):
                    found[ast.unparse(field.target)] = " ".join(ast.literal_eval(after.value).split())
        return found

    def to_dict(self) -> dict[str, Any]:
        """All settings by name, parts as dicts; environments and model factories stay objects."""
        values = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}  # type: ignore[arg-type]
        return {name: v.to_dict() if isinstance(v, Settings) else copy.copy(v) for name, v in values.items()}

    @classmethod
    def from_dict(cls, settings: Mapping[str, Any]) -> Self:
        """The inverse of `to_dict`; what is missing takes its default."""
        return cls(**settings)

    def to_json(self) -> str:
        """All settings as JSON; ConfigError if one is an object that JSON cannot hold."""

        def refuse(value: object) -> None:
            raise ConfigError(
                f"{value!r} is an object: JSON holds an environment by its id and a model by a ModelConfig"
            )

        return json.dumps(self.to_dict(), indent=2, default=refuse)

    @classmethod
    def from_json(cls, text: str) -> Self:
        """The inverse of `to_json`; ConfigError if it is not."""
        try:
            settings = json.loads(text)
        except ValueError as error:
            raise ConfigError(f"a configuration is JSON, and this is not: {error}") from None
        if not isinstance(settings, dict):
            raise ConfigError(f"a configuration is a JSON object, not {type(settings).__name__}")
        return cls.from_dict(settings)
