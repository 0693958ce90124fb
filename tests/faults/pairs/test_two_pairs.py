"""What happens to requests of two prefill and two decode workers when clients leave, and when a worker dies."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from watched import limits, until_ready

from support.loading import Load, cancelled, first_token_s, under_load
from support.serving import Up, tell, up

LIMIT_S = 30  # the default; with sixteen requests at once, four engines on two busy cores take seconds for a prompt, and one retry is all

pytestmark = [pytest.mark.engine, pytest.mark.timeout(400)]


@pytest.fixture(scope="module")
def two_pairs(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> Iterator[Up]:
    """Two prefill and two decode workers. Not routed by KV: that router of runtime 1.6.1 books a request by its id, and
    refuses it while an earlier attempt of it is still booked."""
    words = (
        "disagg_router",
        "+model=tiny-qwen3",
        "frontend.port=0",
        "topology.router.mode=round_robin",
        "worker.control=true",
        *limits(LIMIT_S),
    )
    with up(tmp_path_factory.mktemp("two"), cache, *words) as running:
        running.wait_event("serving")
        yield running


def loads(running: Up) -> dict[str, list[dict[str, Any]]]:
    """Each worker's ranks, by their schedulers' own last report."""
    found = {}
    for node in running.plan["nodes"]:
        if "system" in node["ports"]:
            found[node["name"]] = tell(running, node["name"], "load", {})["ranks"]
    return found


def held(running: Up) -> dict[str, list[tuple[int, int, int]]]:
    """What requests hold: (running, waiting, tokens of KV cache) of each rank that has any."""
    return {
        name: rest
        for name, ranks in loads(running).items()
        if (rest := [(r["running"], r["waiting"], r["used_tokens"]) for r in ranks if r["running"] or r["waiting"] or r["used_tokens"]])
    }


def held_after(running: Up, within_s: float) -> dict[str, list[tuple[int, int, int]]]:
    """`held` once it is nothing, or what still is at the end of `within_s`. A rank's report is behind it on a busy host."""
    deadline = time.monotonic() + within_s
    while (now := held(running)) and time.monotonic() < deadline:
        time.sleep(0.1)
    return now


def test_cancelled_requests_leave_nothing(two_pairs: Up) -> None:
    url, model = two_pairs.plan["url"], two_pairs.plan["model"]
    before = asyncio.run(first_token_s(url, model))
    assert held_after(two_pairs, 2 * LIMIT_S) == {}
    early, late = asyncio.run(cancelled(url, model, count=200, at_once=16))
    assert early >= 50 and late >= 50, f"{early} left before the first token and {late} after it"
    # One leg of a request may have been left while the other was not there yet: that one waits for its limit, and is then told.
    left = time.monotonic()
    assert held_after(two_pairs, 2 * LIMIT_S) == {}
    print(f"nothing was held any more {time.monotonic() - left:.1f} s after the last one had left")
    after = asyncio.run(first_token_s(url, model))
    print(f"{early} left before the first token, {late} after it; TTFT p50 {before * 1e3:.1f} ms before, {after * 1e3:.1f} ms after")
    assert after < 2 * before + 0.05


@pytest.mark.parametrize("node", ["prefill-1", "decode-1"])
def test_with_a_second_worker_no_request_fails_when_one_is_killed(two_pairs: Up, node: str) -> None:
    async def kill(load: Load) -> None:
        await asyncio.sleep(2)
        os.kill(two_pairs.pids(node)[-1], signal.SIGKILL)
        await asyncio.sleep(10)

    load = asyncio.run(under_load(two_pairs.plan["url"], two_pairs.plan["model"], kill))
    assert len(load.asked) > 20, "there was hardly any load"
    assert load.failed == []
    asyncio.run(until_ready(two_pairs, node, 2))
