"""Tokens per second through a whole deployment, with every token streamed: the guard of the way from scheduler to socket.

    python -m benchmarks.hot_path.run --arm new=src [--arm old=PATH/src] [--users 256] [--prompt 16] [--output 512] \
        [--requests 2] [--rounds 2] [--together] [--clients 8] [--out benchmarks/hot_path/records/NAME] -- words for `armature up`

An arm is a name and the folder of sources that serves it; arms take turns, `--rounds` times, so that two versions of the
code are compared on one machine in one run. By default each turn starts its deployment anew, and nothing else runs. With
`--together` all arms are up from the beginning, each turn is a load only, and the order changes every round: more turns in the same
time, at the price of idle schedulers beside the measured one (and of memory: give the engines room for each other).
Every user keeps one connection and sends one streamed completion after the other, and asks for the usage in every event: random
weights make tokens without text, which the frontend would hold back else. A run whose tokens came in fewer events is no measure of
the way of one token, and fails.
Clients are processes of their own. Writes record.json: per run tokens per second, events per request, time to the first
event, gaps between events, and the CPU time of each kind of process per token.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import statistics
import sys
import time
from array import array
from collections.abc import Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, suppress
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psutil
from benchmarks.common.asking import random_ids
from benchmarks.common.client import Connection
from benchmarks.common.facts import gpus, hardware, versions
from benchmarks.common.serving import served
from benchmarks.common.stats import percentiles

WARM_UP = 8  # output tokens of the requests before measuring
STREAMED = 0.5  # events per token below which a run is void; under load the frontend may join two tokens now and then
KINDS = {"scheduler": "sglang::scheduler", "worker": "-m armature worker", "frontend": "-m armature frontend"}  # by their command lines


@dataclass(frozen=True)
class Share:
    """What one client process does. users: connections; requests: of each, one after the other; prompt, output: in tokens."""

    port: int
    model: str
    users: int
    requests: int
    prompt: int
    output: int
    seed: int


@dataclass
class Seen:
    """What one client process saw. first, gaps: in seconds; events: of each request; tokens: of all, by the server's count."""

    began: float
    ended: float
    tokens: int
    events: list[int]
    first: array[float]
    gaps: array[float]


def ask(share: Share) -> Seen:
    """Run one process's users."""
    return asyncio.run(_ask(share))


async def _ask(share: Share) -> Seen:
    seen = Seen(time.time(), 0.0, 0, [], array("d"), array("d"))
    rng = random.Random(share.seed)
    prompts = [[random_ids(rng, share.prompt) for _ in range(share.requests)] for _ in range(share.users)]
    await asyncio.gather(*(_user(share, mine, seen) for mine in prompts))
    seen.ended = time.time()
    return seen


async def _user(share: Share, prompts: list[list[int]], seen: Seen) -> None:
    connection = await Connection.open(share.port)
    for prompt in prompts:
        body = {"model": share.model, "prompt": prompt, "max_tokens": share.output, "temperature": 0, "ignore_eos": True}
        body |= {"stream": True, "stream_options": {"include_usage": True, "continuous_usage_stats": True}}
        last, events, tail = time.perf_counter(), 0, b""
        async for piece in connection.post("/v1/completions", body):
            now = time.perf_counter()
            count = piece.count(b"data: {")
            if count:
                (seen.gaps if events else seen.first).append(now - last)
                last, events, tail = now, events + count, piece
        usage = json.loads(tail[tail.rindex(b"data: {") + 6 :].partition(b"\n")[0])["usage"]
        seen.tokens += usage["completion_tokens"]
        seen.events.append(events - 1)  # without the one that tells the whole usage
    await connection.close()


