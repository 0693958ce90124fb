"""What configurations were set to: which fields tell them apart, and in which order a reader wants to see those that differ.

Pure functions. A configuration is a mapping of dotted names to values, as `groups.Repeats.config`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

TOPOLOGY = "topology.name"
# What a user asks about first. Each is a field, or the beginning of one.
_ORDER = (TOPOLOGY, "url", "model.", "load.shape.", "load.", "topology.", "engine.", "", "hardware.", "versions.")


def arranged(config: Mapping[str, list[Any]]) -> dict[str, list[Any]]:
    """Fields that differ, with each configuration's value: those that somebody chose first, what a topology brings with it last."""
    behind = set(brought(config))
    return dict(sorted(config.items(), key=lambda item: (item[0] in behind, rank(item[0]))))


def rank(field: str) -> int:
    """Where a field stands among others, to sort by."""
    fits = [i for i, begin in enumerate(_ORDER) if field.startswith(begin)]
    return max(fits, key=lambda i: len(_ORDER[i]))


def brought(config: Mapping[str, list[Any]]) -> list[str]:
    """Fields below `topology` that say nothing new: two configurations of one topology never differ in them."""
    if TOPOLOGY not in config:
        return []
    names = config[TOPOLOGY]
    below = [field for field in config if field.startswith("topology.") and field != TOPOLOGY]
    return [field for field in below if _parts([names]) == _parts([names, config[field]])]


def telling(config: Mapping[str, list[Any]]) -> list[str]:
    """As few fields as tell all configurations apart that any field tells apart; `config` has the fields in order of preference."""
    found: list[str] = []
    parts = 1
    for field, values in config.items():
        if (more := _parts([*(config[f] for f in found), values])) > parts:
            found.append(field)
            parts = more
    return found


def by_value(letters: Sequence[str], values: Sequence[Any]) -> list[tuple[list[str], Any]]:
    """Each value once, with the letters of the configurations that have it."""
    found: dict[str, tuple[list[str], Any]] = {}
    for letter, value in zip(letters, values, strict=True):
        found.setdefault(_key(value), ([], value))[0].append(letter)
    return list(found.values())


def short(field: str, fields: Iterable[str]) -> str:
    """A dotted name's last part, where that is enough to tell it from the others. Of a name, what it is the name of."""
    last = _last(field)
    return last if sum(_last(f) == last for f in fields) <= 1 else field


def _last(field: str) -> str:
    return field.removesuffix(".name").rsplit(".", 1)[-1]


def _parts(columns: Sequence[Sequence[Any]]) -> int:
    """How many different rows there are."""
    return len({_key(row) for row in zip(*columns, strict=True)})


def _key(value: Any) -> str:
    return json.dumps(value, sort_keys=True, default=str)
