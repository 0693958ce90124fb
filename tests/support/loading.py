"""Load on a served deployment while something happens to it: who failed, and when."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from openai import APIError, AsyncOpenAI

TOKENS = 40


@dataclass
class Asked:
    """One request: when it began and ended (seconds since the load did), and what went wrong, if anything."""

    began: float
    ended: float
    error: str | None


@dataclass
class Load:
    """What a load saw. began: time.monotonic() of its start."""

    began: float = field(default_factory=time.monotonic)
    asked: list[Asked] = field(default_factory=list)

    @property
    def failed(self) -> list[Asked]:
        return [a for a in self.asked if a.error]

    @property
    def good_from(self) -> float:
        """Every request that began later than this succeeded."""
        return max((a.began for a in self.failed), default=0.0)

    def now(self) -> float:
        return time.monotonic() - self.began


def client(url: str, timeout_s: float = 60.0) -> AsyncOpenAI:
    return AsyncOpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0, timeout=timeout_s)


def prompt(rng: random.Random, *lengths: int) -> list[int]:
    return [rng.randrange(20, 400) for _ in range(rng.choice(lengths))]


async def under_load(url: str, model: str, meanwhile: Callable[[Load], Awaitable[None]], users: int = 8) -> Load:
    """Let `users` ask streams of TOKENS tokens, one after the other, until `meanwhile` returns."""
    load, over = Load(), asyncio.Event()
    api, rng = client(url), random.Random(7)

    async def user() -> None:
        while not over.is_set():
            began, tokens, error = load.now(), 0, None
            try:
                stream = await api.completions.create(
                    model=model,
                    prompt=prompt(rng, 5, 100, 800),
                    max_tokens=TOKENS,
                    temperature=0,
                    stream=True,
                    stream_options={"include_usage": True},
                    extra_body={"ignore_eos": True},
                )
                async for chunk in stream:
                    tokens = chunk.usage.completion_tokens if chunk.usage else tokens
            except APIError as e:
                error = f"{type(e).__name__}: {e}"
            if error is None and tokens != TOKENS:
                error = f"{tokens} of {TOKENS} tokens"
            load.asked.append(Asked(began, load.now(), error))
            if error:
                await asyncio.sleep(0.2)

    async def director() -> None:
        try:
            await meanwhile(load)
        finally:
            over.set()

    async with api:
        await asyncio.gather(director(), *(user() for _ in range(users)))
    return load


async def cancelled(url: str, model: str, count: int, at_once: int) -> tuple[int, int]:
    """Begin `count` streams and leave each: half of them before the first token, half after a few. How many of either there were."""
    rng, gate, left = random.Random(11), asyncio.Semaphore(at_once), [0, 0]

    async def one(api: AsyncOpenAI, before: bool) -> None:
        async with gate:
            ask: Any = {"model": model, "prompt": prompt(rng, 5, 100, 800, 1500), "max_tokens": 400, "temperature": 0, "stream": True}
            chunks, enough = 0, rng.randrange(1, 40)
            try:
                async with asyncio.timeout(0.15 * rng.random() if before else 60):
                    async for _ in await api.completions.create(**ask, extra_body={"ignore_eos": True}):
                        chunks += 1
                        if chunks == enough:
                            break
            except TimeoutError:
                pass
            left[chunks > 0] += 1

    async with client(url) as api:
        await asyncio.gather(*(one(api, i % 2 == 0) for i in range(count)))
    return left[0], left[1]


async def first_token_s(url: str, model: str, times: int = 15) -> float:
    """The median time to the first token, in seconds, one request after the other."""
    rng, seen = random.Random(13), []
    async with client(url) as api:
        for _ in range(times):
            began = time.monotonic()
            async for _ in await api.completions.create(
                model=model, prompt=prompt(rng, 64), max_tokens=2, temperature=0, stream=True, extra_body={"ignore_eos": True}
            ):
                seen.append(time.monotonic() - began)
                break
    return sorted(seen)[len(seen) // 2]
