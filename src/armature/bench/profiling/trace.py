"""What a trace of torch's profiler says in short: the operators that took longest, and how long a GPU had nothing to do."""

from __future__ import annotations

import gzip
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

ON_GPU = ("kernel", "gpu_memcpy", "gpu_memset")
MOST = 30  # rows of the table
FILE = "top.json"


class Operator(msgspec.Struct, frozen=True):
    """One operator or kernel. self_ms: without what it called. where: cpu or gpu."""

    name: str
    where: str
    calls: int
    self_ms: float
    share: float


class Top(msgspec.Struct, frozen=True):
    """A trace in short. seconds: what it covers. gpu_idle_share: part of that in which no kernel ran; None without a GPU."""

    trace: str
    seconds: float
    gpu_idle_share: float | None
    operators: list[Operator]


def summarise(trace: Path) -> Top:
    """Read a trace (JSON, gzipped by its name). Raises ValueError when it is none."""
    data = gzip.decompress(trace.read_bytes()) if trace.suffix == ".gz" else trace.read_bytes()
    events = msgspec.json.decode(data)["traceEvents"]
    return top(trace.name, [e for e in events if e.get("ph") == "X" and e.get("cat") in ("cpu_op", *ON_GPU)])


def top(name: str, events: Sequence[Mapping[str, Any]]) -> Top:
    """`events`: complete ones (ph X), times in microseconds."""
    if not events:
        return Top(name, 0.0, None, [])
    span = max(e["ts"] + e["dur"] for e in events) - min(e["ts"] for e in events)
    on_gpu = [e for e in events if e["cat"] in ON_GPU]
    sums: dict[tuple[str, str], list[float]] = {}
    for event, own in (*self_times(e for e in events if e["cat"] == "cpu_op"), *((e, e["dur"]) for e in on_gpu)):
        row = sums.setdefault((event["name"], "gpu" if event["cat"] in ON_GPU else "cpu"), [0, 0.0])
        row[0] += 1
        row[1] += own
    totals = {where: sum(t for (_, w), (_, t) in sums.items() if w == where) for where in ("cpu", "gpu")}
    rows = [Operator(n, where, int(calls), t / 1e3, t / totals[where] if totals[where] else 0.0) for (n, where), (calls, t) in sums.items()]
    idle = 1 - covered((e["ts"], e["ts"] + e["dur"]) for e in on_gpu) / span if on_gpu and span else None
    return Top(name, span / 1e6, idle, sorted(rows, key=lambda o: -o.self_ms)[:MOST])


def self_times(events: Iterable[Mapping[str, Any]]) -> list[tuple[Mapping[str, Any], float]]:
    """Each event with its duration, less that of the events within it on the same thread."""
    found: list[tuple[Mapping[str, Any], float]] = []
    own: list[float] = []
    stack: list[tuple[Any, float, int]] = []  # thread, end, index
    for event in sorted(events, key=lambda e: (str(e["pid"]), str(e["tid"]), e["ts"], -e["dur"])):
        thread, begin, end = (event["pid"], event["tid"]), event["ts"], event["ts"] + event["dur"]
        while stack and (stack[-1][0] != thread or stack[-1][1] <= begin):
            stack.pop()
        if stack:
            own[stack[-1][2]] -= event["dur"]
        stack.append((thread, end, len(found)))
        found.append((event, 0.0))
        own.append(event["dur"])
    return [(event, max(0.0, t)) for (event, _), t in zip(found, own, strict=True)]


def covered(intervals: Iterable[tuple[float, float]]) -> float:
    """How much of the line the intervals cover together."""
    total, reach = 0.0, float("-inf")
    for begin, end in sorted(intervals):
        total += max(0.0, end - max(begin, reach))
        reach = max(reach, end)
    return total
