"""Seconds from `armature up` to an answer, on the CPU: an engine's processes as forks of the worker, against SGLang's own way.

    python -m benchmarks.start.run [--rounds 3]

In turns, in one run, per topology; cpu_s is what all of a run's processes had used by then. Writes records/cpu.json.
"""

from __future__ import annotations

import os
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import psutil
from benchmarks.common.rounds import run_in_rounds
from benchmarks.common.serving import served

from armature import env

RECORD = Path(__file__).parent / "records" / "cpu.json"
TOPOLOGIES = ("agg", "disagg", "dp", "disagg_router")
WAYS = {"fork": "", "spawn": "spawn"}


def start(folder: Path, topology: str, way: str) -> dict[str, float]:
    """One start, timed."""
    os.environ[env.ENGINE_START] = WAYS[way]
    began = time.perf_counter()
    with served(folder, f"{topology}-{way}", [topology, "+model=tiny-qwen3", "frontend.port=0"]):
        seconds = time.perf_counter() - began
        return {"start_s": round(seconds, 2), "cpu_s": round(_cpu_s(), 2)}


def _cpu_s() -> float:
    """CPU time of everything below this process that lives."""
    total = 0.0
    for process in psutil.Process().children(recursive=True):
        try:
            times = process.cpu_times()
        except psutil.NoSuchProcess:
            continue
        total += times.user + times.system
    return total


async def measure(rounds: int) -> dict[str, Any]:
    samples: dict[str, list[dict[str, float]]] = {f"{t} {way}": [] for t in TOPOLOGIES for way in WAYS}
    with tempfile.TemporaryDirectory() as folder:
        start(Path(folder), "agg", "fork")  # builds the model
        for _ in range(rounds):
            for topology in TOPOLOGIES:
                for way in WAYS:
                    samples[f"{topology} {way}"].append(found := start(Path(folder), topology, way))
                    print(topology, way, found, flush=True)
    medians = {name: {k: statistics.median(s[k] for s in found) for k in found[0]} for name, found in samples.items()}
    return {"median": medians, "samples": samples}


if __name__ == "__main__":
    run_in_rounds(measure, RECORD)
