"""Writes docs/grafana/armature.json from armature.telemetry.dashboard.

`python tools/gen_dashboard.py` rewrites it; `--check` fails with a diff when it is stale.
"""

from __future__ import annotations

import difflib
import json
import sys
from pathlib import Path

from armature.telemetry.dashboard import dashboard

FILE = Path(__file__).absolute().parents[1] / "docs" / "grafana" / "armature.json"


def main() -> int:
    want = json.dumps(dashboard(), indent=1) + "\n"
    if "--check" not in sys.argv:
        FILE.parent.mkdir(exist_ok=True)
        FILE.write_text(want)
        return 0
    have = FILE.read_text() if FILE.exists() else ""
    sys.stdout.writelines(difflib.unified_diff(have.splitlines(True), want.splitlines(True), "docs/grafana/armature.json", "now"))
    if have != want:
        print("out of date: run python tools/gen_dashboard.py")
    return int(have != want)


if __name__ == "__main__":
    sys.exit(main())
