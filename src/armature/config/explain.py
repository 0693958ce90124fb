"""What pydantic refused, in the words of the user: which field, who set it, what was expected, and what to write instead."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from pydantic import ValidationError

from armature.config.section import FIELD, Invalid
from armature.errors import UserError, did_you_mean, nearest, together

# Branches of a union and places of a key: parts of pydantic's path that are no fields.
_NO_FIELDS = ("bool", "int", "float", "str", "list[any]", "dict[str,any]", "[key]", "list", "dict")
_EXPECTED = {
    "int_type": "a whole number",
    "int_parsing": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "float_parsing": "a number",
    "finite_number": "a finite number",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
    "string_type": "text",
    "list_type": "a list, such as [a,b]",
    "dict_type": "a mapping, such as {a: 1}",
    "model_type": "a section with fields of its own",
    "greater_than": "more than {gt}",
    "greater_than_equal": "at least {ge}",
    "less_than": "less than {lt}",
    "less_than_equal": "at most {le}",
    "string_pattern_mismatch": "text that matches {pattern}",
    "literal_error": "{expected}",
    "too_short": "at least {min_length} items",
    "too_long": "at most {max_length} items",
}


def explain(
    error: ValidationError, where: Callable[[Sequence[str]], str | None], unknown: Callable[[Sequence[str]], UserError], prefix: str = ""
) -> UserError:
    """All complaints, one a field. where: who set a field. unknown: the error of a field that does not exist. prefix: of shown fields."""
    by_field: dict[tuple[str, ...], UserError] = {}
    for complaint in error.errors():
        path = tuple(str(part) for part in complaint["loc"])
        while path and path[-1] in _NO_FIELDS:
            path = path[:-1]
        if complaint["type"] == "extra_forbidden":
            by_field.setdefault(path, unknown(path))
            continue
        raised = complaint.get("ctx", {}).get("error")
        if isinstance(raised, Invalid):
            path = (*path, *filter(None, raised.field.split(".")))
        label = prefix + ".".join(path)
        by_field.setdefault(path, _one(complaint, raised, label, where(path) if path else None))
    return together(by_field.values())


def _one(complaint: Mapping[str, Any], raised: object, label: str, where: str | None) -> UserError:
    kind, message = complaint["type"], complaint["msg"].removeprefix("Value error, ")
    at = f"{label}: " if label else ""
    if isinstance(raised, Invalid):
        return UserError(f"{at}{message}", where=where, expected=raised.expected, fix=raised.fix and raised.fix.replace(FIELD, label))
    if kind == "value_error":
        return UserError(f"{at}{message}", where=where)
    if kind == "missing":
        return UserError(f"{at}no value is set", where=where, fix=f"add {label}=VALUE")
    context = complaint.get("ctx", {})
    expected = _EXPECTED[kind].format_map(context) if kind in _EXPECTED else message[0].lower() + message[1:]
    got = complaint["input"]
    guess = nearest(str(got), context["expected"].replace("'", "").replace(" or ", ", ").split(", ")) if kind == "literal_error" else None
    return UserError(f"{at}got {got!r}", where=where, expected=expected, fix=did_you_mean(f"{label}={guess}" if guess else None))
