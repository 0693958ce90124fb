"""One prefill and one decode worker: each outlives the other, and a hanging one is an answer within the limit."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openai
import psutil
import pytest
from watched import LIMIT_S, limits, until_ready

from support.loading import Load, under_load
from support.serving import Up, up

pytestmark = [pytest.mark.engine, pytest.mark.timeout(400)]


@pytest.fixture(scope="module")
def one_pair(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> Iterator[Up]:
    with up(tmp_path_factory.mktemp("one"), cache, "disagg", "+model=tiny-qwen3", "frontend.port=0", *limits()) as running:
        running.wait_event("serving")
        yield running


@pytest.mark.parametrize("node", ["prefill-0", "decode-0"])
def test_one_worker_outlives_the_other_and_pairs_with_its_successor(one_pair: Up, node: str) -> None:
    other = {"prefill-0": "decode-0", "decode-0": "prefill-0"}[node]
    again, others = one_pair.times_ready(node) + 1, len(one_pair.pids(other))
    back: list[float] = []

    async def kill(load: Load) -> None:
        await asyncio.sleep(2)
        os.kill(one_pair.pids(node)[-1], signal.SIGKILL)
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
    assert len(one_pair.pids(other)) == others, f"{other} was restarted"


def test_a_bootstrap_server_that_does_not_answer_is_an_answer_within_the_limit(one_pair: Up) -> None:
    """A decode worker that has not met its prefill worker asks the bootstrap server first, which lives in that one's main process."""
    again = one_pair.times_ready("decode-0") + 1
    os.kill(one_pair.pids("decode-0")[-1], signal.SIGKILL)
    asyncio.run(until_ready(one_pair, "decode-0", again))
    client = openai.OpenAI(base_url=f"{one_pair.plan['url']}/v1", api_key="none", max_retries=0, timeout=60)
    ask: Any = {"model": one_pair.plan["model"], "prompt": [5, 6, 7], "max_tokens": 4, "extra_body": {"ignore_eos": True}}
    prefill = psutil.Process(one_pair.pids("prefill-0")[-1])
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