def measure(
    pool: ProcessPoolExecutor, url: str, model: str, a: argparse.Namespace, requests: int, output: int, seed: int
) -> dict[str, Any]:
    """Figures of one round."""
    port = urlsplit(url).port or 80
    users = [a.users // a.clients + (i < a.users % a.clients) for i in range(a.clients)]
    shares = [Share(port, model, n, requests, a.prompt, output, seed + i) for i, n in enumerate(users) if n]
    seen = list(pool.map(ask, shares))
    took = max(s.ended for s in seen) - min(s.began for s in seen)
    tokens = sum(s.tokens for s in seen)
    if (events := statistics.median(e for s in seen for e in s.events)) < STREAMED * output:
        raise RuntimeError(f"{output} tokens came in {events:g} events: they were not streamed one by one")
    return {
        "tokens_per_s": round(tokens / took, 1),
        "tokens": tokens,
        "seconds": round(took, 2),
        "events_per_request": events,
        "first_ms": percentiles([t * 1e3 for s in seen for t in s.first]),
        "gap_ms": percentiles([t * 1e3 for s in seen for t in s.gaps]),
    }


def one_by_one(pool: ProcessPoolExecutor, arms: Mapping[str, str], a: argparse.Namespace) -> Iterator[tuple[str, int, dict[str, Any]]]:
    """(arm, round, figures) of each turn, in a deployment of its own."""
    for number in range(a.rounds):
        for name, source in arms.items():
            with _arm(f"{name}-{number}", source, a) as (url, plan):
                measure(pool, url, plan["model"], a, 1, WARM_UP, seed=10_000)
                yield name, number, _turn(pool, url, plan, a, number)


def together(pool: ProcessPoolExecutor, arms: Mapping[str, str], a: argparse.Namespace) -> Iterator[tuple[str, int, dict[str, Any]]]:
    """(arm, round, figures) of each turn, in deployments that are all up."""
    with ExitStack() as stack, ThreadPoolExecutor(len(arms)) as starting:
        opened = {name: _arm(name, source, a) for name, source in arms.items()}
        begun = {name: starting.submit(arm.__enter__) for name, arm in opened.items()}
        for name, future in begun.items():
            url, plan = future.result()
            stack.push(opened[name].__exit__)
            measure(pool, url, plan["model"], a, 1, WARM_UP, seed=10_000)
        for number in range(a.rounds):
            for name in rotated(list(arms), number):
                yield name, number, _turn(pool, *begun[name].result(), a, number)


def rotated(names: list[str], number: int) -> list[str]:
    """The arms' order in round `number`: each is first, and each comes after each other one, in turn."""
    turned = names[number % len(names) :] + names[: number % len(names)]
    return turned if number // len(names) % 2 == 0 else turned[::-1]


def _arm(name: str, source: str, a: argparse.Namespace) -> AbstractContextManager[tuple[str, dict[str, Any]]]:
    environ = os.environ | {"PYTHONPATH": os.pathsep.join([str(Path(source).absolute()), *_other_paths()])}
    return served(a.out, name, ["frontend.port=0", *a.words], environ)


def _turn(pool: ProcessPoolExecutor, url: str, plan: dict[str, Any], a: argparse.Namespace, number: int) -> dict[str, Any]:
    before = _cpu_s(url)
    figures = measure(pool, url, plan["model"], a, a.requests, a.output, seed=100 * number)
    return figures | {"cpu_us_per_token": {k: round((s - before[k]) / figures["tokens"] * 1e6, 1) for k, s in _cpu_s(url).items()}}


def _cpu_s(url: str) -> dict[str, float]:
    """CPU seconds that each kind of process of the deployment behind `url` has used, found by the port that its frontend has."""
    port = urlsplit(url).port
    frontend = next(c.pid for c in psutil.net_connections("tcp") if c.status == "LISTEN" and c.laddr.port == port)
    launcher = next(p for p in psutil.Process(frontend).parents() if "up" in p.cmdline())
    found = dict.fromkeys(KINDS, 0.0)
    for process in launcher.children(recursive=True):
        with suppress(psutil.Error):
            line = " ".join(process.cmdline())
            for kind, words in KINDS.items():
                if words in line:
                    found[kind] += sum(process.cpu_times()[:2])
    return found


def main() -> int:
    a = options()
    a.out.mkdir(parents=True, exist_ok=True)
    arms = dict(arm.split("=", 1) for arm in a.arm)
    runs: dict[str, list[dict[str, Any]]] = {name: [] for name in arms}
    with ProcessPoolExecutor(a.clients, mp_context=get_context("spawn")) as pool:
        for name, number, figures in (together if a.together else one_by_one)(pool, arms, a):
            runs[name].append(figures)
            print(name, number, json.dumps(figures), flush=True)
    write(a, runs)
    return 0


def write(a: argparse.Namespace, runs: Mapping[str, list[dict[str, Any]]]) -> None:
    """record.json, of all that was measured."""
    record = {
        "hardware": hardware() | {"gpus": gpus()},
        "versions": versions(),
        "words": a.words,
        "users": a.users,
        "prompt": a.prompt,
        "output": a.output,
        "requests_per_user": a.requests,
        "together": a.together,
        "tokens_per_s": {name: [r["tokens_per_s"] for r in found] for name, found in runs.items()},
        "runs": runs,
    }
    (a.out / "record.json").write_text(json.dumps(record, indent=1) + "\n")
    print(json.dumps(record["tokens_per_s"]))


def _other_paths() -> list[str]:
    """What this process was started with, its own sources apart."""
    return [p for p in os.environ.get("PYTHONPATH", "").split(os.pathsep) if p and not (Path(p) / "armature").is_dir()]


def options() -> argparse.Namespace:
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--arm", action="append", required=True, metavar="NAME=SOURCES")
    p.add_argument("--users", type=int, default=256)
    p.add_argument("--prompt", type=int, default=16)
    p.add_argument("--output", type=int, default=512)
    p.add_argument("--requests", type=int, default=2, help="of each user")
    p.add_argument("--rounds", type=int, default=2)
    p.add_argument("--together", action="store_true", help="all arms are up at once")
    p.add_argument("--clients", type=int, default=8, help="client processes")
    p.add_argument("--out", type=Path, default=Path(__file__).parent / "records" / "cpu")
    p.add_argument("words", nargs="*", help="words for `armature up`, after --")
    return p.parse_args()


if __name__ == "__main__":
    sys.exit(main())
