"""Is the load generator's ruler right? It measures a server whose latencies are known.

For each gap and concurrency: the figures of the client against what the ruler really sent, and against the nominal schedule.
Then a server that stalls for two seconds, seen by a closed loop and by an open one. Writes records/<name>.json.

    python -m benchmarks.ruler.run --name two-cores
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.common import facts
from benchmarks.common.records import measured_requests
from benchmarks.ruler.measured import FIRST_MS, client_figures, load, off, ruler, sent_figures

RECORDS = Path(__file__).parent / "records"
GAPS_MS = (20.0, 5.0, 1.0)
CONCURRENCY = (1, 32, 256)
TOKENS, SECONDS = 50, 6.0
STALL_AFTER_S, STALL_S, STALL_RUN_S = 4.0, 2.0, 12.0


def accuracy(scratch: Path, gap_ms: float, concurrency: int, processes: int) -> dict[str, Any]:
    """One cell of the table."""
    folder, log = scratch / f"{gap_ms:g}-{concurrency}-{processes}", scratch / f"sent-{gap_ms:g}-{concurrency}-{processes}.json"
    words = ["--concurrency", str(concurrency), "--output", str(TOKENS), "--time-s", str(SECONDS), "--warmup-count", str(concurrency)]
    with ruler(gap_ms, log) as url:
        code = load(url, folder, *words, *(["--processes", str(processes)] if processes > 1 else []))
    since = json.loads((folder / "load.json").read_text())["measure_started"]
    found, sent = client_figures(folder), sent_figures(log, since)
    nominal = {"ttft_ms": {"p50": FIRST_MS, "p99": FIRST_MS}, "itl_ms": {"p50": gap_ms, "p99": gap_ms}}
    return {
        "gap_ms": gap_ms,
        "concurrency": concurrency,
        "processes": processes,
        "code": code,
        "client": found,
        "sent": sent,
        "off_sent": off(found, sent),
        "off_nominal": off(found, nominal),
        "server_off_nominal": off(sent, nominal),
    }


def stall(scratch: Path, kind: str) -> dict[str, Any]:
    """A stall of the whole server, by the same number of requests per second in a closed loop and in an open one."""
    folder, log = scratch / f"stall-{kind}", scratch / f"stall-{kind}.json"
    # A request takes 50 ms + 4 * 5 ms = 70 ms, so 4 at any time are about 57 per second.
    shape = {"closed": ["--concurrency", "4"], "open": ["--rate", "57", "--arrivals", "constant"]}[kind]
    with ruler(5.0, log, "--stall-after", str(STALL_AFTER_S), "--stall-s", str(STALL_S)) as url:
        code = load(url, folder, *shape, "--output", "5", "--time-s", str(STALL_RUN_S))
    found = client_figures(folder)
    slow = [r for r in measured_requests(folder) if r["ok"] and r["e2e_ms"] > 200]
    return {"kind": kind, "code": code, **found, "requests_that_show_it": len(slow)}


def verdict(cell: dict[str, Any]) -> str:
    """right: as sent. invalid: the client says itself that it is not to be trusted. WRONG: it is off and does not say so."""
    if not all(c["valid"] for c in cell["client"]["clients"]):
        return "invalid"
    return "WRONG" if cell["off_sent"] else "right"


def line(cell: dict[str, Any]) -> str:
    """A row of the table: sent -> measured."""
    own, found, sent = cell["client"]["clients"][0], cell["client"], cell["sent"]
    figures = [f"{series[:-3]} {q} {sent[series][q]} -> {found[series][q]}" for series in ("ttft_ms", "itl_ms") for q in ("p50", "p99")]
    costs = f"lag p99 {own['lag_ms']['p99']} ms, cpu {own['cpu']['mean']:.0%}, {own['cpu_us_per_chunk']} us/chunk"
    return f"gap {cell['gap_ms']:g} ms x {cell['concurrency']}: {cell['verdict']}; {'; '.join(figures)}; {costs}"


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--name", default="two-cores")
    parser.add_argument("--gaps", type=float, nargs="+", default=GAPS_MS)
    parser.add_argument("--concurrency", type=int, nargs="+", default=CONCURRENCY)
    parser.add_argument("--processes", type=int, default=1)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        cells = []
        for gap_ms in options.gaps:
            for concurrency in options.concurrency:
                cell = accuracy(scratch, gap_ms, concurrency, options.processes)
                cells.append(cell | {"verdict": verdict(cell)})
                print(line(cells[-1]), flush=True)
        stalls = [stall(scratch, kind) for kind in ("closed", "open")]
        for s in stalls:
            print(s["kind"], s["requests"], s["requests_that_show_it"], s["ttft_ms"], flush=True)
    record = {
        "hardware": facts.hardware(),
        "versions": facts.versions(),
        "tokens": TOKENS,
        "seconds": SECONDS,
        "cells": cells,
        "stalls": stalls,
    }
    RECORDS.mkdir(exist_ok=True)
    (RECORDS / f"{options.name}.json").write_text(json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    main()
