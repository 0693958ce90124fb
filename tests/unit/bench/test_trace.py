"""A profiler's trace in short."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from armature.bench.profiling.trace import covered, summarise


def event(name: str, ts: float, dur: float, cat: str = "cpu_op", tid: int = 1, ph: str = "X") -> dict[str, Any]:
    return {"name": name, "ts": ts, "dur": dur, "cat": cat, "pid": 1, "tid": tid, "ph": ph}


def write(folder: Path, *events: dict[str, Any]) -> Path:
    file = folder / "a.trace.json.gz"
    file.write_bytes(gzip.compress(json.dumps({"traceEvents": events}).encode()))
    return file


def test_an_operators_own_time_is_without_what_it_called(tmp_path: Path) -> None:
    events = [event("linear", 0, 1000), event("addmm", 100, 700), event("copy", 200, 100), event("linear", 5000, 1000, tid=2)]
    top = summarise(write(tmp_path, *events, event("python", 0, 9000, cat="python_function")))
    assert {(o.name, o.calls, o.self_ms) for o in top.operators} == {("linear", 2, 1.3), ("addmm", 1, 0.6), ("copy", 1, 0.1)}
    assert top.operators[0].share == pytest.approx(0.65)
    assert (top.seconds, top.gpu_idle_share) == (0.006, None)


def test_a_gpu_idles_while_no_kernel_runs_on_any_stream(tmp_path: Path) -> None:
    kernels = [event("gemm", 0, 400, "kernel"), event("attention", 200, 400, "kernel", tid=2), event("memcpy", 900, 100, "gpu_memcpy")]
    top = summarise(write(tmp_path, *kernels))
    assert top.gpu_idle_share == pytest.approx(0.3)
    assert top.operators[0].where == "gpu"


def test_an_empty_trace_has_no_operators(tmp_path: Path) -> None:
    assert summarise(write(tmp_path)).operators == []


def test_intervals_that_overlap_count_once() -> None:
    assert covered([(0, 4), (1, 2), (3, 6), (8, 9)]) == 7
