"""What profiles of a run show on its page: the top operators, flame graphs, and links to all files."""

from __future__ import annotations

import base64
import os
from pathlib import Path
from urllib.parse import quote

import msgspec

from armature.bench.profiling.trace import FILE as TOP_FILE
from armature.bench.profiling.trace import Top
from armature.bench.runs import Run

MOST_DRAWN_BYTES = 2_000_000  # a larger flame graph is linked only: the page must stay one that opens at once


def tops(run: Run) -> list[tuple[str, Top]]:
    """The top operators of each rank that was traced: its node, and what its trace says in short."""
    files = sorted((run.results / "profile").glob(f"*/{TOP_FILE}"))
    return [(file.parent.name, top) for file in files for top in msgspec.json.decode(file.read_bytes(), type=list[Top])]


def flames(run: Run) -> list[tuple[str, str]]:
    """Flame graphs: the node, and the drawing as a data URI. As an image it runs no script; the file itself can be searched and zoomed."""
    files = sorted((run.results / "profile").glob("*/*.svg"))
    drawn = [f for f in files if f.stat().st_size <= MOST_DRAWN_BYTES]
    return [(f.parent.name, f"data:image/svg+xml;base64,{base64.b64encode(f.read_bytes()).decode()}") for f in drawn]


def traces(run: Run, out: Path) -> list[tuple[str, str]]:
    """The files under results/profile/, with links from where the page lies."""
    folder = run.results / "profile"
    files = sorted(f for f in folder.rglob("*") if f.is_file() and not f.name.startswith(".")) if folder.is_dir() else []
    return [(f.relative_to(folder).as_posix(), quote(os.path.relpath(f, out.parent))) for f in files]
