"""Constraints on the output that are large, deep, endless, empty or wrong."""

from __future__ import annotations

import json
import random
import string
from collections.abc import Callable, Mapping
from typing import Any

from .values import NUMBERS, Value, nested_objects

Maker = Callable[[random.Random], Value]
_LETTERS = bytes(ord(string.ascii_lowercase[i % 26]) for i in range(256))


def word(rng: random.Random, length: int) -> str:
    """Random lower-case letters."""
    return rng.randbytes(length).translate(_LETTERS).decode()


def _one_of(*values: Value) -> Maker:
    return lambda rng: rng.choice(values)


def _size(rng: random.Random, greatest: int) -> int:
    """A size up to `greatest`, small ones as likely as large ones."""
    return max(1, int(greatest ** rng.random()))


def _words(rng: random.Random, length: int, most: int) -> list[str]:
    return [word(rng, length) for _ in range(_size(rng, most))]


REGEXES: tuple[Maker, ...] = (
    _one_of(""),
    _one_of(
        *["^$", "a{0}", "()", "|", "\\b", "$^", "a{1,0}", "[]", "[^]", "[^\\s\\S]", "(", ")", "[", "*", "+?", "\\", "a{", "\\x"],
        "\x00",
        "\ud800",
    ),
    _one_of(
        *["(a)\\1", "(?=a)b", "(?!a)a", "(?<=a)b", "(?i)ab", "(?P<n>a)(?P=n)", "(?R)", "\\p{L}+", "\\d{3}|\\D", "(?#c)", "a*+", "\\A\\Z"]
    ),
    lambda rng: "(a+)+" * _size(rng, 200) + "b",
    lambda rng: "(" * (n := _size(rng, 5000)) + "a" + ")" * n,
    lambda rng: "(" * (n := _size(rng, 500)) + "a" + ")*" * n,
    lambda rng: f"[a-z]{{1,{_size(rng, 100_000)}}}",
    lambda rng: f"((a{{0,{_size(rng, 1000)}}}){{0,{_size(rng, 1000)}}}){{0,{_size(rng, 1000)}}}",
    lambda rng: ".*" + word(rng, 3) + f".{{{_size(rng, 2000)}}}",
    lambda rng: "|".join(_words(rng, 12, 5000)),
    lambda rng: word(rng, _size(rng, 60_000)),
    lambda rng: f"({word(rng, 4)}|.)*" * _size(rng, 100),
    lambda rng: "[" + "".join(chr(rng.randrange(0x21, 0xD7FF)) for _ in range(_size(rng, 2000))) + "]+",
    lambda rng: f"[\U00010000-\U0010ffff]{{{_size(rng, 500)}}}",
)


def _object(properties: dict[str, Value], **more: Value) -> dict[str, Value]:
    return {"type": "object", "properties": properties, "additionalProperties": False} | more


def _deep(depth: int) -> dict[str, Value]:
    schema: dict[str, Value] = {"type": "string"}
    for _ in range(depth):
        schema = _object({"a": schema}, required=["a"])
    return schema


_A, _B = {"$ref": "#/$defs/a"}, {"$ref": "#/$defs/b"}
SCHEMAS: tuple[Maker, ...] = (
    _one_of({}, True, False, None, [], "", "not JSON", "{}", {"type": "nonsense"}, {"type": []}, {"enum": []}, {"const": None}),
    _one_of(*({"$ref": r} for r in ("#", "#/none", "http://127.0.0.1:9/schema", "file:///etc/passwd", 7, ""))),
    _one_of({"$defs": {"a": _B, "b": _A}} | _A, {"anyOf": [{"$ref": "#"}, {"$ref": "#"}]}, {"type": ["string", "null"]}),
    _one_of({"$defs": {"a": _object({"a": _A}, required=["a"])}} | _A, {"$defs": {"a": _object({"a": _A})}} | _A),
    _one_of({"allOf": [{"type": "string"}, {"type": "integer"}]}, {"oneOf": []}, {"anyOf": []}, {"not": {}}),
    lambda rng: _deep(_size(rng, 300)),
    lambda rng: nested_objects(_size(rng, 3000)),
    lambda rng: _object({name: {"type": "string"} for name in _words(rng, 8, 1500)}),
    lambda rng: _object({word(rng, 6): {"type": "integer"}}, required=["missing"]),
    lambda rng: {"enum": _words(rng, 8, 5000)},
    lambda rng: {"type": "string", "pattern": rng.choice(REGEXES)(rng)},
    lambda rng: {"type": "string", "minLength": rng.choice(NUMBERS), "maxLength": rng.choice(NUMBERS)},
    lambda rng: {"type": "array", "items": {"type": "integer"}, "minItems": rng.choice(NUMBERS), "maxItems": rng.choice(NUMBERS)},
    lambda rng: {"type": rng.choice(["integer", "number"]), "minimum": rng.choice(NUMBERS), "maximum": rng.choice(NUMBERS)},
    lambda rng: {"type": "array", "prefixItems": [{"type": "integer"}] * _size(rng, 1000), "items": False},
    lambda rng: {"type": "object", "patternProperties": {rng.choice(REGEXES)(rng): {}}, "propertyNames": {"pattern": "^a"}},
    lambda rng: {"type": "string", "format": rng.choice(["date", "email", "ipv6", "uri", "nonsense"])},
    lambda rng: json.dumps(_object({word(rng, 4): {"type": "integer"}})),
)


