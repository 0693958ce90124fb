"""Waiting limits that are short enough for tests, and waiting for a node that was started again."""

from __future__ import annotations

import asyncio

from support.serving import Up

LIMIT_S = 6


def limits(seconds: int = LIMIT_S) -> tuple[str, ...]:
    """How long either leg of a request waits for the other."""
    return f"disaggregation.bootstrap_timeout_s={seconds}", f"disaggregation.transfer_timeout_s={seconds}"


async def until_ready(running: Up, node: str, times: int, within_s: float = 120.0) -> None:
    try:
        async with asyncio.timeout(within_s):
            while running.times_ready(node) < times:
                await asyncio.sleep(0.1)
    except TimeoutError:
        log = (running.run_dir / "logs" / f"{node}.log").read_text(errors="replace").splitlines()
        raise AssertionError(f"{node} was not ready {times} times:\n{running.text()}\n" + "\n".join(log[-40:])) from None
