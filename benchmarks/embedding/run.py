"""Embeddings through a whole deployment, beside SGLang's own server with the same model on the same GPU.

    python -m benchmarks.embedding.run [--users 16] [--batches 1,8,64] [--tokens 128] [--seconds 10] [--rounds 2] [--alone] \
        [--out benchmarks/embedding/records/NAME] -- words for `armature up embedding`

Both servers run from the beginning; each measurement is a load on one of them, in an order that changes every round. A user keeps one
connection and sends one request after the other: `batch` inputs of `tokens` token ids each, answered in base64. Writes record.json: for
each server, batch and round requests and inputs per second, and latencies in ms.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import random
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from benchmarks.common.asking import random_ids
from benchmarks.common.client import Connection
from benchmarks.common.facts import gpus, hardware, versions
from benchmarks.common.serving import served
from benchmarks.common.stats import percentiles

START_S = 420.0
WARM_S = 3.0  # of each load before any is measured


def main() -> int:
    a = options()
    a.out.mkdir(parents=True, exist_ok=True)
    with contextlib.ExitStack() as stack:
        url, plan = stack.enter_context(served(a.out, "armature", ["embedding", "frontend.port=0", *a.words]))
        argv = next(node["argv"] for node in plan["nodes"] if node["name"] == "worker-0")
        servers = {"armature": (urlsplit(url).port or 0, plan["model"])}
        if not a.alone:
            servers["sglang"] = (stack.enter_context(stock(a.out, argv)), "default")
        for batch in a.batches:  # so that nothing is measured that is done once
            for server in servers.values():
                asyncio.run(load(*server, batch, a, seconds=WARM_S))
        found = [
            {"round": number, "batch": batch, "server": name, **asyncio.run(load(*servers[name], batch, a))}
            for number in range(a.rounds)
            for batch in a.batches
            for name in random.Random(f"{number}/{batch}").sample(sorted(servers), len(servers))
        ]
    record = {"hardware": hardware() | {"gpus": gpus()}, "versions": versions(), "argv": argv, "users": a.users, "tokens": a.tokens}
    (a.out / "record.json").write_text(json.dumps(record | {"loads": found}, indent=1) + "\n")
    for row in found:
        print(json.dumps(row), flush=True)
    return 0


def options() -> argparse.Namespace:
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--users", type=int, default=16, help="requests in flight")
    p.add_argument("--batches", type=lambda text: tuple(map(int, text.split(","))), default=(1, 8, 64), help="inputs of a request")
    p.add_argument("--tokens", type=int, default=128, help="tokens of an input")
    p.add_argument("--seconds", type=float, default=10.0, help="of each load; its first fifth is not counted")
    p.add_argument("--rounds", type=int, default=2)
    p.add_argument("--alone", action="store_true", help="without SGLang's own server, which needs a GPU")
    p.add_argument("--out", type=Path, default=Path(__file__).parent / "records" / "run")
    p.add_argument("words", nargs="*")
    return p.parse_args()


@contextlib.contextmanager
def stock(out: Path, worker: list[str]) -> Iterator[int]:
    """SGLang's own server with the flags of `worker`; its port."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    native = worker[worker.index("--device") if "--device" in worker else worker.index("--check-s") + 2 :]
    native = [w for i, w in enumerate(native) if w != "--nccl-port" and (i == 0 or native[i - 1] != "--nccl-port")]
    words = ["--model-path", worker[worker.index("--model-path") + 1], "--is-embedding", "--host", "127.0.0.1", "--port", str(port)]
    with (out / "sglang.log").open("wb") as log:
        process = subprocess.Popen([sys.executable, "-m", "sglang.launch_server", *words, *native], stdout=log, stderr=log)
    try:
        deadline = time.monotonic() + START_S
        while not _healthy(port):
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError("SGLang's server does not serve:\n" + (out / "sglang.log").read_text()[-4000:])
            time.sleep(0.5)
        yield port
    finally:
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(30)
        process.kill()


def _healthy(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/health_generate", timeout=5) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


async def load(port: int, model: str, batch: int, a: argparse.Namespace, seconds: float | None = None) -> dict[str, Any]:
    """One load on one server."""
    began = time.monotonic()
    lasts = seconds or a.seconds
    counted, end = began + lasts / 5, began + lasts
    took: list[float] = []

    async def user(number: int) -> None:
        rng = random.Random(f"{batch}/{number}")
        connection = await Connection.open(port)
        while (sent := time.monotonic()) < end:
            inputs = [random_ids(rng, a.tokens) for _ in range(batch)]
            body = {"model": model, "input": inputs, "encoding_format": "base64"}
            async for _ in connection.post("/v1/embeddings", body):
                pass
            if sent >= counted:
                took.append((time.monotonic() - sent) * 1000)
        connection.writer.close()

    await asyncio.gather(*map(user, range(a.users)))
    per_s = len(took) / (time.monotonic() - counted)
    return {"requests_per_s": round(per_s, 1), "inputs_per_s": round(per_s * batch, 1), "ms": percentiles(took)}


if __name__ == "__main__":
    sys.exit(main())
