"""How deep a guide nests, found without recursion and in time linear in its size. Pure functions."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

# What is no bracket of the grammar itself is taken as one piece: escapes, character classes, literals, comments. Each piece
# may also end with the text, so that no text is scanned twice.
_REGEX = re.compile(r"\\.|\[(?:\\.|[^\]\\])*\]?|[()]", re.DOTALL)
_EBNF = re.compile(r'"(?:\\.|[^"\\])*"?|\[(?:\\.|[^\]\\])*\]?|#[^\n]*|[()]', re.DOTALL)


def of_regex(text: str) -> int:
    """Depth of the groups of a regular expression."""
    return _of_groups(_REGEX, text)


def of_ebnf(text: str) -> int:
    """Depth of the groups of an EBNF grammar's deepest rule."""
    return _of_groups(_EBNF, text)


def of_json(text: str) -> int:
    """Depth of the containers of a JSON document, and of the groups of each of its strings that is below `pattern`.

    Raises ValueError for what is no JSON, or nests too deep to be read.
    """
    try:
        document = json.loads(text)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    return max(_depths(document), default=0)


def _depths(document: Any) -> Iterator[int]:
    left: list[tuple[Any, int]] = [(document, 1)]
    while left:
        value, depth = left.pop()
        if isinstance(value, dict):
            yield depth
            left += [(v, depth + 1) for v in value.values()]
            if isinstance(pattern := value.get("pattern"), str):
                yield of_regex(pattern)
        elif isinstance(value, list):
            yield depth
            left += [(v, depth + 1) for v in value]


def _of_groups(pieces: re.Pattern[str], text: str) -> int:
    deepest = depth = 0
    for piece in pieces.finditer(text):
        if piece[0] == "(":
            depth += 1
            deepest = max(deepest, depth)
        elif piece[0] == ")":
            depth -= 1
    return deepest
