"""The router's view of the caches is the engines' truth: after evictions, losses, restarts, on every event plane."""

from __future__ import annotations

import os
import random
import signal
import time
from typing import Any

import pytest

from support.caches import cached, engines, random_requests, router

pytestmark = [pytest.mark.engine, pytest.mark.timeout(600)]

# A run of 5,000 takes minutes: ARMATURE_TEST_REQUESTS=5000 pytest tests/routing
REQUESTS = int(os.environ.get("ARMATURE_TEST_REQUESTS", "300"))
SETTLE_S = 10.0


def settled(served: Any, endpoint: str = "armature.backend.generate") -> None:
    """The router's index comes to equal the engines' caches, of which each holds something."""
    deadline = time.monotonic() + SETTLE_S
    while True:
        truth, _ = engines(served.up)
        index = router(served.up, endpoint)
        if index == truth or time.monotonic() > deadline:
            break
    assert {rank: len(blocks) for rank, blocks in index.items()} == {rank: len(blocks) for rank, blocks in truth.items()}
    assert index == truth
    assert all(truth.values())


def restart(served: Any, node: str) -> None:
    """Kill a node and wait until the launcher has started it again."""
    before = [e for e in served.up.events() if e["event"] == "ready" and e["node"] == node]
    pid = [e["pid"] for e in served.up.events() if e["event"] == "started" and e["node"] == node][-1]
    os.kill(pid, signal.SIGKILL)
    deadline = time.monotonic() + 60
    while len([e for e in served.up.events() if e["event"] == "ready" and e["node"] == node]) == len(before):
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
    time.sleep(1.0)  # events follow the answer
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


def test_each_rank_has_an_index_of_its_own(ranks: Any) -> None:
    random_requests(ranks, 150, seed=7)
    settled(ranks)
    assert len(router(ranks.up)) == 2


def test_a_prompt_goes_to_the_rank_that_has_it(ranks: Any) -> None:
    rng = random.Random(8)
    prompts = [[rng.randrange(20, 400) for _ in range(100)] for _ in range(10)]
    places = [place(ranks, p) for p in prompts]
    assert {rank for rank, _ in places} == {0, 1}
    time.sleep(1.0)
    assert [place(ranks, p) for p in prompts] == [(rank, 96) for rank, _ in places]


def place(served: Any, prompt: list[int]) -> tuple[int, int]:
    """The rank that answered, and how many of the prompt's tokens it had cached."""
    extra = {"nvext": {"extra_fields": ["worker_id"]}}
    answer = served.client.completions.create(model=served.model, prompt=prompt, max_tokens=1, temperature=0, extra_body=extra)
    details = answer.usage.prompt_tokens_details
    return answer.nvext["worker_id"]["decode_dp_rank"], (details and details.cached_tokens) or 0


def test_prefill_workers_publish(pairs: Any) -> None:
    random_requests(pairs, 80, seed=9)
    settled(pairs, "armature.prefill.generate")
