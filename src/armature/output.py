"""Standard output and standard error, whatever they are: a closed pipe or terminal, a full device, a descriptor that was never open."""

from __future__ import annotations

import contextlib
import io
import os
import sys
from typing import Any, TextIO

CLOSED_PIPE = 141  # as a shell reports a program that SIGPIPE ended
FAILED = 1


class _Remembering(io.FileIO):
    """A descriptor that remembers why it took nothing more: who catches an OSError cannot tell else whose it is.

    Of standard error, what it does not take is gone, and nobody hears of it: words that nobody reads change nothing.
    """

    error: OSError | None = None

    def write(self, data: Any) -> int:
        try:
            return super().write(data)
        except OSError as e:
            self.error = e
            if self.fileno() == 2:
                return len(data)
            raise


def prepare() -> None:
    """Make all three standard streams usable, before anything is opened or written.

    A descriptor that is closed would be taken by the next file that is opened, which prints would then overwrite; so it is held open,
    in a way that writing fails as it does on a closed one. What the terminal's encoding cannot show is escaped.
    """
    for number, mode in ((0, os.O_WRONLY), (1, os.O_RDONLY), (2, os.O_RDONLY)):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, mode)  # the lowest free descriptor: this one
    if sys.stdout is sys.__stdout__:  # a test's stays
        sys.stdout = _stream(1, sys.__stdout__)
    if sys.stderr is sys.__stderr__:
        sys.stderr = _stream(2, sys.__stderr__)


def finish(code: int) -> int:
    """Write what is still in the buffers; the exit code. A command that succeeded and whose output was lost has failed."""
    with contextlib.suppress(OSError, ValueError):
        sys.stdout.flush()
    if (error := lost()) is not None:
        discard(sys.stdout)
        if isinstance(error, BrokenPipeError):
            code = code or CLOSED_PIPE  # the reader had enough (`armature plan | head`): nothing to say
        else:
            complain(f"the output cannot be written: {error.strerror}")
            code = code or FAILED
    return code


def lost() -> OSError | None:
    """Why standard output was lost; None while all of it was written."""
    raw = getattr(getattr(sys.stdout, "buffer", None), "raw", None)
    return raw.error if isinstance(raw, _Remembering) else None


def complain(text: str) -> None:
    """Lines for standard error, after the program's name; lost where it takes nothing: there is nobody left to tell."""
    with contextlib.suppress(OSError, ValueError):
        print(f"armature: {text}", file=sys.stderr, flush=True)


def discard(out: TextIO) -> None:
    """From here on what is written to `out` goes nowhere.

    What is still in its buffer goes there too: else Python fails to write it at exit and ends with 120,
    whatever the exit code should be.
    """
    with contextlib.suppress(OSError, ValueError):  # closed for good, or not a file at all
        null = os.open(os.devnull, os.O_WRONLY)
        try:
            os.dup2(null, out.fileno())
        finally:
            os.close(null)


def _stream(number: int, before: TextIO | None) -> TextIO:
    """A text stream on a descriptor, in the encoding of the one `before` it. A terminal gets each line at once, and so does whoever
    asked Python for no buffer."""
    raw = _Remembering(number, "w", closefd=False)
    at_once = number == 2 or raw.isatty() or isinstance(getattr(before, "buffer", None), io.RawIOBase)
    encoding = before.encoding if before else "utf-8"
    return io.TextIOWrapper(io.BufferedWriter(raw), encoding=encoding, errors="backslashreplace", line_buffering=at_once)
