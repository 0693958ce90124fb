"""What happens to requests of prefill and decode workers when clients leave, and when workers die or hang."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openai
import psutil
import pytest

from support.loading import Load, cancelled, first_token_s, under_load
from support.serving import Up, up

pytestmark = [pytest.mark.engine, pytest.mark.timeout(400)]

LIMIT_S = 6
LIMITS = (f"disaggregation.bootstrap_timeout_s={LIMIT_S}", f"disaggregation.transfer_timeout_s={LIMIT_S}")


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def two_pairs(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> Iterator[Up]:
    """Two prefill and two decode workers. Not routed by KV: that router of runtime 1.6.1 books a request by its id, and
    refuses it while an earlier attempt of it is still booked."""
    words = ("disagg_router", "+model=tiny-qwen3", "frontend.port=0", "topology.router.mode=round_robin", *LIMITS)
    with up(tmp_path_factory.mktemp("two"), cache, *words) as running:
        running.wait_event("serving")
        yield running


@pytest.fixture(scope="module")
def one_pair(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> Iterator[Up]:
    with up(tmp_path_factory.mktemp("one"), cache, "disagg", "+model=tiny-qwen3", "frontend.port=0", *LIMITS) as running:
        running.wait_event("serving")
        yield running


def pids(running: Up, node: str) -> list[int]:
    return [e["pid"] for e in running.events() if e["event"] == "started" and e["node"] == node]


def times_ready(running: Up, node: str) -> int:
    return len([e for e in running.events() if e["event"] == "ready" and e["node"] == node])


async def until_ready(running: Up, node: str, times: int, within_s: float = 120.0) -> None:
    async with asyncio.timeout(within_s):
        while times_ready(running, node) < times:
            await asyncio.sleep(0.1)


def loads(running: Up) -> dict[str, list[dict[str, Any]]]:
    """Each worker's ranks, by their schedulers' own last report."""
    found = {}
    for node in running.plan["nodes"]:
        if "system" in node["ports"]:
            url = f"http://127.0.0.1:{node['ports']['system']['first']}/engine/load"
            with urllib.request.urlopen(urllib.request.Request(url, b"{}", {"content-type": "application/json"}), timeout=10) as answer:
                found[node["name"]] = json.load(answer)["ranks"]
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
        os.kill(pids(two_pairs, node)[-1], signal.SIGKILL)
        await asyncio.sleep(10)

    load = asyncio.run(under_load(two_pairs.plan["url"], two_pairs.plan["model"], kill))
    assert len(load.asked) > 20, "there was hardly any load"
    assert load.failed == []
    asyncio.run(until_ready(two_pairs, node, 2))


@pytest.mark.parametrize("node", ["prefill-0", "decode-0"])
def test_one_worker_outlives_the_other_and_pairs_with_its_successor(one_pair: Up, node: str) -> None:
    other = {"prefill-0": "decode-0", "decode-0": "prefill-0"}[node]
    again, others = times_ready(one_pair, node) + 1, len(pids(one_pair, other))
    back: list[float] = []

    async def kill(load: Load) -> None:
        await asyncio.sleep(2)
        os.kill(pids(one_pair, node)[-1], signal.SIGKILL)
        await until_ready(one_pair, node, again)
        back.append(load.now())
        await asyncio.sleep(6)

    load = asyncio.run(under_load(one_pair.plan["url"], one_pair.plan["model"], kill))
    print(
        f"{len(load.failed)} of {len(load.asked)} failed; ready after {back[0]:.1f} s, none that began after {load.good_from:.1f} s failed"
    )
    assert load.failed, "nobody noticed: was it killed?"
    assert load.good_from < back[0] + 3
    assert max(a.ended - a.began for a in load.asked) < LIMIT_S + 10, "a request hung"
    assert len(pids(one_pair, other)) == others, f"{other} was restarted"


def test_a_bootstrap_server_that_does_not_answer_is_an_answer_within_the_limit(one_pair: Up) -> None:
    """A decode worker that has not met its prefill worker asks the bootstrap server first, which lives in that one's main process."""
    again = times_ready(one_pair, "decode-0") + 1
    os.kill(pids(one_pair, "decode-0")[-1], signal.SIGKILL)
    asyncio.run(until_ready(one_pair, "decode-0", again))
    client = openai.OpenAI(base_url=f"{one_pair.plan['url']}/v1", api_key="none", max_retries=0, timeout=60)
    ask: Any = {"model": one_pair.plan["model"], "prompt": [5, 6, 7], "max_tokens": 4, "extra_body": {"ignore_eos": True}}
    prefill = psutil.Process(pids(one_pair, "prefill-0")[-1])
    prefill.suspend()
    try:
        began = time.monotonic()
        with pytest.raises(openai.InternalServerError) as caught:
            client.completions.create(**ask)
        took = time.monotonic() - began
    finally:
        prefill.resume()
    assert caught.value.status_code >= 500
    assert took < 2 * LIMIT_S + 3
    deadline = time.monotonic() + 30
    while True:
        try:
            assert client.completions.create(**ask).usage.completion_tokens == 4
            break
        except openai.InternalServerError:
            assert time.monotonic() < deadline, "the pair never came back"
            time.sleep(0.5)


def test_a_killed_rank_ends_its_worker_which_comes_back(tmp_path: Path, cache: Path) -> None:
    with up(tmp_path, cache, "dp", "+model=tiny-qwen3", "frontend.port=0") as running:
        running.wait_event("serving")

        async def kill(load: Load) -> None:
            await asyncio.sleep(2)
            worker = psutil.Process(pids(running, "worker-0")[-1])
            rank = next(p for p in worker.children(recursive=True) if "scheduler_DP1" in " ".join(p.cmdline()))
            rank.kill()
            await until_ready(running, "worker-0", 2)
            await asyncio.sleep(6)

        load = asyncio.run(under_load(running.plan["url"], running.plan["model"], kill))
        died = next(e for e in running.events() if e["event"] == "exited")
        assert any("scheduler_DP1" in line and "died" in line for line in died["last_lines"])
        assert load.failed, "nobody noticed: was it killed?"
        assert load.asked[-1].error is None
        print(f"{len(load.failed)} of {len(load.asked)} failed; none that began after {load.good_from:.1f} s did")
