"""The command that compares what the router was told of a worker's cache with the cache itself, and mends it."""

from __future__ import annotations

from typing import Any

from armature.worker.control.route import Body, Route
from armature.worker.kv_events import KvEvents


class Check(Body):
    """hashes: also list the blocks."""

    hashes: bool = False


def route(events: KvEvents) -> Route:
    """It answers {"worker", "ranks": [{"rank", "blocks", "missing", "stale"}]}, or {"error"}: see `KvEvents.check`."""

    async def answer(body: Check) -> dict[str, Any]:
        return await events.check(body.hashes)

    return Route("kv/check", Check, answer)
