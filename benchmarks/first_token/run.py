"""What serving adds to the first token, at one request at a time on a kept connection.

    python -m benchmarks.first_token.run --model DIR [--samples 200] [--egress push] [-- native SGLang flags]

One worker, and two frontends before it: ours, and one with the runtime's listener as it comes. Three arms:

    engine   the engine called in the worker's process, no runtime in between
    ours     HTTP through our frontend
    stock    HTTP through the frontend without TCP_NODELAY

Each frontend has a part of the run, in which its samples alternate at random with the engine's own. In one part for all
the stock listener's waits, 40 ms each, would let the machine fall asleep before the others' next samples.

Each sample has a prompt of its own (the prefix cache helps nobody). The time is that of the first text: for HTTP the
first event with text, for the engine the first chunk at which the tokenizer has a whole character. Of our own frontend's
samples it is also recorded where the time went: in (client to worker), engine (in the worker), out (worker to client).
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.common.client import Wire, engine_chunks, first_text, passed
from benchmarks.common.facts import hardware, versions
from tokenizers import Tokenizer

from armature.graph.ports import HostPorts

HERE = Path(__file__).parent
COMMANDS = "commands"  # the folder in which the worker is given them
FRONTENDS = ("ours", "stock")
PARTS = ("in", "engine", "out")
MODEL = "bench"


def main() -> int:
    a = options()
    record = measure(a)
    out = HERE / "records" / f"{a.name or a.egress}.json"
    out.parent.mkdir(exist_ok=True)
    out.write_text(json.dumps(record, indent=1) + "\n")
    print(table(record["summary"]))
    added = record["summary"]["added_ms_p50"]
    print("added at p50: " + ", ".join(f"{frontend} {ms:.2f} ms" for frontend, ms in added.items()))
    print("of ours at p50: " + ", ".join(f"{part} {ms:.2f} ms" for part, ms in record["summary"]["way_ms_p50"].items()))
    print(f"record: {out.relative_to(HERE)}")
    return 0


def options() -> argparse.Namespace:
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--model", type=Path, required=True)
    p.add_argument("--samples", type=int, default=200)
    p.add_argument("--warmup", type=int, default=20)
    p.add_argument("--words", type=int, default=24, help="words of each prompt")
    p.add_argument("--tokens", type=int, default=1, help="tokens of each answer; more make a CPU engine compete with the path")
    p.add_argument("--seed", type=int, default=0)
    p.add_argument("--no-stock", action="store_true", help="leave the stock listener out")
    p.add_argument("--egress", default="push")
    p.add_argument("--name", help="name of the record (default: the egress)")
    p.add_argument("native", nargs="*", help="native SGLang flags, after --")
    return p.parse_args()


def measure(a: argparse.Namespace) -> dict[str, Any]:
    """Run all samples; returns the record."""
    host = hardware()
    rng = random.Random(a.seed)
    tokenizer = Tokenizer.from_file(str(a.model / "tokenizer.json"))
    with tempfile.TemporaryDirectory() as folder, processes(a, Path(folder)) as ports:
        commands = Path(folder) / COMMANDS
        wires = {arm: Wire(port) for arm, port in ports.items() if arm != "engine"}
        times: dict[str, dict[str, list[float]]] = {}
        ways: list[tuple[float, float, float]] = []
        for frontend in (arm for arm in FRONTENDS if arm in ports):
            pair = ("engine", frontend)
            times[frontend] = {arm: [] for arm in pair}
            for i in range(a.warmup + a.samples):
                for arm in rng.sample(pair, len(pair)):
                    seconds = None
                    while seconds is None:  # random weights: now and then a prompt is answered without text
                        prompt = " ".join("".join(rng.choices("abcdefghijklmnopqrstuvwxyz", k=5)) for _ in range(a.words))
                        seconds = one(wires.get(arm), commands, tokenizer, prompt, a.tokens)
                    if i < a.warmup:
                        continue
                    times[frontend][arm].append(round(seconds * 1e3, 4))
                    if arm == "ours":
                        ways.append(way(wires["ours"].began, commands, seconds))
        for wire in wires.values():
            wire.close()
    way_ms = {part: [round(s * 1e3, 4) for s in values] for part, values in zip(PARTS, zip(*ways, strict=True), strict=True)}
    return {
        "benchmark": "first_token",
        "made": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "hardware": host,
        "versions": versions(),
        "settings": {
            "model": a.model.name,
            "samples": a.samples,
            "warmup": a.warmup,
            "words": a.words,
            "tokens": a.tokens,
            "seed": a.seed,
            "egress": a.egress,
            "engine_flags": a.native,
        },
        "summary": summary(times) | {"way_ms_p50": {part: round(statistics.median(v), 3) for part, v in way_ms.items()}},
        "samples_ms": times,
        "way_ms": way_ms,
    }


def way(began: float, commands: Path, seconds: float) -> tuple[float, float, float]:
    """Seconds of the last request through our frontend: to the worker, in it, and back to the client. commands: the worker's folder."""
    entered, left = passed(commands)
    return entered - began, left - entered, began + seconds - left


