"""Words of a sweep: those with several values, and every combination of them, as Hydra reads them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

from armature.config.overrides import read_as_hydra
from armature.errors import UserError


@dataclass(frozen=True)
class Point:
    """One combination. varied: its values of what the sweep varies, in the user's order; words: all of its overrides."""

    varied: tuple[str, ...]
    words: tuple[str, ...]

    @property
    def name(self) -> str:
        """What tells it from the other points, fit for a folder's name."""
        return ",".join(_plain(word) for word in self.varied) or "all"


def expand(words: Sequence[str]) -> list[Point]:
    """All combinations of the values in `words`: `key=1,2`, `key=range(1,9)`, `key=choice(a,b)`; the last key varies fastest.

    Raises UserError for a word that Hydra cannot read, or whose values cannot be listed.
    """
    axes = [_values(word) for word in words]
    varied = [i for i, values in enumerate(axes) if len(values) > 1]
    return [Point(tuple(chosen[i] for i in varied), chosen) for chosen in product(*axes)]


def _values(word: str) -> list[str]:
    from hydra.core.override_parser.types import ValueType

    override = read_as_hydra(word)
    if not override.is_sweep_override():
        return [word]
    if override.value_type not in (ValueType.SIMPLE_CHOICE_SWEEP, ValueType.CHOICE_SWEEP, ValueType.RANGE_SWEEP):
        raise UserError(f"{word!r}: these values cannot be listed", expected="key=A,B, key=choice(A,B) or key=range(1,9)")
    key = word.partition("=")[0]
    values = list(dict.fromkeys(f"{key}={value}" for value in override.sweep_string_iterator()))
    if not values:
        raise UserError(f"{word!r} has no value", expected="key=A,B, key=choice(A,B) or key=range(1,9)")
    return values


def _plain(word: str) -> str:
    """A word without what a folder's name should not hold."""
    text = word.lstrip("+").replace("\\", "")
    return "".join(c if c.isalnum() or c in "=._-" else "_" for c in text)[:120]
