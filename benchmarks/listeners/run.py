"""Walks the listeners of every topology and prints them as a table: which process listens where, and what answers from outside.

    PYTHONPATH=src:tests:. python -m benchmarks.listeners.run [TOPOLOGY ...] [--record FILE]

Needs root and `ip` for a place that is really outside; without them the host's own second address has to do, and the table says so.
Exits with 1 when a listener is unknown or reached.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from support.deployed import serve
from support.outside import outside
from support.walk import TOPOLOGIES, Row, render, table, walk_served


def main() -> int:
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("topologies", nargs="*", metavar="TOPOLOGY", help=f"{', '.join(TOPOLOGIES)} (default: all)")
    p.add_argument("--record", type=Path, help="where the table goes as well")
    a = p.parse_args()
    lines: list[tuple[str, ...]] = []
    bad: list[Row] = []
    with outside() as there, tempfile.TemporaryDirectory(prefix="walk") as scratch:
        for name in a.topologies or TOPOLOGIES:
            root = Path(scratch) / name
            root.mkdir()
            with serve(root, Path(scratch) / "cache", *TOPOLOGIES[name]) as served:
                rows = walk_served(served, there)
            lines += table(name, rows)
            bad += [row for row in rows if row.what is None or row.reached]
            print(f"{name}: {len(rows)} listeners", file=sys.stderr, flush=True)
        text = f"Seen from {there.kind}.\n\n{render(lines)}\n"
    print(text)
    if a.record:
        a.record.write_text(text)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
