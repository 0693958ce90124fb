"""Load tests that never took place: files as a load generator writes them, with answers that are known beforehand."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

BEGAN = 1_000_000.0  # Unix seconds; long past, so that nobody takes these for measurements


def request(
    number: int, *, at: float = 0.0, ttft_ms: float = 100.0, gaps_ms: Iterable[float] = (10.0,) * 9, **changes: Any
) -> dict[str, Any]:
    """A request that was sent `at` seconds after BEGAN: one token a chunk, and everything else follows from these figures."""
    gaps = list(gaps_ms)
    e2e = ttft_ms + sum(gaps)
    row = {
        "v": 1,
        "id": f"r{number}",
        "process": 0,
        "user": "chat",
        "class": "all",
        "phase": "measure",
        "scheduled": None,
        "started": BEGAN + at,
        "ended": BEGAN + at + e2e / 1000,
        "ok": True,
        "status": 200,
        "error": None,
        "ttft_ms": ttft_ms,
        "e2e_ms": e2e,
        "connect_ms": 1.0,
        "gaps_ms": gaps,
        "chunk_tokens": None,
        "chunks": len(gaps) + 1,
        "asked_input": 32,
        "asked_output": len(gaps) + 1,
        "input_tokens": 32,
        "output_tokens": len(gaps) + 1,
        "cached_tokens": None,
        "session": None,
        "turn": None,
        "prompt_seed": number,
    }
    return row | changes


def failed(number: int, kind: str = "timeout", **changes: Any) -> dict[str, Any]:
    """A request without an answer."""
    nothing = {"ok": False, "status": None, "ttft_ms": None, "gaps_ms": [], "chunks": 0, "input_tokens": None, "output_tokens": None}
    return request(number) | nothing | {"error": {"kind": kind, "text": f"a {kind} error"}} | changes


def client(process: int = 0, **changes: Any) -> dict[str, Any]:
    """A generator process that kept up."""
    row = {"v": 1, "process": process, "pid": 4242, "lag_ms": {"p50": 0.1, "p99": 1.0, "max": 2.0}, "cpu": {"mean": 0.2, "max": 0.4}}
    row |= {"valid": True, "reasons": [], "late": 0, "dropped": 0, "cpu_s_per_request": 0.001, "cpu_us_per_chunk": 20.0}
    return row | changes


def load(**changes: Any) -> dict[str, Any]:
    """A load that ran to its end."""
    row = {"v": 1, "settings": {"concurrency": 4, "seed": 1}, "host": "http://127.0.0.1:8000", "model": "tiny-qwen3", "seed": 1}
    row |= {"started": BEGAN - 5, "measure_started": BEGAN, "ended": BEGAN + 60, "end_reason": "count", "versions": {"locust": "0"}}
    return row | changes


def sample(at: float, name: str, value: float, node: str = "worker-0", **labels: str) -> dict[str, Any]:
    """What a server said `at` seconds after BEGAN."""
    return {"t": BEGAN + at, "node": node, "name": name, "labels": labels, "value": value}


def write_load(
    run: Path,
    requests: Iterable[Mapping[str, Any]],
    *,
    clients: Iterable[Mapping[str, Any]] | None = None,
    about: Mapping[str, Any] | None = None,
    samples: Iterable[Mapping[str, Any]] = (),
) -> Path:
    """The folder load/ of `run`, with one file of requests for each process."""
    folder = run / "load"
    folder.mkdir(parents=True, exist_ok=True)
    by_process: dict[int, list[Mapping[str, Any]]] = {}
    for row in requests:
        by_process.setdefault(row["process"], []).append(row)
    for process, rows in by_process.items():
        write_lines(folder / f"requests.{process}.jsonl", rows)
    for row in [client(p) for p in by_process] if clients is None else clients:
        (folder / f"client.{row['process']}.json").write_text(json.dumps(row))
    (folder / "load.json").write_text(json.dumps(load() if about is None else about))
    if samples:
        write_lines(folder / "samples.jsonl", samples)
    return folder


def write_lines(file: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    """One JSON object a line."""
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
