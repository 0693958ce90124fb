"""Ten minutes of moderate load on a deployment: does memory grow, do latencies drift?

    python -m benchmarks.soak.run [--minutes 10] [--rate 3] [--out benchmarks/soak/records/cpu] [-- more words for `armature up`]

`armature up` with an open load at a constant rate; its sampler notes each node's resident memory every 2 s. Per node: the
median of the third minute and of the last one, and the slope of a line through everything from the third minute on. TTFT and
ITL per minute. Writes record.json and soak.html, the plot of both. Exit code 1 when a node grew by more than GROWTH, or the
median TTFT or ITL of the last three minutes is more than DRIFT above that of the third to fifth.

Cores that are shared with other machines' work change their pace by more than that. So this process times the same piece of work
every second, and a minute's latencies are divided by how long it took in that minute: what drifts then is the server.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import statistics
import subprocess
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.common.facts import hardware, versions
from benchmarks.common.records import measured_requests
from benchmarks.common.stats import percentiles

SETTLED_S = 120.0  # caches and pools of the first requests are no leak
LATENCIES = ("ttft_ms", "itl_ms")
GROWTH, DRIFT = 0.02, 0.15
WORK = bytes(1 << 22)  # hashed once a second: some milliseconds of one core, without the interpreter's lock


def main() -> int:
    a = options()
    a.out.mkdir(parents=True, exist_ok=True)
    words = ["agg", "+model=tiny-qwen3", "frontend.port=0", "load=constant", f"load.rate={a.rate:g}"]
    words += ["load.input=uniform:32:256", "load.output=uniform:16:64", f"load.time_s={a.minutes * 60:g}", "load.sample_s=2", *a.more]
    with Pace() as pace:
        ended = subprocess.run([sys.executable, "-m", "armature", "up", *words], stdout=subprocess.PIPE, text=True, check=False)
    sys.stdout.write(ended.stdout[-3000:])
    run = Path(next(line for line in ended.stdout.splitlines() if "report.html" in line).split()[-1]).parent
    memory, requests = memory_mib(run), measured_requests(run / "load")
    record = {
        "hardware": hardware(),
        "versions": versions(),
        "words": words,
        "exit_code": ended.returncode,
        "requests": len(requests),
        "failed": sum(not r["ok"] for r in requests),
        "memory": {node: growth(points) for node, points in memory.items()},
        "per_minute": per_minute(requests, pace.points),
    }
    record["drift"] = {name: drift(record["per_minute"], lambda m, name=name: m[name]["p50"]) for name in LATENCIES}
    record["drift_of_pace"] = drift(record["per_minute"], lambda m: m["work_ms"])
    record["drift_at_equal_pace"] = {
        name: drift(record["per_minute"], lambda m, name=name: m[name]["p50"] / m["work_ms"]) for name in LATENCIES
    }
    grew = [node for node, m in record["memory"].items() if m["growth"] > GROWTH]
    record["flat"] = not grew and all(d <= DRIFT for d in record["drift_at_equal_pace"].values())
    (a.out / "record.json").write_text(json.dumps(record, indent=1) + "\n")
    plot(memory, record["per_minute"], a.out / "soak.html")
    print(
        json.dumps(
            {k: record[k] for k in ("requests", "failed", "memory", "drift", "drift_of_pace", "drift_at_equal_pace", "flat")}, indent=1
        )
    )
    return 0 if record["flat"] and not ended.returncode else 1


class Pace:
    """How long the same work takes, second by second, meanwhile. points: (Unix time, ms)."""

    def __init__(self) -> None:
        self.points: list[tuple[float, float]] = []
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._watch)

    def __enter__(self) -> Pace:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._end.wait(1.0):
            began = time.perf_counter()
            hashlib.sha256(WORK)
            self.points.append((time.time(), (time.perf_counter() - began) * 1e3))


def options() -> argparse.Namespace:
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--minutes", type=float, default=10.0)
    p.add_argument("--rate", type=float, default=3.0, help="requests per second")
    p.add_argument("--out", type=Path, default=Path(__file__).parent / "records" / "cpu")
    p.add_argument("more", nargs="*", help="more words for `armature up`, after --")
    return p.parse_args()


def memory_mib(run: Path) -> dict[str, list[tuple[float, float]]]:
    """Of each node: (seconds since measuring began, resident MiB of all its processes)."""
    began = json.loads((run / "load/load.json").read_text())["measure_started"]
    found: dict[str, list[tuple[float, float]]] = defaultdict(list)
    for line in (run / "load/samples.jsonl").read_text().splitlines():
        sample = json.loads(line)
        if sample["name"] == "host_rss_bytes" and sample["t"] >= began:
            found[sample["node"]].append((sample["t"] - began, sample["value"] / 2**20))
    return {node: points for node, points in found.items() if points[-1][0] > SETTLED_S}


def growth(points: list[tuple[float, float]]) -> dict[str, float]:
    """Of one node's memory once it has settled."""
    settled = [(t, v) for t, v in points if t >= SETTLED_S]
    end = settled[-1][0]
    first = statistics.median(v for t, v in settled if t < SETTLED_S + 60)
    last = statistics.median(v for t, v in settled if t > end - 60)
    slope = statistics.linear_regression(*zip(*settled, strict=True)).slope * 60
    return {
        "first_mib": round(first, 1),
        "last_mib": round(last, 1),
        "mib_per_minute": round(slope, 3),
        "growth": round(last / first - 1, 4),
    }


