"""The one error type that a user is meant to read."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class UserError(Exception):
    """Something the user asked for cannot be had.

    what: what is wrong, naming the field, flag, port or node.
    where: the file, line or override that set it, if anything did.
    expected: what would have been accepted.
    fix: what to do now.

    The command line prints these lines and exits with `exit_code`; it shows no traceback.
    """

    exit_code = 2

    def __init__(self, what: str, *, where: str | None = None, expected: str | None = None, fix: str | None = None) -> None:
        self.what, self.where, self.expected, self.fix = what, where, expected, fix
        super().__init__(self.render())

    def render(self) -> str:
        lines = [self.what]
        for label, text in (("set in", self.where), ("expected", self.expected), ("to mend it", self.fix)):
            if text:
                lines.append(f"  {label}: {text}")
        return "\n".join(lines)


def nearest(name: str, valid: Iterable[str]) -> str | None:
    """The valid name that `name` was most likely meant to be, or None when nothing is close."""
    close = difflib.get_close_matches(name, list(valid), n=1, cutoff=0.6)
    return close[0] if close else None
