"""The types of a request's fields, checked before anything reads them. Pure functions.

The frontend checks what clients send it; this is for everything else that can reach a worker's endpoint, and for fields
that the frontend passes on as they are.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Mapping
from typing import Any


class Malformed(ValueError):
    """A field has the wrong type. The message names the field and what was expected."""


def _integer(value: Any) -> bool:
    return type(value) is int


def _number(value: Any) -> bool:
    return type(value) in (int, float)


def _flag(value: Any) -> bool:
    return type(value) is bool


def _text(value: Any) -> bool:
    return isinstance(value, str)


def _integers(value: Any) -> bool:
    if isinstance(value, (bytes, bytearray, memoryview)):  # packed 32-bit integers
        return len(memoryview(value).cast("B")) % 4 == 0
    if not isinstance(value, (list, tuple)):
        return False
    try:
        array("q", value)  # fast: prompts may have a hundred thousand
    except (TypeError, OverflowError):
        return False
    return True


def _lists(value: Any) -> bool:
    return isinstance(value, (list, tuple)) and all(map(_integers, value))


def _texts(value: Any) -> bool:
    return isinstance(value, (list, tuple)) and all(isinstance(v, str) for v in value)


def _scalars(value: Any) -> bool:
    return isinstance(value, (list, tuple)) and all(isinstance(v, (str, int, float)) for v in value)


def _json(value: Any) -> bool:
    return isinstance(value, (str, dict, list, bool))


_EXPECTED: Mapping[Callable[[Any], bool], str] = {
    _integer: "an integer",
    _number: "a number",
    _flag: "true or false",
    _text: "a string",
    _integers: "a list of integers of at most 64 bits",
    _lists: "lists of integers of at most 64 bits",
    _texts: "a list of strings",
    _scalars: "a list of strings",
    _json: "a JSON document",
}
_Section = Mapping[str, Any]
# Every field that `wire.read_request` reads.
SHAPE: _Section = {
    "token_ids": _integers,
    "eos_token_ids": _integers,
    "stop_conditions": {
        "max_tokens": _integer,
        "min_tokens": _integer,
        "stop": _texts,
        "stop_token_ids": _integers,
        "stop_token_ids_visible": _integers,
        "stop_token_ids_hidden": _integers,
        "ignore_eos": _flag,
    },
    "sampling_options": {
        "n": _integer,
        "best_of": _integer,
        "temperature": _number,
        "top_p": _number,
        "top_k": _integer,
        "min_p": _number,
        "frequency_penalty": _number,
        "presence_penalty": _number,
        "repetition_penalty": _number,
        "seed": _integer,
        "guided_decoding": {
            "json": _json,
            "regex": _text,
            "grammar": _text,
            "structural_tag": _json,
            "choice": _scalars,
        },
    },
    "output_options": {"logprobs": _integer},
    "routing": {"dp_rank": _integer, "prefill_dp_rank": _integer, "priority": _integer},
    "bootstrap_info": {"bootstrap_host": _text, "bootstrap_port": _integer, "bootstrap_room": _integer},
}


# The same of `embedding_wire.read_request`.
EMBEDDING: _Section = {"token_ids": _lists, "dimensions": _integer}


def check_shape(request: Any, shape: _Section = SHAPE) -> None:
    """Raise Malformed when a field that is there, and not null, has the wrong type."""
    _check(request, shape, "the request")


def _check(value: Any, shape: _Section, name: str) -> None:
    if not isinstance(value, Mapping):
        raise Malformed(f"{name}: expected an object")
    for field, wanted in shape.items():
        found = value.get(field)
        if found is None:
            continue
        if isinstance(wanted, Mapping):
            _check(found, wanted, field)
        elif not wanted(found):
            raise Malformed(f"{field}: expected {_EXPECTED[wanted]}")
