"""The one error type that a user is meant to read."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pydantic import ValidationError


class UserError(Exception):
    """Something the user asked for cannot be had. Each part is shown on one line.

    what: what is wrong, naming the field, flag, port or node.
    where: the file, line or override that set it, if anything did.
    expected: what would have been accepted.
    fix: what to do now, in words that can be pasted.

    The command line prints these lines and exits with `exit_code`; it shows no traceback.
    """

    exit_code = 2

    def __init__(self, what: str, *, where: str | None = None, expected: str | None = None, fix: str | None = None) -> None:
        self.what, self.where, self.expected, self.fix = what, where, expected, fix
        super().__init__(self.render())

    @property
    def each(self) -> tuple[UserError, ...]:
        """The errors that this one consists of: itself, unless several are shown together."""
        return (self,)

    def render(self) -> str:
        """All parts as text, one line each."""
        lines = [one_line(self.what)]
        for label, text in (("set in", self.where), ("expected", self.expected), ("fix", self.fix)):
            if text:
                lines.append(f"  {label}: {one_line(text)}")
        return "\n".join(lines)


class UserErrors(UserError):
    """Several errors that are shown together, so that a user can fix all of them at once. Its own parts are those of the first."""

    def __init__(self, errors: Iterable[UserError]) -> None:
        self._each = tuple(errors)
        first = self._each[0]
        super().__init__(first.what, where=first.where, expected=first.expected, fix=first.fix)

    @property
    def each(self) -> tuple[UserError, ...]:
        return self._each

    def render(self) -> str:
        return "\n".join(e.render() for e in self._each)


def together(errors: Iterable[UserError]) -> UserError:
    """One error that says all that `errors` say, each once. errors: at least one."""
    unique = list({one.render(): one for error in errors for one in error.each}.values())
    return unique[0] if len(unique) == 1 else UserErrors(unique)


def nearest(name: str, valid: Iterable[str]) -> str | None:
    """The valid name that `name` was most likely meant to be, or None when nothing is close."""
    close = difflib.get_close_matches(name, list(valid), n=1, cutoff=0.6)
    return close[0] if close else None


def did_you_mean(guess: str | None, otherwise: str | None = None) -> str | None:
    """The fix for a misspelt word: `guess`, as it is to be written; `otherwise` where nothing is close."""
    return f"did you mean {guess}?" if guess else otherwise


def one_line(text: str) -> str:
    """`text` as one line that a terminal shows as it is: line breaks are blanks, other control characters are escaped."""
    joined = " ".join(line.strip() for line in text.splitlines() if line.strip())
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in joined)


def problems(error: ValidationError, whole: str) -> str:
    """What is wrong with which field of a JSON object, on one line. whole: what to call the object itself."""
    return "; ".join(f"{'.'.join(map(str, p['loc'])) or whole}: {p['msg']}" for p in error.errors())
