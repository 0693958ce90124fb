"""The words after `armature up`: from what users type to what Hydra accepts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from armature.config.fields import is_open, is_text
from armature.errors import UserError, did_you_mean, nearest, together

FORM = "KEY=VALUE, such as model=tiny-qwen3 or frontend.port=8080"
Groups = Mapping[str, Sequence[str]]  # group -> the names that can be chosen


@dataclass(frozen=True)
class Override:
    """One `key=value`. text: as the user gave it. hydra: as Hydra must see it."""

    key: str
    value: str
    text: str
    hydra: str


def key_of(word: str) -> str:
    """What `key=value` or `+key=value` is about."""
    return word.lstrip("+").partition("=")[0]


def parse(words: Sequence[str], groups: Groups) -> tuple[Override, ...]:
    """Read `key=value` words.

    `+model=NAME` and `model=NAME` mean the same: a group always has one choice. Below engine.args and env any key
    may be set, with or without a plus, because the schema cannot list them; and every field that the schema does list.
    Raises UserError for words that are no overrides, and for choices that do not exist.
    """
    found: list[Override] = []
    errors: list[UserError] = []
    for word in words:
        try:
            found.append(_parse(word, groups))
        except UserError as e:
            errors.append(e)
    if errors:
        raise together(errors)
    return tuple(found)


def with_topology(words: Sequence[str], groups: Groups) -> list[str]:
    """`words`, in which a bare word that names a topology (or several, with commas) has become topology=WORD.

    Raises UserError for any other bare word.
    """
    return [f"topology={word}" if _all_known(word, groups.get("topology", ())) else _checked(word, groups) for word in words]


def _parse(word: str, groups: Groups) -> Override:
    if word.startswith("~"):
        name = word.lstrip("~").partition("=")[0]
        raise UserError(f"{word!r}: fields cannot be removed", expected=FORM, fix=f"set it to null: {name}=null")
    key, _, value = _checked(word, groups).lstrip("+").partition("=")
    if key in groups:
        _check_choice(key, value, word, groups[key])
        return Override(key, value, word, f"{key}={value}")
    path = key.split(".")
    forced = "++" if is_open(path) else ""
    return Override(key, value, word, f"{forced}{key}={_as_typed(key, value) if is_text(path) else value}")


def _checked(word: str, groups: Groups) -> str:
    """`word`, if it has the form of an override. Raises UserError."""
    key, equals, _ = word.lstrip("+").partition("=")
    if equals and key:
        return word
    expected = f"a topology ({', '.join(groups.get('topology', ()))}) or {FORM}"
    raise UserError(f"{word!r} is neither a topology nor KEY=VALUE", expected=expected, fix=did_you_mean(_meant(word, groups)))


def _meant(word: str, groups: Groups) -> str | None:
    """The choice of a group that a bare word was most likely meant to be: a name as it is before one that is close, topologies first."""
    parts = word.split(",")
    in_order = sorted(groups, key=lambda group: group != "topology")
    for group in in_order:
        if _all_known(word, groups[group]):
            return f"{group}={word}"
    for group in in_order:
        guesses = [nearest(part, groups[group]) for part in parts]
        if all(guesses):
            return f"{group}={','.join(filter(None, guesses))}"
    return None


def _all_known(word: str, names: Sequence[str]) -> bool:
    return all(part in names for part in word.split(","))


def _check_choice(group: str, value: str, word: str, names: Sequence[str]) -> None:
    if value in names or value in ("null", ""):
        return
    if group == "model" and ("/" in value or value.startswith((".", "~"))):
        fix: str | None = f"for a folder or a Hugging Face id: model.path={value}"
    elif _all_known(value, names):
        fix = f"a run takes one value; for several: armature bench {word}"
    else:
        guess = nearest(value, names)
        fix = did_you_mean(guess and f"{group}={guess}")
    raise UserError(
        f"{group}={value}: there is no {group} {value!r}", where=f"the override {word!r}", expected=f"one of {', '.join(names)}", fix=fix
    )


def _as_typed(key: str, value: str) -> str:
    """A value that Hydra would take for a number or a boolean, in quotes, so that it stays the text that was typed."""
    read = read_as_hydra(f"{key}={value}")
    return f"'{value}'" if not read.is_sweep_override() and isinstance(read.value(), bool | int | float) else value


def read_as_hydra(word: str) -> Any:
    """A word as Hydra's parser sees it: its values, and whether there are several. Raises UserError for one that it cannot read."""
    from hydra.core.override_parser.overrides_parser import OverridesParser
    from hydra.errors import HydraException

    try:
        return OverridesParser.create().parse_override(word)
    except HydraException as e:
        raise UserError(
            f"{word!r} cannot be read as an override: {str(e).splitlines()[0]}",
            where=f"the override {word!r}",
            expected="KEY=VALUE, KEY=A,B or KEY=range(1,9)",
            fix="quote a value with blanks, brackets or commas: 'KEY=\"a b\"'",
        ) from None
