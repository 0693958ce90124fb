"""Words of a sweep: those with several values, and every combination of them, as Hydra reads them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

from armature.config.overrides import key_of, read_as_hydra
from armature.config.schema import Deployment
from armature.errors import UserError
from armature.naming import digest, distinct

# Varied even with one value: whoever has measured one topology may want to add another to the same sweep.
_TOPOLOGY = "topology"


@dataclass(frozen=True)
class Point:
    """One combination. name: of its folder; no other point of the sweep has it. words: all of its overrides."""

    name: str
    words: tuple[str, ...]


def expand(words: Sequence[str]) -> list[Point]:
    """All combinations of the values in `words`: `key=1,2`, `key=range(1,9)`, `key=choice(a,b)`; the last key varies fastest.

    A point is named by its topology and the values of the varied keys, whatever other values are listed and in which order.

    Points differ in their words. Whether they differ in what they measure only their composed values tell: see `identity`.
    Raises UserError for a word that Hydra cannot read, or whose values cannot be listed.
    """
    axes = [_values(word) for word in words]
    varied = [i for _, i in sorted((_key(values[0]), i) for i, values in enumerate(axes) if _is_varied(values))]
    points = list(product(*axes))
    titles = [",".join(_title(chosen[i]) for i in varied) or "all" for chosen in points]
    return [Point(name, chosen) for name, chosen in zip(distinct(titles), points, strict=True)]


def family(words: Sequence[str]) -> str:
    """A digest that stays the same when a varied key gets more values or fewer, so that such sweeps share their points.

    It depends on the words with one value and on the keys of the others, in any order; the topology's value never counts.
    """
    axes = [_values(word) for word in words]
    return digest("\n".join(sorted(_key(values[0])[1] if _is_varied(values) else values[0].lstrip("+") for values in axes)))


def _is_varied(values: Sequence[str]) -> bool:
    return len(values) > 1 or _key(values[0])[1] == _TOPOLOGY


def _key(word: str) -> tuple[bool, str]:
    """A word's key, to sort by: the topology comes first."""
    key = key_of(word)
    return key != _TOPOLOGY, key


def _title(word: str) -> str:
    """A word as part of a point's name: a topology needs no key to be known."""
    return word.lstrip("+").removeprefix(f"{_TOPOLOGY}=")


def identity(deployment: Deployment) -> str:
    """What a point is: a digest of its composed values. 2 and 2.0, or `true` and `True`, are one value, however they were written."""
    values = _canonical(deployment.model_dump(mode="json"))
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()


def _canonical(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _canonical(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_canonical(inner) for inner in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _values(word: str) -> list[str]:
    from hydra.core.override_parser.types import ValueType

    override = read_as_hydra(word)
    if not override.is_sweep_override():
        return [word]
    if override.value_type not in (ValueType.SIMPLE_CHOICE_SWEEP, ValueType.CHOICE_SWEEP, ValueType.RANGE_SWEEP):
        raise UserError(f"{word!r}: this kind of sweep is not supported", expected="key=A,B, key=choice(A,B) or key=range(1,9)")
    key = word.partition("=")[0]
    values = list(dict.fromkeys(f"{key}={value}" for value in override.sweep_string_iterator()))
    if not values:
        raise UserError(f"{word!r} has no value", expected="key=A,B, key=choice(A,B) or key=range(1,9)")
    return values
