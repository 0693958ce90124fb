"""Writing down what happens: the one place where that may fail without consequence.

Recording may fail: a full disk, a run directory that was removed, a terminal that went away. What is recorded goes on all the
same. So everything that only records goes through `Losses`, which never raises: it counts what was lost, says each reason once on
standard error, and has it all for the final summary.
"""

from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from armature.output import discard

T = TypeVar("T")


def to_stderr(text: str) -> None:
    """One line for the user; nothing where standard error cannot be written either."""
    try:
        print(f"armature: {text}", file=sys.stderr, flush=True)
    except (OSError, ValueError):
        discard(sys.stderr)


class Losses:
    """What could not be recorded. say: told of each reason once."""

    def __init__(self, say: Callable[[str], object] = to_stderr) -> None:
        self._say = say
        self._reasons: dict[str, Counter[str]] = {}

    def keep(self, what: str, action: Callable[[], object]) -> None:
        """Do a piece of bookkeeping that gives nothing back. what: what is lost when it fails, in the user's words."""
        self.attempt(what, action, None)

    def attempt(self, what: str, action: Callable[[], T], otherwise: T) -> T:
        """The result of `action`, or `otherwise` when it fails. what: as for `keep`."""
        try:
            return action()
        except Exception as e:  # also a fault of what draws: nothing that only records may decide about a run
            self.note(what, _reason(e))
            return otherwise

    def note(self, what: str, reason: str) -> None:
        """Count one loss of `what`."""
        first = reason not in self._reasons
        self._reasons.setdefault(reason, Counter())[what] += 1
        if first:
            self._say(f"recording failed: {what}: {reason}. The run continues; its record has gaps.")

    def saying(self, say: Callable[[str], object]) -> Callable[[str], None]:
        """`say`, which may fail."""
        return lambda text: self.keep("the display", lambda: say(text))

    def tell(self) -> None:
        """Say what was lost, if anything was."""
        if lost := self.summary():
            self._say(f"not recorded: {lost}")

    def summary(self) -> str:
        """What was lost and why, as one line; "" when nothing was."""
        return "; ".join(f"{reason}: {_counted(lost)}" for reason, lost in self._reasons.items())


class LineFile:
    """Appends whole lines to a file that nobody else writes. What is written is in the kernel at once: a killed process loses nothing."""

    def __init__(self, fd: int) -> None:
        self._fd = fd

    def add(self, line: bytes) -> None:
        """Append `line` and a line break, or nothing: raises OSError when there is no room for all of it."""
        data, done = line + b"\n", 0
        try:
            while done < len(data):
                done += os.write(self._fd, data[done:])
        except OSError:
            if done:
                os.ftruncate(self._fd, os.fstat(self._fd).st_size - done)
            raise

    @classmethod
    def at(cls, path: Path, mode: int = 0o644) -> LineFile:
        """The file at `path`, which is made if it is not there. Raises OSError."""
        return cls(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, mode))

    def fileno(self) -> int:
        """The descriptor."""
        return self._fd

    def close(self) -> None:
        os.close(self._fd)


def _reason(e: Exception) -> str:
    if isinstance(e, OSError) and e.strerror:
        return e.strerror
    return f"{type(e).__name__}: {e}"


def _counted(lost: Counter[str]) -> str:
    return ", ".join(f"{what} ({count} time{'s' * (count > 1)})" for what, count in lost.items())
