"""What the runtime's router knows of workers' prefix caches.

The frontend's router shows its index to nobody. A router of the same make, which joins the deployment's planes now, has to
rebuild the same index from the same sources, as the frontend's does after a restart:

    python router_index.py ENDPOINT BLOCK_SIZE      {"WORKER.RANK": [block hashes]}, once it stops changing
"""

from __future__ import annotations

import asyncio
import json
import os
import sys

SETTLED_S = 1.0
LIMIT_S = 60.0


async def _index(endpoint: str, block_size: int) -> dict[str, list[int]]:
    from armature.runtime.planes import connect, from_env, prepare

    planes = from_env(os.environ)
    prepare(planes, os.environ)
    from dynamo.llm import KvRouter, KvRouterConfig

    runtime = connect(planes)
    router = KvRouter(runtime.endpoint(endpoint), block_size, KvRouterConfig())
    before, deadline = None, asyncio.get_running_loop().time() + LIMIT_S
    while True:
        await asyncio.sleep(SETTLED_S)
        now = _blocks(json.loads(await router.dump_events()))
        if (now and now == before) or asyncio.get_running_loop().time() > deadline:
            return now
        before = now


def _blocks(events: list[dict[str, object]]) -> dict[str, list[int]]:
    found: dict[str, set[int]] = {}
    for one in events:
        event: dict = one["event"]  # type: ignore[assignment, type-arg]
        blocks = found.setdefault(f"{one['worker_id']}.{event['dp_rank']}", set())
        blocks |= {block["block_hash"] for block in event["data"]["stored"]["blocks"]}
    return {rank: sorted(blocks) for rank, blocks in found.items()}


if __name__ == "__main__":
    print(json.dumps(asyncio.run(_index(sys.argv[1], int(sys.argv[2])))), flush=True)
    os._exit(0)  # the runtime's own end takes seconds
