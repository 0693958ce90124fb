"""What every part of the deployment is, and how its own checks refuse a value."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict

from armature.errors import UserError

FIELD = "<field>"
V = TypeVar("V")
R = TypeVar("R")


class Section(BaseModel):
    """A part of the deployment: immutable, and strict about the names of its fields."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Invalid(ValueError):
    """What a section's check raises where the field is not the checked one, or where there is more to say than what is wrong.

    field: dotted, below what is checked: the one that the user has to look at. expected, fix: as a UserError has them; FIELD in a fix
    becomes the field's whole name.
    """

    def __init__(self, what: str, *, field: str = "", expected: str | None = None, fix: str | None = None) -> None:
        super().__init__(what)
        self.field, self.expected, self.fix = field, expected, fix


def refusing(check: Callable[[V], R], value: V) -> R:
    """`check(value)`, whose UserError becomes the error of the field that is checked."""
    try:
        return check(value)
    except UserError as e:
        raise Invalid(e.what, expected=e.expected, fix=e.fix) from None


def _as_text(value: Any) -> Any:
    if isinstance(value, bool):
        return str(value).lower()  # as YAML and the command line write it
    if isinstance(value, int | float):
        return str(value)
    if isinstance(value, list | dict):
        kind = "a list" if isinstance(value, list) else "a mapping"
        text = str(value).replace("'", "").replace(", ", ",")  # nearly as it was typed
        raise Invalid(f"got {kind}", expected="text", fix=f"quote it: \"{FIELD}='{text}'\"")
    return value


Text = Annotated[str | None, BeforeValidator(_as_text)]
# The type of every mapping from names to text: numbers and booleans are taken as they are written, null takes a value back.
TextMap = dict[str, Text]


def merged(*maps: TextMap) -> dict[str, str]:
    """One mapping of several: later ones win, and null removes what earlier ones set."""
    together = {name: value for each in maps for name, value in each.items()}
    return {name: value for name, value in together.items() if value is not None}
