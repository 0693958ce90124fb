"""The words after `armature up`: from what users type to what Hydra accepts."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from armature.config.fields import is_open
from armature.errors import UserError


@dataclass(frozen=True)
class Override:
    """One `key=value`. text: as the user gave it. hydra: as Hydra must see it."""

    key: str
    value: str
    text: str
    hydra: str


def parse(words: Sequence[str], groups: Collection[str]) -> tuple[Override, ...]:
    """Read `key=value` words.

    `+model=NAME` and `model=NAME` mean the same: a group always has one choice. Below engine.args and env any key
    may be set, with or without a plus, because the schema cannot list them; and every field that the schema does list.
    Raises UserError for a word that is no override.
    """
    return tuple(_parse(word, groups) for word in words)


def _parse(word: str, groups: Collection[str]) -> Override:
    if word.startswith("~"):
        name = word.lstrip("~").partition("=")[0]
        raise UserError(f"{word!r}: fields cannot be removed", expected="key=value", fix=f"set it to null: {name}=null")
    plain = word.lstrip("+")
    key, equals, value = plain.partition("=")
    if not equals or not key:
        hint = f"topology={word}" if word.isidentifier() else None
        raise UserError(
            f"{word!r} is not an override",
            expected="key=value, such as model=tiny-qwen3 or frontend.port=8080",
            fix=f"did you mean {hint!r}?" if hint else None,
        )
    if key in groups:
        return Override(key, value, word, f"{key}={value}")
    forced = "++" if is_open(key.split(".")) else ""
    return Override(key, value, word, f"{forced}{key}={value}")


def read_as_hydra(word: str) -> Any:
    """A word as Hydra's parser sees it: its values, and whether there are several. Raises UserError for one that it cannot read."""
    from hydra.core.override_parser.overrides_parser import OverridesParser
    from hydra.errors import HydraException

    try:
        return OverridesParser.create().parse_override(word)
    except HydraException as e:
        raise UserError(
            f"{word!r} cannot be read as an override: {str(e).splitlines()[0]}", expected="key=value, key=A,B or key=range(1,9)"
        ) from None
