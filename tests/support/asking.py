"""An engine asked with less to write."""

from __future__ import annotations

import asyncio

from armature.engine.token_engine import SGLangTokenEngine
from armature.messages.tokens import Chunk, GenerateRequest, Sampling

FLAGS = ("--device", "cpu", "--max-total-tokens", "8192", "--max-running-requests", "16", "--log-level", "warning")


class Asked:
    """Asks the engine with less to write."""

    def __init__(self, engine: SGLangTokenEngine) -> None:
        self.engine = engine
        self.count = 0

    def request(self, ids: list[int], logprobs: int | None = None, **sampling: object) -> GenerateRequest:
        self.count += 1
        settings = {"temperature": 0.0, "max_tokens": 16} | sampling
        return GenerateRequest(f"t{self.count}", list(ids), Sampling(**settings), logprobs=logprobs)  # type: ignore[arg-type]

    async def chunks(self, ids: list[int], logprobs: int | None = None, **sampling: object) -> list[Chunk]:
        return [chunk async for chunk in self.engine.generate(self.request(ids, logprobs, **sampling))]

    async def tokens(self, ids: list[int], **sampling: object) -> list[int]:
        return [token for chunk in await self.chunks(ids, **sampling) for token in chunk.token_ids]

    async def idle(self, within_s: float = 10.0) -> bool:
        """Whether the scheduler comes to report nothing running and nothing waiting."""
        async with asyncio.timeout(within_s):
            while any(load.running or load.waiting for load in await self.engine.loads()):
                await asyncio.sleep(0.05)
        return True