def _chain(length: int, right: str) -> str:
    """Rules that each lead to the next, whose number `right` is filled with."""
    rules = [f"r{i} ::= {right.format(i + 1)}" for i in range(length)]
    return "\n".join(["root ::= r0", *rules, f'r{length} ::= "a"'])


GRAMMARS: tuple[Maker, ...] = (
    _one_of("", " ", "root", "root ::=", "root ::= ", "%%", 'start: "a"', "\x00", "\ud800"),
    _one_of('a ::= "b"', 'root ::= "a', "root ::= [^]", "root ::= undefined", 'root ::= ""*', "root ::= (root)*"),
    _one_of("root ::= root", 'root ::= root "a" | "b"', "root ::= a\na ::= b\nb ::= a", 'root ::= root root | ""'),
    _one_of('root ::= "a" root | root "b" | root root | ""'),
    lambda rng: "root ::= " + "(" * (n := _size(rng, 3000)) + '"a"' + ")" * n,
    lambda rng: "root ::= " + "(" * (n := _size(rng, 300)) + '"a"' + ")*" * n,
    lambda rng: "root ::= " + " | ".join(f'"{each}"' for each in _words(rng, 8, 5000)),
    lambda rng: _chain(_size(rng, 60), "r{0} r{0}"),
    lambda rng: _chain(_size(rng, 5000), "r{0}"),
    lambda rng: f'root ::= "a"{{0,{_size(rng, 100_000)}}}',
    lambda rng: f'root ::= "{word(rng, _size(rng, 60_000))}"',
)

CHOICES: tuple[Maker, ...] = (
    _one_of([], [""], ["", ""], ["a", "a"], [None], [1, 2], [["a"]], "a", {}),
    _one_of(["\x00"], ["\ud800"], ['"', "\\", "\n"], ["a" * 60_000]),
    lambda rng: _words(rng, 10, 5000),
    lambda rng: [word(rng, _size(rng, 20_000)) for _ in range(20)],
    lambda rng: ["é\U0001f600" * _size(rng, 200)],
)


def _tags(structures: list[Value], triggers: list[str]) -> Value:
    return {"type": "structural_tag", "structures": structures, "triggers": triggers}


def _format(kind: str, **more: Value) -> Value:
    return {"type": "structural_tag", "format": {"type": kind} | more}


def _tag(begin: str, schema: Value) -> Value:
    return {"begin": begin, "schema": schema, "end": "</a>"}


TAGS: tuple[Maker, ...] = (
    _one_of({}, {"type": "structural_tag"}, _tags([], []), {"type": "structural_tag", "format": {}}, "", []),
    lambda rng: _tags([_tag("<a>", rng.choice(SCHEMAS)(rng))], ["<a"]),
    _one_of(_tags([{"begin": "", "schema": {}, "end": ""}], [""])),
    lambda rng: _tags([_tag(f"<{each}>", {"type": "string"}) for each in _words(rng, 5, 300)], ["<"]),
    lambda rng: _tags([_tag("<a>", {})], _words(rng, 5, 1000)),
    lambda rng: _format("tag", begin="<a>", content={"type": rng.choice(["any_text", "json_schema", "regex", "nonsense"])}, end="</a>"),
    lambda rng: _format("json_schema", json_schema=rng.choice(SCHEMAS)(rng)),
    lambda rng: _format("sequence", elements=[{"type": "const_string", "value": word(rng, 4)}] * _size(rng, 1000)),
)

BY_FIELD: Mapping[str, tuple[Maker, ...]] = {
    "guided_regex": REGEXES,
    "guided_json": SCHEMAS,
    "guided_grammar": GRAMMARS,
    "guided_choice": CHOICES,
    "structural_tag": TAGS,
}


def constraint(field: str, rng: random.Random) -> dict[str, Any]:
    """The fields of a body that ask for a hostile constraint of this kind, in one of the ways that a client can write it."""
    value = rng.choice(BY_FIELD[field])(rng)
    short = field.removeprefix("guided_")
    ways: list[dict[str, Any]] = [{"structured_outputs": {short: value}}, {"guided_decoding": {short: value}}]
    if field == "structural_tag":
        ways += [{"response_format": value}] * 2
    else:
        ways += [{field: value}] * 4
    if field == "guided_json":
        ways += [{"response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": value, "strict": True}}}] * 2
    return rng.choice(ways)