def per_minute(requests: list[dict[str, Any]], pace: list[tuple[float, float]]) -> list[dict[str, Any]]:
    """Figures of the requests that began in each whole minute, and how long the same work took in it."""
    began = min(r["started"] for r in requests)
    minutes: dict[int, list[dict[str, Any]]] = defaultdict(list)
    for r in requests:
        if r["ok"]:
            minutes[int((r["started"] - began) // 60)].append(r)
    return [
        {
            "minute": minute,
            "requests": len(found),
            "work_ms": round(statistics.median(ms for t, ms in pace if (t - began) // 60 == minute), 2),
            "ttft_ms": percentiles([r["ttft_ms"] for r in found if r["ttft_ms"] is not None]),
            "itl_ms": percentiles([gap for r in found for gap in r["gaps_ms"]]),
        }
        for minute, found in sorted(minutes.items())
    ]


def drift(minutes: list[dict[str, Any]], figure: Callable[[dict[str, Any]], float]) -> float:
    """How much a figure of later minutes is above that of earlier ones, as a share."""
    middles = [figure(m) for m in minutes if m["minute"] >= SETTLED_S / 60]
    return round(statistics.median(middles[-3:]) / statistics.median(middles[:3]) - 1, 4)


def plot(memory: dict[str, list[tuple[float, float]]], minutes: list[dict[str, Any]], out: Path) -> None:
    """One page: memory of each node, and latencies per minute."""
    import plotly.graph_objects as go
    from plotly.subplots import make_subplots

    titles = ("Resident memory, MiB", "TTFT, ms", "ITL, ms", "The same work, ms: the machine's pace")
    figure = make_subplots(rows=4, cols=1, subplot_titles=titles, vertical_spacing=0.07)
    for node, points in memory.items():
        figure.add_scatter(x=[t / 60 for t, _ in points], y=[v for _, v in points], name=node, row=1, col=1)
    for row, name in ((2, "ttft_ms"), (3, "itl_ms")):
        for q in ("p50", "p90", "p99"):
            values = [m[name].get(q) for m in minutes]
            figure.add_trace(go.Scatter(x=[m["minute"] + 0.5 for m in minutes], y=values, name=f"{name[:-3].upper()} {q}"), row=row, col=1)
        figure.update_yaxes(rangemode="tozero", row=row, col=1)
    figure.add_scatter(x=[m["minute"] + 0.5 for m in minutes], y=[m["work_ms"] for m in minutes], name="work, p50", row=4, col=1)
    for row in (1, 4):
        figure.update_yaxes(rangemode="tozero", row=row, col=1)
    figure.update_xaxes(title_text="minutes", row=4, col=1)
    figure.update_layout(width=900, height=1250, template="plotly_white")
    figure.write_html(out, include_plotlyjs=True)


if __name__ == "__main__":
    sys.exit(main())
