"""A worker without an engine, whose ranks hold as many KV blocks as they are told, and write them into the durable stream.

python -m benchmarks.kv_rebuild.worker ENDPOINT RANKS BLOCKS     blocks of each rank; prints "written SECONDS"
"""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

from benchmarks.common.models import tiny_model

from armature import env
from armature.engine.kv_events.mirror import Mirror
from armature.engine.kv_events.wire import BlockStored
from armature.runtime.kv_events import worker_id
from armature.runtime.planes import connect, from_env, prepare
from armature.runtime.registration import ModelCard, register_model
from armature.telemetry.kv_events import jetstream
from armature.telemetry.kv_events.durable import Component, DurableSink, Rank, open_stream

BLOCK = 16  # tokens
PROMPT = 64  # blocks that follow each other


def prompts(rank: int, blocks: int) -> Iterator[BlockStored]:
    """Different prompts, until there are so many blocks. A hash is as large as SGLang's: 63 bits."""
    for first in range(0, blocks, PROMPT):
        numbers = range(first, min(first + PROMPT, blocks))
        yield BlockStored(
            [(rank + 1 << 56) + n * 0x9E3779B97F % (1 << 55) for n in numbers],
            None,
            [(n * 7919 + rank * 104_729 + i * 31) % 150_000 for n in numbers for i in range(BLOCK)],
            BLOCK,
        )


async def main(endpoint_name: str, ranks: int, blocks: int) -> None:
    planes = from_env(os.environ)
    prepare(planes, os.environ)
    runtime = connect(planes)
    endpoint = runtime.endpoint(endpoint_name)

    async def handler(_request: Any) -> AsyncIterator[dict[str, Any]]:
        yield {}

    serving = asyncio.ensure_future(endpoint.serve_endpoint(handler))
    await asyncio.sleep(1)
    with tempfile.TemporaryDirectory() as folder:
        model = tiny_model(Path(folder))
        await register_model(endpoint, ModelCard("made-up", model, block_size=BLOCK, total_kv_blocks=blocks, dp_size=ranks, kv_events=True))
    mirrors = [Mirror() for _ in range(ranks)]
    for rank, mirror in enumerate(mirrors):
        mirror.apply(list(prompts(rank, blocks)))
    client = await jetstream.connect(os.environ.get(env.NATS_SERVER))
    component = Component(*endpoint_name.split(".")[:2])
    await open_stream(client.jetstream(), component)
    began = time.monotonic()
    for rank, mirror in enumerate(mirrors):
        sink = DurableSink(client.jetstream(), component, Rank(worker_id(endpoint), rank), BLOCK, mirror.state)
        keeping = asyncio.create_task(sink.keep_up())
        while not sink.up_to_date:
            await asyncio.sleep(0.01)
        keeping.cancel()
    print(f"written {time.monotonic() - began:.2f}", flush=True)
    await serving


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3])))
