"""Two prefill and two decode workers behind the KV router, as `disagg_router` has them: what a killed decode worker costs.

docs/how-to/guarantees.md says it: the requests that it had not answered yet, and none that began later.
"""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

import pytest
from watched import limits, until_ready

from support.loading import Load, under_load
from support.serving import up

LIMIT_S = 30
# From the signal until the frontend no longer lists the worker. On a busy host.
FORGOTTEN_S = 1.0

pytestmark = [pytest.mark.engine, pytest.mark.timeout(400)]


@pytest.mark.parametrize("node", ["decode-1", "prefill-1"])
def test_new_requests_do_not_fail_after_a_death(tmp_path: Path, cache: Path, node: str) -> None:
    with up(tmp_path, cache, "disagg_router", "+model=tiny-qwen3", "frontend.port=0", *limits(LIMIT_S)) as running:
        running.wait_event("serving")
        killed: list[float] = []

        async def kill(load: Load) -> None:
            await asyncio.sleep(2)
            os.kill(running.pids(node)[-1], signal.SIGKILL)
            killed.append(load.now())
            await asyncio.sleep(12)

        load = asyncio.run(under_load(running.plan["url"], running.plan["model"], kill))
        print(f"{len(load.failed)} of {len(load.asked)} failed, the last of them began {load.good_from - killed[0]:+.1f} s from the death")
        assert len([a for a in load.asked if a.began > killed[0] + FORGOTTEN_S]) > 10, "there was hardly any load"
        assert load.good_from < killed[0] + FORGOTTEN_S
        assert all("tokens" not in str(a.error) for a in load.failed), "a stream that had begun was cut off"
        asyncio.run(until_ready(running, node, 2))
