"""A settings file's JSON as typed settings: every name and every type is checked, and an error names the field."""

from __future__ import annotations

import types
import typing
from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from difflib import get_close_matches
from typing import Any, TypeVar

T = TypeVar("T")

_NAMES = {int: "a whole number", float: "a number", str: "a string", bool: "true or false", dict: "an object"}


class SettingsError(Exception):
    """What the user set is wrong. `field`: where, as "shape.rate" or "classes[1].input"; "" for the whole."""

    def __init__(self, field: str, what: str) -> None:
        super().__init__(f"{field}: {what}" if field else what)
        self.field = field
        self.what = what


def read(cls: type[T], data: object, at: str = "") -> T:
    """`data` as the dataclass `cls`. Raises SettingsError."""
    if not isinstance(data, Mapping):
        raise SettingsError(at, f"expected an object, got {data!r}")
    hints = typing.get_type_hints(cls)
    for name in data:
        if name not in hints:
            near = get_close_matches(str(name), hints, 1)
            hint = f"; did you mean {near[0]}?" if near else f": {', '.join(hints)}"
            raise SettingsError(_below(at, name), "no such setting" + hint)
    values = {}
    for f in fields(cls):  # type: ignore[arg-type]
        if f.name in data:
            values[f.name] = _value(hints[f.name], data[f.name], _below(at, f.name))
        elif f.default is MISSING and f.default_factory is MISSING:
            raise SettingsError(_below(at, f.name), "must be set")
    return cls(**values)


def _below(at: str, name: object) -> str:
    return f"{at}.{name}" if at else str(name)


def _value(hint: Any, value: object, at: str) -> Any:
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if origin in (types.UnionType, typing.Union):
        return None if value is None else _value(next(a for a in args if a is not type(None)), value, at)
    if origin is typing.Literal:
        if value not in args:
            raise SettingsError(at, f"expected {' or '.join(map(str, args))}, got {value!r}")
        return value
    if origin is tuple:
        if not isinstance(value, list | tuple):
            raise SettingsError(at, f"expected a list, got {value!r}")
        if args[-1] is not Ellipsis and len(value) != len(args):
            raise SettingsError(at, f"expected {len(args)} values, got {value!r}")
        inner = [args[0]] * len(value) if args[-1] is Ellipsis else args
        return tuple(_value(a, v, f"{at}[{i}]") for i, (a, v) in enumerate(zip(inner, value, strict=True)))
    if is_dataclass(hint):
        return read(typing.cast("type[Any]", hint), value, at)
    plain = origin or hint
    if plain is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if not isinstance(value, plain) or (plain is int and isinstance(value, bool)):
        raise SettingsError(at, f"expected {_NAMES[plain]}, got {value!r}")
    return value
