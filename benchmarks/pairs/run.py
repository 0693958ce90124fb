"""Prefill and decode apart against aggregated workers: the same GPUs, the same load, one run.

    python -m benchmarks.pairs.run --gpus 2 --model qwen3-8b --hardware h200 [--out DIR] [-- more words for `armature up`]

Two arms, one after the other on the same GPUs: with two GPUs `disagg` and two aggregated workers behind round-robin, with
one GPU `disagg_same_gpu` and one aggregated worker that has all of it. Weights are random, so no text means anything;
tokens of the arms are compared at one request at a time.

Loads, in tokens of prompt / output:

    closed    4096 / 128 at a concurrency
    poisson   4096 / 128 arriving at random; latencies count from the scheduled arrival
    mixed     chats of 128 / 128 at a fixed concurrency, while prompts of 8192 / 16 arrive at random

An event of the stream is what the client counts gaps between; how many tokens each event brought is in the record.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from benchmarks.common.asking import Asker, random_ids
from benchmarks.common.facts import gpus, hardware, versions
from benchmarks.common.serving import served
from benchmarks.common.stats import percentiles


def main() -> int:
    a = options()
    a.out.mkdir(parents=True, exist_ok=True)
    record = {
        "benchmark": "pairs",
        "made": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "hardware": hardware() | {"gpus": gpus()},
        "versions": versions(),
        "settings": {k: v for k, v in vars(a).items() if k != "out"},
        "arms": {},
    }
    for arm, words in arms(a).items():
        print(f"== {arm}: {' '.join(words)}", flush=True)
        with served(a.out, arm, words) as (url, plan):
            result = asyncio.run(measure(a, url, plan["model"]))
        record["arms"][arm] = {"plan": plan["hash"], "words": words, **result}
        (a.out / "raw.json").write_text(json.dumps(record))  # what is done is kept if a later arm fails
    record["tokens"] = agreement(*(r["tokens"] for r in record["arms"].values()))
    summary = {k: v for k, v in record.items() if k != "arms"} | {
        "arms": {arm: {"plan": r["plan"], "words": r["words"], "loads": r["summary"]} for arm, r in record["arms"].items()}
    }
    (a.out / "raw.json").write_text(json.dumps(record))
    (a.out / "summary.json").write_text(json.dumps(summary, indent=1) + "\n")
    print(table(summary))
    return 0


def options() -> argparse.Namespace:
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--gpus", type=int, choices=(0, 1, 2), default=2, help="0: CPU, to try the script")
    p.add_argument("--model", default="qwen3-8b")
    p.add_argument("--hardware", default="h200")
    p.add_argument("--out", type=Path, default=Path("benchmarks/pairs/records/new"))
    p.add_argument("--prompt", type=int, default=4096)
    p.add_argument("--long", type=int, default=8192, help="tokens of the long prompts in the mixed load")
    p.add_argument("--output", type=int, default=128)
    p.add_argument("--concurrency", type=int, nargs="*", default=[8, 16, 32])
    p.add_argument("--per-user", type=int, default=4, help="requests of each user in the closed loads")
    p.add_argument("--rate", type=float, default=4.0, help="arrivals per second in the poisson load")
    p.add_argument("--long-rate", type=float, default=1.0, help="arrivals per second of long prompts in the mixed load")
    p.add_argument("--chats", type=int, default=16, help="concurrency of the chats in the mixed load")
    p.add_argument("--seconds", type=float, default=30.0, help="of the poisson and the mixed load each")
    p.add_argument("--seed", type=int, default=0)
    p.add_argument("more", nargs="*", help="more words for `armature up`, after --")
    return p.parse_args()


def arms(a: argparse.Namespace) -> dict[str, list[str]]:
    """Name of each arm -> its words for `armature up`."""
    common = [f"model={a.model}", "frontend.port=0", *a.more]
    if a.gpus:
        common += [f"hardware={a.hardware}", f"hardware.gpus={a.gpus}", "model.weights=dummy"]
    if a.gpus == 1:
        return {"disagg": ["disagg_same_gpu", *common], "agg": ["agg", *common]}
    return {"disagg": ["disagg", *common], "agg": ["agg", "topology.roles.worker.replicas=2", *common]}


async def measure(a: argparse.Namespace, url: str, model: str) -> dict[str, Any]:
    """All loads against one arm."""
    asker = Asker(int(url.rsplit(":", 1)[1]), model, a.seed)
    await asyncio.gather(*(asker.ask(asker.prompt(n), 16) for n in (16, 128, a.prompt, a.long) for _ in range(4)))  # warm-up
    fixed = random.Random(a.seed + 1)
    prompts = [random_ids(fixed, n) for n in (16, 64, 256, 1024) for _ in range(4)]
    tokens = [(await asker.ask(p, 32))["ids"] for p in prompts]
    loads: dict[str, Callable[[], Awaitable[list[dict[str, Any]]]]] = {
        f"closed c={c}": lambda c=c: closed(asker, c, a.per_user, a.prompt, a.output)  # type: ignore[misc]
        for c in a.concurrency
    }
    loads[f"poisson {a.rate:g}/s"] = lambda: poisson(asker, a.rate, a.seconds, a.prompt, a.output, a.seed)
    loads["mixed"] = lambda: mixed(asker, a)
    summary, raw = {}, {}
    for name, load in loads.items():
        began = time.perf_counter()
        done = await load()
        took = time.perf_counter() - began
        for kind in sorted({d.get("kind", "") for d in done}):
            part = [d for d in done if d.get("kind", "") == kind]
            label = f"{name} {kind}".strip()
            summary[label] = summarize(part, took)
            raw[label] = [{k: v for k, v in d.items() if k != "ids"} for d in part]
            print(f"{label:22}", json.dumps(summary[label]), flush=True)
    return {"summary": summary, "raw": raw, "tokens": tokens}


async def closed(asker: Asker, users: int, each: int, prompt: int, output: int) -> list[dict[str, Any]]:
    """`users` who ask one request after the other."""

    async def user() -> list[dict[str, Any]]:
        return [await asker.ask(asker.prompt(prompt), output) for _ in range(each)]

    return [d for done in await asyncio.gather(*(user() for _ in range(users))) for d in done]


async def poisson(asker: Asker, rate: float, seconds: float, prompt: int, output: int, seed: int) -> list[dict[str, Any]]:
    """Requests at random times, whatever became of those before them."""
    rng, at, tasks, began = random.Random(seed), 0.0, [], time.perf_counter()
    while (at := at + rng.expovariate(rate)) < seconds:
        body = asker.prompt(prompt)
        await asyncio.sleep(max(0.0, began + at - time.perf_counter()))
        tasks.append(asyncio.create_task(asker.ask(body, output, since=began + at)))
    return list(await asyncio.gather(*tasks))


async def mixed(asker: Asker, a: argparse.Namespace) -> list[dict[str, Any]]:
    """Chats that go on for as long as long prompts arrive."""
    over = asyncio.Event()

    async def user() -> list[dict[str, Any]]:
        done = []
        while not over.is_set():
            done.append({"kind": "chat", **await asker.ask(asker.prompt(128), a.output)})
        return done

    users = [asyncio.create_task(user()) for _ in range(a.chats)]
    long = [{"kind": "long", **d} for d in await poisson(asker, a.long_rate, a.seconds, a.long, 16, a.seed)]
    over.set()
    return long + [d for done in await asyncio.gather(*users) for d in done]


def summarize(done: list[dict[str, Any]], seconds: float) -> dict[str, Any]:
    """Percentiles in ms, and tokens per second of the whole load."""
    gaps = [g for d in done for g in d["gaps"]]
    tokens = sum(sum(d["sizes"]) for d in done)
    return {
        "requests": len(done),
        "ttft_ms": percentiles([d["ttft"] for d in done]),
        "itl_ms": percentiles(gaps),
        "e2e_ms": percentiles([d["e2e"] for d in done]),
        "output_tokens_per_s": round(tokens / seconds, 1),
        "tokens_per_event": round(tokens / max(1, sum(len(d["sizes"]) for d in done)), 3),
    }


def agreement(one: list[list[int]], other: list[list[int]]) -> dict[str, int]:
    """How many of the same prompts, asked one at a time, were answered with the same tokens, and how many tokens until they parted."""
    same = [next((i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), len(a)) for a, b in zip(one, other, strict=True)]
    return {
        "prompts": len(one),
        "equal": sum(a == b for a, b in zip(one, other, strict=True)),
        "tokens": sum(map(len, one)),
        "equal_prefix_tokens": sum(same),
    }


def table(summary: dict[str, Any]) -> str:
    """The arms beside each other."""
    rows = [f"{'load':22}{'arm':8}{'TTFT p50':>10}{'p90':>9}{'p99':>9}{'ITL p50':>10}{'p90':>8}{'p99':>9}{'tok/s':>9}"]
    for load in next(iter(summary["arms"].values()))["loads"]:
        for arm, result in summary["arms"].items():
            s = result["loads"][load]
            figures = [s[k].get(p, 0.0) for k in ("ttft_ms", "itl_ms") for p in ("p50", "p90", "p99")]
            widths = (10, 9, 9, 10, 8, 9)
            rows.append(
                f"{load:22}{arm:8}"
                + "".join(f"{v:{w}.1f}" for v, w in zip(figures, widths, strict=True))
                + f"{s['output_tokens_per_s']:9.0f}"
            )
    rows.append(f"tokens: {summary['tokens']}")
    return "\n".join(rows)


if __name__ == "__main__":
    sys.exit(main())
