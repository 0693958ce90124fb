"""Output whose reader went away: a closed pipe, a closed terminal."""

from __future__ import annotations

import contextlib
import os
from typing import TextIO


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
