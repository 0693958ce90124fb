"""One real engine for all tests of this folder: starting one takes longer than all of them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from armature.engine.cpu import activate
from armature.engine.token_engine import SGLangTokenEngine, start
from armature.limits import RequestLimits
from support.asking import FLAGS, Asked
from support.models import tiny
from support.reference import Reference

# Small, so that a test can exceed them in seconds.
LIMITS = RequestLimits(guide_compile_s=2, guide_mb=16, guide_cache_mb=24)


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny("tiny-qwen3", tmp_path_factory.mktemp("cache"))


@pytest.fixture(scope="session")
def reference(model: Path) -> Reference:
    activate()  # Hugging Face's modelling code imports torchvision, which needs the same stand-in
    return Reference(model)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def engine(model: Path) -> AsyncIterator[SGLangTokenEngine]:
    engine = start(model, FLAGS, LIMITS)
    yield engine
    engine.shutdown()


@pytest.fixture(scope="session")
def ask(engine: SGLangTokenEngine) -> Asked:
    return Asked(engine)
