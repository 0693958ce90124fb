"""A router that joins now: how long until it knows so many KV blocks.

python -m benchmarks.kv_rebuild.router ENDPOINT BLOCKS     prints "known SECONDS", and how long one look at its index takes
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time

from benchmarks.kv_rebuild.worker import BLOCK

from armature.runtime.planes import connect, from_env, prepare


async def main(endpoint_name: str, blocks: int) -> None:
    planes = from_env(os.environ)
    prepare(planes, os.environ)
    from dynamo.llm import KvRouter, KvRouterConfig

    began = time.monotonic()
    router = KvRouter(connect(planes).endpoint(endpoint_name), BLOCK, KvRouterConfig())
    while True:
        looked = time.monotonic()
        text = await router.dump_events()
        now = time.monotonic()
        if text.count('"block_hash"') >= blocks:
            break
        await asyncio.sleep(0.05)
    assert len({b["block_hash"] for e in json.loads(text) for b in e["event"]["data"]["stored"]["blocks"]}) == blocks
    print(f"known {now - began:.2f} look {now - looked:.2f}", flush=True)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2])))
    os._exit(0)  # the runtime's own end takes seconds
