"""What a test sees of a deployment's nodes from outside: their processes, and how often they became ready."""

from __future__ import annotations

import asyncio

from support.serving import Up

LIMIT_S = 6
LIMITS = (f"disaggregation.bootstrap_timeout_s={LIMIT_S}", f"disaggregation.transfer_timeout_s={LIMIT_S}")


def pids(running: Up, node: str) -> list[int]:
    return [e["pid"] for e in running.events() if e["event"] == "started" and e["node"] == node]


def times_ready(running: Up, node: str) -> int:
    return len([e for e in running.events() if e["event"] == "ready" and e["node"] == node])


async def until_ready(running: Up, node: str, times: int, within_s: float = 120.0) -> None:
    async with asyncio.timeout(within_s):
        while times_ready(running, node) < times:
            await asyncio.sleep(0.1)
