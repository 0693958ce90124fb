"""The router's view of the caches is the engines' truth: after evictions, losses, restarts, on every event plane."""

from __future__ import annotations

import os
import random
import signal
import time
from typing import Any

import pytest
from settling import settled

from support.caches import cached, engines, random_requests

pytestmark = [pytest.mark.engine, pytest.mark.timeout(600)]

# A run of 5,000 takes minutes: ARMATURE_TEST_REQUESTS=5000 pytest tests/routing
REQUESTS = int(os.environ.get("ARMATURE_TEST_REQUESTS", "300"))


def restart(served: Any, node: str) -> None:
    """Kill a node and wait until the launcher has started it again."""
    before = served.up.times_ready(node)
    os.kill(served.up.pids(node)[-1], signal.SIGKILL)
    deadline = time.monotonic() + 60
    while served.up.times_ready(node) == before:
        assert time.monotonic() < deadline, served.up.text()[-2000:]
        time.sleep(0.1)


def test_the_index_after_many_requests(served: Any) -> None:
    random_requests(served, REQUESTS, seed=1)
    _, wrong = engines(served.up)
    assert wrong == 0, "what had been passed on differed from the engine's own account"
    settled(served)


@pytest.mark.parametrize("lost", [100])
def test_the_index_after_lost_events(served: Any, lost: int) -> None:
    served.lose(lost)
    random_requests(served, 3 * lost + 100, seed=10 + lost)
    assert served.lost(), "nothing was lost"
    settled(served)


def test_a_prompt_goes_where_it_is_cached(served: Any) -> None:
    rng = random.Random(5)
    prompts = [[rng.randrange(20, 400) for _ in range(100)] for _ in range(8)]
    assert [cached(served, p) for p in prompts] == [0] * 8
    settled(served)  # events follow the answer
    assert [cached(served, p) for p in prompts] == [96] * 8


def test_the_index_after_a_restart_of_the_frontend(served: Any) -> None:
    rng = random.Random(6)
    prompts = [[rng.randrange(20, 400) for _ in range(100)] for _ in range(8)]
    for prompt in prompts:
        cached(served, prompt)
    restart(served, "frontend")
    # Its router is not cold: the very first requests go where their prompts are.
    assert [cached(served, p) for p in prompts] == [96] * 8
    random_requests(served, 100, seed=2)
    settled(served)


@pytest.mark.parametrize("node", ["nats", "kv-bridge"])
def test_the_index_after_a_restart_of_a_server(served: Any, node: str) -> None:
    if node not in {n["name"] for n in served.up.plan["nodes"]}:
        pytest.skip(f"there is no {node} here")
    random_requests(served, 100, seed=3)
    restart(served, node)
    random_requests(served, 100, seed=4)
    settled(served)
