"""The other family of tiny models, on an engine of its own: its tokens are Hugging Face's, too."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from armature.engine.cpu import activate
from armature.engine.token_engine import SGLangTokenEngine, start
from support.asking import FLAGS, Asked
from support.models import tiny
from support.reference import Reference, prompts

pytestmark = [pytest.mark.engine, pytest.mark.asyncio(loop_scope="session")]


@pytest.fixture(scope="module")
def llama(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny("tiny-llama", tmp_path_factory.mktemp("llama"))


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def llama_engine(llama: Path) -> AsyncIterator[SGLangTokenEngine]:
    engine = start(llama, FLAGS)
    yield engine
    engine.shutdown()


async def test_greedy_prompts_equal_hugging_face(llama: Path, llama_engine: SGLangTokenEngine) -> None:
    activate()
    reference, ask, wanted = Reference(llama), Asked(llama_engine), prompts(16)
    served = await asyncio.gather(*(ask.tokens(p, max_tokens=16) for p in wanted))
    assert list(served) == [reference.greedy(p, 16) for p in wanted]
