"""One served deployment for all tests of a topology."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from support.deployed import Served, serve
from support.models import tiny
from support.reference import Reference, prompts


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="session")
def agg(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> Iterator[Served]:
    with serve(tmp_path_factory.mktemp("agg"), cache, "agg") as served:
        yield served


@pytest.fixture(scope="module", params=["tcp", "nats"])
def on_nats(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, cache: Path) -> Iterator[Served]:
    """A deployment with etcd and NATS, whose requests go each way."""
    with serve(tmp_path_factory.mktemp("nats"), cache, "agg", "runtime=nats", f"runtime.requests={request.param}") as served:
        yield served


@pytest.fixture(scope="session")
def reference(cache: Path) -> Reference:
    from armature.engine.cpu import activate

    activate()  # Hugging Face's modelling code imports torchvision, which needs the same stand-in
    return Reference(tiny("tiny-qwen3", cache))


@pytest.fixture(scope="session")
def truth(reference: Reference) -> list[tuple[list[int], list[int]]]:
    """128 prompts of 1 to 1,500 tokens, some with a prefix in common, and Hugging Face's 12 greedy tokens of each."""
    asked = prompts(128, longest=1500, lengths=(1, 2, 7, 33, 64, 120, 240, 500, 900))
    return [(prompt, reference.greedy(prompt, 12)) for prompt in asked]
