"""Real engines: what clients get when a worker is killed in the middle of their streams is what they get when none is."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from openai import AsyncOpenAI

from support.loading import client
from support.serving import up

pytestmark = [pytest.mark.engine, pytest.mark.timeout(500)]

TOKENS = 500  # so that on a busy host none is over before the last one has begun
PROMPT = [72, 101, 108, 108, 111, 32, 119, 111, 114, 108, 100, 33]
COMPLETION: dict[str, Any] = {"prompt": PROMPT, "max_tokens": TOKENS, "temperature": 0, "stream_options": {"include_usage": True}}
# What a token computed in a batch of another size, or in a prefill rather than a decode step, may differ by in bfloat16.
LOGPROB = 0.01
CHAT: dict[str, Any] = {"messages": [{"role": "user", "content": "Say something."}], "max_tokens": TOKENS, "temperature": 0}
ASKS: dict[str, dict[str, Any]] = {
    "greedy": {**COMPLETION, "extra_body": {"ignore_eos": True}},
    "logprobs": {**COMPLETION, "logprobs": 2, "extra_body": {"ignore_eos": True}},
    "frequency": {**COMPLETION, "frequency_penalty": 1.2, "extra_body": {"ignore_eos": True}},
    "chat": {**CHAT, "stream_options": {"include_usage": True}, "extra_body": {"min_tokens": TOKENS - 5}},
}


async def read(api: AsyncOpenAI, model: str, ask: dict[str, Any], on_chunk: Callable[[], None] = lambda: None) -> dict[str, Any]:
    """One stream, put together: everything that must not depend on where it was cut."""
    text, logprobs, finish, usage = "", [], None, None
    tokens: list[str] = []
    create: Any = api.chat.completions.create if "messages" in ask else api.completions.create
    async for chunk in await create(model=model, stream=True, **ask):
        on_chunk()
        usage = chunk.usage or usage
        for choice in chunk.choices:
            text += (choice.delta.content if "messages" in ask else choice.text) or ""
            finish = choice.finish_reason or finish
            if choice.logprobs:
                tokens += choice.logprobs.tokens
                logprobs += choice.logprobs.token_logprobs
    assert usage is not None
    counts = (usage.prompt_tokens, usage.completion_tokens, usage.total_tokens)
    return {"text": text, "finish": finish, "usage": counts, "tokens": tokens, "logprobs": logprobs}


@pytest.mark.parametrize(
    ("words", "node"),
    [
        (("agg", "experiment=two_workers"), "worker-1"),
        (("disagg_router", "topology.router.mode=round_robin"), "decode-1"),
    ],
    ids=["agg", "disagg_router"],
)
def test_streams_read_the_same(tmp_path: Path, words: tuple[str, ...], node: str) -> None:
    cache = tmp_path / "cache"
    with up(tmp_path, cache, *words, "+model=tiny-qwen3", "frontend.port=0") as running:
        running.wait_event("serving")
        url, model = running.plan["url"], running.plan["model"]

        async def compare() -> None:
            async with client(url, timeout_s=120) as api:
                uncut = {name: await read(api, model, ask) for name, ask in ASKS.items()}
                assert uncut["greedy"]["usage"] == (len(PROMPT), TOKENS, len(PROMPT) + TOKENS)
                # Two of each, one after the other, so that round robin gives one of them to the worker that is killed.
                names = [name for name in ASKS for _ in range(2)]
                chunks = [0] * len(names)

                def counting(i: int) -> Callable[[], None]:
                    def count() -> None:
                        chunks[i] += 1

                    return count

                async def kill() -> None:
                    while min(chunks) < 4:
                        await asyncio.sleep(0.01)
                    assert max(chunks) < TOKENS, "one was over before the others had begun"
                    os.kill(running.pids(node)[-1], signal.SIGKILL)

                reads = [asyncio.create_task(read(api, model, ASKS[name], counting(i))) for i, name in enumerate(names)]
                await kill()
                cut = await asyncio.gather(*reads)
                assert running.event("exited", node) is not None
                for name, got in zip(names, cut, strict=True):
                    assert got == uncut[name] | {"logprobs": pytest.approx(uncut[name]["logprobs"], abs=LOGPROB)}, name

        asyncio.run(compare())
