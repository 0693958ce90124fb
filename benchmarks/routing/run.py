"""KV-aware routing against round-robin: the same workers, the same requests, one run.

    python -m benchmarks.routing.run [--workers 4] [--model tiny-qwen3] [--gpus 0] [--out DIR] [-- more words for `armature up`]

Every prompt is one of a set of shared prefixes, drawn at random, and a suffix of its own. The arms follow each other on
new engines, so that each begins with empty caches; half of the requests go before the ones that count. Cached tokens are
those that the engines report in each answer's usage.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import sys
import time
from pathlib import Path
from typing import Any

from benchmarks.common.asking import Asker, random_ids
from benchmarks.common.facts import gpus, hardware, versions
from benchmarks.common.serving import served
from benchmarks.common.stats import percentiles

ARMS = ("round_robin", "kv")


def main() -> int:
    a = options()
    a.out.mkdir(parents=True, exist_ok=True)
    record: dict[str, Any] = {
        "benchmark": "routing",
        "made": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "hardware": hardware() | {"gpus": gpus()},
        "versions": versions(),
        "settings": {k: v for k, v in vars(a).items() if k != "out"},
        "arms": {},
    }
    for arm in a.arms or ARMS:
        words = up_words(a, arm)
        print(f"== {arm}: {' '.join(words)}", flush=True)
        with served(a.out, arm, words) as (url, plan):
            loads = asyncio.run(measure(a, int(url.rsplit(":", 1)[1]), plan["model"]))
        record["arms"][arm] = {"plan": plan["hash"], "words": words, "loads": loads}
        (a.out / "raw.json").write_text(json.dumps(record))
    summary = record | {"arms": {name: _without_requests(arm) for name, arm in record["arms"].items()}}
    (a.out / "summary.json").write_text(json.dumps(summary, indent=1) + "\n")
    return 0


def options() -> argparse.Namespace:
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--workers", type=int, default=4)
    p.add_argument("--gpus", type=int, default=0, help="of the host; 0: CPU; 1: two workers share it")
    p.add_argument("--model", default="tiny-qwen3")
    p.add_argument("--hardware", default="cpu")
    p.add_argument("--out", type=Path, default=Path("benchmarks/routing/records/new"))
    p.add_argument("--prefixes", type=int, default=64)
    p.add_argument("--prefix", type=int, default=512, help="tokens of each prefix")
    p.add_argument("--suffix", type=int, default=32, help="tokens of each request's own")
    p.add_argument("--output", type=int, default=8)
    p.add_argument("--requests", type=int, default=512, help="of each load, that count; half as many go before all of them")
    p.add_argument("--concurrency", type=int, nargs="*", default=[8], help="one load for each, on the same engines")
    p.add_argument("--seed", type=int, default=0)
    p.add_argument("--arms", nargs="*", choices=ARMS)
    p.add_argument("more", nargs="*", help="more words for `armature up`, after --")
    return p.parse_args()


def up_words(a: argparse.Namespace, arm: str) -> list[str]:
    """The arm's words for `armature up`: the arms differ in the router's mode alone."""
    words = ["agg_router", f"model={a.model}", f"topology.router.mode={arm}", "frontend.port=0"]
    words += ["experiment=two_workers_on_one_gpu"] if a.gpus == 1 else [f"topology.roles.worker.replicas={a.workers}"]
    words += ["engine.args.page_size=16"]  # what mode kv takes; round-robin gets the same
    if a.gpus:
        words += [f"hardware={a.hardware}", f"hardware.gpus={a.gpus}", "model.weights=dummy"]
    return words + a.more


async def measure(a: argparse.Namespace, port: int, model: str) -> dict[str, dict[str, Any]]:
    """All loads against one arm: what they are called -> their figures and requests."""
    rng = random.Random(a.seed)
    prefixes = [random_ids(rng, a.prefix) for _ in range(a.prefixes)]
    asker = Asker(port, model, a.seed)

    def prompts(count: int) -> list[list[int]]:
        return [rng.choice(prefixes) + random_ids(rng, a.suffix) for _ in range(count)]

    await _all(asker, prompts(a.requests // 2), max(a.concurrency), a.output)
    loads = {}
    for users in a.concurrency:
        asked, began = prompts(a.requests), time.perf_counter()
        done = await _all(asker, asked, users, a.output)
        figures = summarize(done, time.perf_counter() - began)
        loads[f"c={users}"] = figures | {"requests": done}
        print(f"c={users}", json.dumps(figures), flush=True)
    return loads


async def _all(asker: Asker, prompts: list[list[int]], users: int, output: int) -> list[dict[str, Any]]:
    """Each prompt once, by so many users at a time."""
    waiting, done = iter(prompts), []

    async def user() -> None:
        for prompt in waiting:
            answer = await asker.ask(prompt, output)
            done.append({k: answer[k] for k in ("prompt", "cached", "ttft", "e2e")})

    await asyncio.gather(*(user() for _ in range(users)))
    return done


def _without_requests(arm: dict[str, Any]) -> dict[str, Any]:
    return arm | {"loads": {name: {k: v for k, v in load.items() if k != "requests"} for name, load in arm["loads"].items()}}


def summarize(done: list[dict[str, Any]], seconds: float) -> dict[str, Any]:
    """The part of prompt tokens that came from caches; latencies in ms."""
    return {
        "cached_fraction": round(sum(d["cached"] for d in done) / sum(d["prompt"] for d in done), 4),
        "ttft_ms": percentiles([d["ttft"] for d in done]),
        "e2e_ms": percentiles([d["e2e"] for d in done]),
        "requests_per_s": round(len(done) / seconds, 2),
    }


if __name__ == "__main__":
    sys.exit(main())
