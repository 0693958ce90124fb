"""What scripts that write generated files share."""

from __future__ import annotations

import difflib
import sys
from collections.abc import Mapping
from pathlib import Path


def bring_up_to_date(files: Mapping[Path, str], script: Path) -> int:
    """Write each file's text; with --check on the command line, only show what differs. Returns the exit code."""
    stale = False
    for file, want in files.items():
        if "--check" not in sys.argv:
            file.write_text(want)
            continue
        have = file.read_text() if file.exists() else ""
        sys.stdout.writelines(difflib.unified_diff(have.splitlines(True), want.splitlines(True), file.name, "now"))
        stale |= have != want
    if stale:
        print(f"out of date: run python tools/{script.name}")
    return int(stale)
