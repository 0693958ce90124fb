"""One real engine for all tests of this folder: starting one takes longer than all of them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from armature.engine.cpu import activate
from armature.engine.sglang_engine import SGLangEngine, start
from armature.engine.types import Chunk, GenerateRequest, Sampling
from support.models import tiny
from support.reference import Reference

FLAGS = ("--device", "cpu", "--max-total-tokens", "8192", "--max-running-requests", "16", "--log-level", "warning")


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny("tiny-qwen3", tmp_path_factory.mktemp("cache"))


@pytest.fixture(scope="session")
def reference(model: Path) -> Reference:
    activate()  # Hugging Face's modelling code imports torchvision, which needs the same stand-in
    return Reference(model)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def engine(model: Path) -> AsyncIterator[SGLangEngine]:
    engine = start(model, FLAGS)
    yield engine
    engine.shutdown()


class Asked:
    """Asks the engine with less to write."""

    def __init__(self, engine: SGLangEngine) -> None:
        self.engine = engine
        self.count = 0

    def request(self, ids: list[int], logprobs: int | None = None, **sampling: object) -> GenerateRequest:
        self.count += 1
        settings = {"temperature": 0.0, "max_new_tokens": 16} | sampling
        return GenerateRequest(f"t{self.count}", list(ids), Sampling(**settings), logprobs=logprobs)  # type: ignore[arg-type]

    async def chunks(self, ids: list[int], logprobs: int | None = None, **sampling: object) -> list[Chunk]:
        return [chunk async for chunk in self.engine.generate(self.request(ids, logprobs, **sampling))]

    async def tokens(self, ids: list[int], **sampling: object) -> list[int]:
        return [token for chunk in await self.chunks(ids, **sampling) for token in chunk.token_ids]

    async def idle(self, within_s: float = 10.0) -> bool:
        """Whether the scheduler comes to report nothing running and nothing waiting."""
        async with asyncio.timeout(within_s):
            while await self.engine.running() != (0, 0):
                await asyncio.sleep(0.05)
        return True


@pytest.fixture(scope="session")
def ask(engine: SGLangEngine) -> Asked:
    return Asked(engine)
