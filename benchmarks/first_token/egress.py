"""What a chunk costs the worker, by egress: an engine that makes a token whenever it is asked, saturated over HTTP.

    python -m benchmarks.first_token.egress --model DIR [--concurrency 32] [--requests 160] [--tokens 256] [--rounds 3]

The worker runs our life cycle, role and translation; only the engine is a loop. Measured: chunks per second through the
frontend, and the worker's processor time per chunk. The ways alternate, with `rounds` runs each.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import psutil
from benchmarks.common.client import Connection
from benchmarks.common.facts import hardware, versions
from benchmarks.first_token.run import end, wait_for

from armature.engine.types import EngineInfo
from armature.graph.ports import HostPorts
from armature.messages.tokens import Chunk, Finish, GenerateRequest, Usage

HERE = Path(__file__).parent
MODEL = "bench"


class Loop:
    """Gives one token per turn of the event loop."""

    info = EngineInfo(4096, 16, 1024, 256, 4096, 1, 0.0, vocab_size=32000)

    async def generate(self, request: GenerateRequest) -> AsyncIterator[Chunk]:
        total = request.sampling.max_tokens or 1
        for i in range(total - 1):
            yield Chunk(0, [70 + i % 20])
            await asyncio.sleep(0)
        yield Chunk(0, [70], finish=Finish("length"), usage=Usage(len(request.token_ids), total, 0))

    def abort(self, request_id: str) -> None: ...

    async def healthy(self) -> bool:
        return True

    def shutdown(self) -> None: ...


def worker(argv: list[str]) -> int:
    """The process of the worker."""
    from armature.cli.worker import read
    from armature.runtime.logs import configure
    from armature.worker.main import run_role
    from armature.worker.roles.aggregated import Aggregated

    settings, options, _ = read(["aggregated", *argv])
    configure()
    return run_role(lambda: Aggregated(Loop(), settings), settings, options)


async def load(port: int, a: argparse.Namespace) -> None:
    """All requests, `concurrency` at a time."""
    left = iter(range(a.requests))

    async def user() -> None:
        connection = await Connection.open(port)
        for _ in left:
            body = {"model": MODEL, "prompt": "hi", "max_tokens": a.tokens, "ignore_eos": True, "stream": True}
            async for _ in connection.post("/v1/completions", body):
                pass
        await connection.close()

    await asyncio.gather(*(user() for _ in range(a.concurrency)))


def measure(egress: str, a: argparse.Namespace) -> dict[str, float]:
    """One run with fresh processes."""
    free = HostPorts()
    system, http = free.take("127.0.0.1", 1), free.take("127.0.0.1", 1)
    with tempfile.TemporaryDirectory() as folder:
        planes = {"DYN_DISCOVERY_BACKEND": "file", "DYN_FILE_KV": folder, "DYN_REQUEST_PLANE": "tcp", "DYN_EVENT_PLANE": "zmq"}
        env = {**os.environ, **planes}
        own = ["--worker", "--model-path", str(a.model), "--served-model-name", MODEL, "--egress", egress, "--system-port", str(system)]
        w = subprocess.Popen([sys.executable, __file__, *own], env=env)
        f = subprocess.Popen([sys.executable, "-m", "armature", "frontend", "--http-port", str(http)], env=env)
        try:
            wait_for(f"http://127.0.0.1:{http}/v1/models/{MODEL}", w, f)
            asyncio.run(load(http, argparse.Namespace(**{**vars(a), "requests": a.concurrency})))
            process, before, began = psutil.Process(w.pid), psutil.Process(w.pid).cpu_times(), time.perf_counter()
            asyncio.run(load(http, a))
            seconds, after = time.perf_counter() - began, process.cpu_times()
        finally:
            end(f)
            end(w)
    chunks = a.requests * a.tokens
    cpu = after.user + after.system - before.user - before.system
    return {"chunks_per_s": round(chunks / seconds), "worker_us_per_chunk": round(cpu / chunks * 1e6, 2)}


def main() -> int:
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--model", type=Path, required=True)
    p.add_argument("--concurrency", type=int, default=32)
    p.add_argument("--requests", type=int, default=160)
    p.add_argument("--tokens", type=int, default=256)
    p.add_argument("--rounds", type=int, default=3)
    a = p.parse_args()
    runs: dict[str, list[dict[str, float]]] = {"pull": [], "push": []}
    for _ in range(a.rounds):
        for egress, found in runs.items():
            found.append(measure(egress, a))
            print(egress, found[-1], flush=True)
    medians = {e: {k: statistics.median(r[k] for r in found) for k in found[0]} for e, found in runs.items()}
    settings = {k: v for k, v in vars(a).items() if k != "model"}
    record: dict[str, Any] = {"benchmark": "egress", "made": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), "settings": settings}
    record |= {"hardware": hardware(), "versions": versions(), "medians": medians, "runs": runs}
    (HERE / "records").mkdir(exist_ok=True)
    (HERE / "records" / "egress.json").write_text(json.dumps(record, indent=1) + "\n")
    print("median", medians)
    return 0


if __name__ == "__main__":
    sys.exit(worker(sys.argv[2:]) if sys.argv[1:2] == ["--worker"] else main())
