"""What a run of the load generator found, and what the ruler says that it should have found."""

from __future__ import annotations

import contextlib
import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

from benchmarks.common.records import measured_requests
from benchmarks.common.stats import percentiles

from armature import env

HERE = Path(__file__).parent
LOCUSTFILE = HERE.parents[1] / "loadtests/locustfile.py"
FIRST_MS = 50.0
RELATIVE, ABSOLUTE_MS = 0.02, 0.5  # how far a figure may be from the truth: whichever is more


@contextlib.contextmanager
def ruler(gap_ms: float, log: Path, *flags: str) -> Iterator[str]:
    """A ruler that runs meanwhile: its URL. Afterwards `log` says when it really sent."""
    words = [sys.executable, str(HERE / "server.py"), "--first-ms", str(FIRST_MS), "--gap-ms", str(gap_ms), "--log", str(log), *flags]
    process = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        yield process.stdout.readline().strip()
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)


def load(url: str, folder: Path, *words: str) -> int:
    """Locust's exit code. What it says is in the folder's locust.log."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    line = [env.loadtests_python(), "-m", "locust", "-f", str(LOCUSTFILE), "-H", url, "--headless", "--only-summary"]
    with (folder.parent / f"{folder.name}.log").open("wb") as out:
        return subprocess.run([*line, "--record-dir", str(folder), *words], stdout=out, stderr=out, check=False).returncode


def figures(ttft_ms: list[float], gaps_ms: list[float]) -> dict[str, dict[str, float]]:
    return {"ttft_ms": percentiles(ttft_ms), "itl_ms": percentiles(gaps_ms)}


def client_figures(folder: Path) -> dict[str, Any]:
    """What the client measured, and what it says of itself."""
    found = [r for r in measured_requests(folder) if r["ok"]]
    clients = [json.loads(f.read_text()) for f in sorted(folder.glob("client.*.json"))]
    keep = ("lag_ms", "cpu", "valid", "reasons", "late", "dropped", "cpu_s_per_request", "cpu_us_per_chunk")
    return {
        "requests": len(found),
        "failed": len(measured_requests(folder)) - len(found),
        **figures([r["ttft_ms"] for r in found], [g for r in found for g in r["gaps_ms"]]),
        "clients": [{k: c[k] for k in keep} for c in clients],
    }


def sent_figures(log: Path, since: float) -> dict[str, dict[str, float]]:
    """What the ruler sent, of the requests that came after `since` (Unix time)."""
    sent = [r["sent_ms"] for r in json.loads(log.read_text())["requests"] if r["arrived"] >= since]
    return figures([s[0] for s in sent], [b - a for s in sent for a, b in pairwise(s)])


def off(found: dict[str, Any], truth: dict[str, Any]) -> list[str]:
    """Which figures are further from the truth than they may be."""
    wrong = []
    for series in ("ttft_ms", "itl_ms"):
        for q in ("p50", "p99"):
            have, want = found[series].get(q), truth[series].get(q)
            if have is None or want is None or abs(have - want) > max(RELATIVE * want, ABSOLUTE_MS):
                wrong.append(f"{series} {q}: {have} instead of {want}")
    return wrong