def one(wire: Wire | None, commands: Path, tokenizer: Tokenizer, prompt: str, max_tokens: int) -> float | None:
    """Seconds to the first text of one request; None when it has no text."""
    if wire is not None:
        return first_text(wire, MODEL, prompt, max_tokens)
    ids: list[int] = []
    for seconds, new in engine_chunks(commands, tokenizer.encode(prompt).ids, max_tokens):
        ids += new
        text = tokenizer.decode(ids, skip_special_tokens=True)
        if text and not text.endswith("\ufffd"):
            return seconds
    return None


def summary(times: dict[str, dict[str, list[float]]]) -> dict[str, Any]:
    """Percentiles in ms of each part's two arms, and what its frontend adds to the engine at p50."""
    ms = {
        part: {arm: {f"p{q}": round(percentile(v, q), 3) for q in (10, 50, 90, 99)} for arm, v in arms.items()}
        for part, arms in times.items()
    }
    return {"ms": ms, "added_ms_p50": {part: round(arms[part]["p50"] - arms["engine"]["p50"], 3) for part, arms in ms.items()}}


def percentile(values: list[float], q: int) -> float:
    """The q-th percentile, interpolated."""
    return statistics.quantiles(values, n=100, method="inclusive")[q - 1]


def table(s: dict[str, Any]) -> str:
    """The summary as text."""
    rows = [f"{'first text, ms':16}{'p10':>8}{'p50':>8}{'p90':>8}{'p99':>8}"]
    for part in s["ms"].values():
        rows += [f"{arm:16}" + "".join(f"{v:8.2f}" for v in by.values()) for arm, by in part.items()]
    return "\n".join(rows)


@contextlib.contextmanager
def processes(a: argparse.Namespace, folder: Path) -> Iterator[dict[str, int]]:
    """The worker and its frontends; gives the port of each arm."""
    free = HostPorts()
    ports = {arm: free.take("127.0.0.1", 1) for arm in ("engine", "ours", *(() if a.no_stock else ("stock",)))}
    planes = {"DYN_DISCOVERY_BACKEND": "file", "DYN_FILE_KV": str(folder / "planes"), "DYN_REQUEST_PLANE": "tcp", "DYN_EVENT_PLANE": "zmq"}
    env = {**os.environ, **planes}
    worker = [str(HERE / "worker.py"), "--model-path", str(a.model), "--served-model-name", MODEL, "--egress", a.egress]
    commands = {
        "engine": [
            *worker,
            "--system-port",
            str(ports["engine"]),
            "--control",
            "all",
            "--control-folder",
            str(folder / COMMANDS),
            *a.native,
        ],
        "ours": ["-m", "armature", "frontend", "--http-port", str(ports["ours"])],
        "stock": [str(HERE / "stock_frontend.py"), "--http-port", str(ports.get("stock"))],
    }
    with contextlib.ExitStack() as stack:
        started = {}
        for arm in ports:
            started[arm] = subprocess.Popen([sys.executable, *commands[arm]], env=env, stdout=sys.stderr)
            stack.callback(end, started[arm])
        for arm in ports:
            path = "/health" if arm == "engine" else f"/v1/models/{MODEL}"
            wait_for(f"http://127.0.0.1:{ports[arm]}{path}", *started.values())
        yield ports


def wait_for(url: str, *needed: subprocess.Popen[bytes], timeout_s: float = 300) -> None:
    """Return when `url` answers with 200. Raises RuntimeError when one of the needed processes ends before."""
    end_at = time.monotonic() + timeout_s
    while time.monotonic() < end_at:
        for process in needed:
            if process.poll() is not None:
                raise RuntimeError(f"ended with {process.returncode}: {process.args!r}")
        with contextlib.suppress(OSError, urllib.error.URLError), urllib.request.urlopen(url, timeout=2) as answer:
            if answer.status == 200:
                return
        time.sleep(0.1)
    raise TimeoutError(url)


def end(process: subprocess.Popen[bytes]) -> None:
    """Stop a process that is ours."""
    process.terminate()
    try:
        process.wait(30)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


if __name__ == "__main__":
    sys.exit(main())
