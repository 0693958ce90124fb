"""JSON values that break programs, and an encoder that can also write what is not JSON."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Raw:
    """Bytes that stand in the body as they are: literals that `json.dumps` would never write."""

    data: bytes


Value = Any  # whatever `encode` takes: JSON's types, and Raw anywhere among them


def encode(value: Value) -> bytes:
    """The body for `value`. Each Raw stands where it was; lone surrogates and control characters become JSON's escapes."""
    raws: list[bytes] = []

    def place(raw: object) -> str:
        if not isinstance(raw, Raw):
            raise TypeError(f"{type(raw).__name__} has no place in a body")
        raws.append(raw.data)
        return _mark(len(raws) - 1)

    text = json.dumps(value, default=place).encode()
    for number, data in enumerate(raws):
        text = text.replace(json.dumps(_mark(number)).encode(), data)
    return text


def nested(depth: int, opening: str = "[", closing: str = "]") -> Raw:
    """`depth` lists in each other; with other brackets, whatever they make."""
    return Raw((opening * depth + closing * depth).encode())


def nested_objects(depth: int) -> Raw:
    """`depth` objects in each other."""
    return Raw(b'{"a":' * depth + b"1" + b"}" * depth)


LONG = 200_000  # characters: more than any field needs, less than the frontend's limit of a body

NUMBERS: tuple[Value, ...] = (
    0, -1, 1, 2, 127, 128, 255, 256, 2**15, 2**16, 2**24 + 1, 2**31 - 1, 2**31, -(2**31), -(2**31) - 1, 2**32, 2**53 + 1, 2**63 - 1, 2**63,
    -(2**63), -(2**63) - 1, 2**64, 10**30, 0.5, 1.0, -0.0, 1.5, 1e-9, 1e-46, 5e-324, 3.5e38, 1e39, 1e308, -1e308,
    Raw(b"1e999"), Raw(b"-1e999"), Raw(b"NaN"), Raw(b"Infinity"), Raw(b"-Infinity"), Raw(b"1" * 400), Raw(b"0." + b"1" * 4000),
)  # fmt: skip

_TEXTS = ("", " ", "7", "text", "null", "\x00", "\ud800", "\udfff\ud800", "\u202e\ufeff\U0001f600", "é" * 5000, "x" * LONG)
_LISTS: tuple[Value, ...] = ([], [[]], [None], [1], ["a"], [{}], [[1, 2], [3]], list(range(2000)), [""] * 2000)
_OBJECTS: tuple[Value, ...] = ({}, {"a": 1}, {"": ""}, {"a": None}, {"\x00": "\ud800"}, {str(i): i for i in range(2000)})
_DEEP = (nested(100), nested(1000), nested(100_000), nested_objects(1000))
_NO_JSON = ('{"a":1,"a":2}', '"\xff\xfe"', '"\\u12"', "'a'", "01", "+1", "1.", "undefined", "", "[1,]")  # the first is JSON, barely
ILL_TYPED: tuple[Value, ...] = (
    None, True, False, *_TEXTS, *_LISTS, *_OBJECTS, *_DEEP, *(Raw(text.encode("latin-1")) for text in _NO_JSON),
)  # fmt: skip


def _mark(number: int) -> str:
    return f"\x02raw {number}\x03"
