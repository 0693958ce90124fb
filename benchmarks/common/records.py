"""What the load generator left, as a benchmark reads it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


def measured_requests(folder: Path) -> list[dict[str, Any]]:
    """The requests of the measuring phase, failures too. folder: the generator's record directory."""
    lines = [line for file in sorted(folder.glob("requests.*.jsonl")) for line in file.read_text().splitlines()]
    return [r for r in map(json.loads, lines) if r["phase"] == "measure"]
