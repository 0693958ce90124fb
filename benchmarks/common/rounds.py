"""The command of a benchmark that measures in rounds and keeps one record."""

from __future__ import annotations

import argparse
import json
import os
import platform
from collections.abc import Awaitable, Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import uvloop


def run_in_rounds(measure: Callable[[int], Awaitable[dict[str, Any]]], record: Path) -> None:
    """Read --rounds, measure, write `record` and print the medians. measure: rounds -> {"median", "samples"}."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    result = uvloop.run(measure(rounds))
    made = {"cores": os.cpu_count(), "python": platform.python_version(), "sglang": version("sglang"), "rounds": rounds, **result}
    record.parent.mkdir(exist_ok=True)
    record.write_text(json.dumps(made, indent=1) + "\n")
    print(json.dumps(result["median"], indent=1))
