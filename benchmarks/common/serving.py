"""One arm of a comparison: a deployment that serves while it is measured."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

START_S = 420.0


@contextlib.contextmanager
def served(out: Path, arm: str, words: list[str], environ: Mapping[str, str] = os.environ) -> Iterator[tuple[str, dict[str, Any]]]:
    """`armature up` with `words`, once it serves: its URL and its plan. Its run directory and its log lie in `out`."""
    runs, log = (out / f"runs-{arm}").absolute(), out / f"up-{arm}.log"
    before = set(runs.glob("*/*/plan.json"))
    with log.open("wb") as f:
        process = subprocess.Popen(
            [sys.executable, "-m", "armature", "up", *words], stdout=f, stderr=f, env={**environ, "ARMATURE_RUNS": str(runs)}
        )
    try:
        deadline = time.monotonic() + START_S
        while b"\nserving " not in log.read_bytes():
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"{arm} does not serve:\n" + log.read_text()[-4000:])
            time.sleep(0.2)
        plan = json.loads((set(runs.glob("*/*/plan.json")) - before).pop().read_text())
        yield plan["url"], plan
    finally:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(60)
        except subprocess.TimeoutExpired:
            process.kill()
