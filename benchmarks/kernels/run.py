"""What a deployment on a GPU still compiles after it serves: nothing, or clients wait for it.

    python -m benchmarks.kernels.run [--out benchmarks/kernels/records/NAME] -- words for `armature up`

Starts one deployment with empty caches of kernels, sends loads of many kinds, and after each lists the kernels whose files are new. Prints,
and writes to record.json, for each kind its longest wait for an event, in seconds, and the names of the new kernels. Exit code 1 when there
are any.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from benchmarks.common.asking import random_ids
from benchmarks.common.client import Connection
from benchmarks.common.facts import gpus, hardware, versions
from benchmarks.common.serving import served

# Each is emptied by pointing it to a new folder: Triton's, SGLang's, and what both put below the user's cache.
CACHES = ("TRITON_CACHE_DIR", "SGLANG_CACHE_DIR", "XDG_CACHE_HOME")


@dataclass(frozen=True)
class Kind:
    """One load. users: at a time; each sends `requests`, of a length of `lengths`, and takes `output` tokens."""

    name: str
    users: int
    lengths: Sequence[int]
    requests: int = 2
    output: int = 32
    extra: dict[str, Any] = field(default_factory=dict)


MIXED = (1, 2, 15, 16, 17, 31, 64, 100, 500, 1000, 3000)
KINDS = (
    Kind("one request", 1, (16,), requests=1),
    Kind("256 users, short", 256, (16,), requests=1, output=8),
    Kind("256 users", 256, (16,), output=512),
    Kind("one token", 1, (1,)),
    *(Kind(f"{n} users, mixed", n, MIXED) for n in (1, 3, 16, 100)),
    Kind("penalties", 20, (7, 100), extra={"frequency_penalty": 0.5, "presence_penalty": 0.3}),
    Kind("sampled", 20, (7, 100), extra={"temperature": 0.7, "top_p": 0.9}),
    Kind("logprobs", 20, (7, 100), extra={"logprobs": 3}),
    Kind("guided", 20, (7, 100), extra={"guided_regex": "[ab]{4,40}", "ignore_eos": False}),
    Kind("long", 4, (8000, 16000, 20001)),
    Kind("256 users, again", 256, (16,), output=512),
)


async def load(port: int, model: str, kind: Kind, seed: int) -> float:
    """Send it. Returns the longest wait for an event, in seconds."""
    rng = random.Random(seed)
    longest = 0.0

    async def user() -> None:
        nonlocal longest
        connection = await Connection.open(port)
        for _ in range(kind.requests):
            body = {"model": model, "prompt": random_ids(rng, rng.choice(kind.lengths)), "max_tokens": kind.output, "ignore_eos": True}
            body |= {"stream": True, "stream_options": {"include_usage": True, "continuous_usage_stats": True}} | kind.extra
            last = time.perf_counter()
            async for _piece in connection.post("/v1/completions", body):
                now = time.perf_counter()
                longest, last = max(longest, now - last), now
        await connection.close()

    await asyncio.gather(*(user() for _ in range(kind.users)))
    return round(longest, 3)


def kernels(caches: Path) -> set[Path]:
    """Triton's description of each kernel that was compiled, `__grp__` files apart, which tell of the same ones."""
    return {path for path in caches.rglob("*.json") if not path.name.startswith("__grp__")}


def main() -> int:
    a = options()
    a.out.mkdir(parents=True, exist_ok=True)
    record: dict[str, Any] = {"hardware": hardware() | {"gpus": gpus()}, "versions": versions(), "words": a.words, "kinds": {}}
    with tempfile.TemporaryDirectory() as folder:
        caches = Path(folder)
        environ = os.environ | {name: str(caches / name) for name in CACHES}
        with served(a.out, "up", ["frontend.port=0", *a.words], environ) as (url, plan):
            seen = kernels(caches)
            record["before"] = len(seen)
            for i, kind in enumerate(KINDS):
                wait = asyncio.run(load(urlsplit(url).port or 80, plan["model"], kind, i))
                now = kernels(caches)
                new, seen = sorted(path.stem for path in now - seen), now
                record["kinds"][kind.name] = {"longest_wait_s": wait, "compiled": new}
                print(f"{kind.name}: {wait} s, compiled: {', '.join(new) or 'nothing'}", flush=True)
    (a.out / "record.json").write_text(json.dumps(record, indent=1) + "\n")
    return int(any(found["compiled"] for found in record["kinds"].values()))


def options() -> argparse.Namespace:
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--out", type=Path, default=Path(__file__).parent / "records" / "gpu")
    p.add_argument("words", nargs="*", help="words for `armature up`, after --")
    return p.parse_args()


if __name__ == "__main__":
    sys.exit(main())
