"""One served deployment for all tests of a topology."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from openai import OpenAI

from support.reference import Reference
from support.serving import Up, up


@dataclass(frozen=True)
class Served:
    """A deployment that answers. url: of its frontend. model: the name to ask for."""

    up: Up
    url: str
    model: str
    model_dir: Path

    @property
    def client(self) -> OpenAI:
        return OpenAI(base_url=f"{self.url}/v1", api_key="none", max_retries=0, timeout=120)


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="session")
def agg(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> Iterator[Served]:
    with up(tmp_path_factory.mktemp("agg"), cache, "agg", "+model=tiny-qwen3", "frontend.port=0") as running:
        running.wait_event("serving")
        plan = running.plan
        yield Served(running, plan["url"], plan["model"], Path(plan["nodes"][0]["task"]["outputs"][0]).parent)


@pytest.fixture(scope="session")
def reference(agg: Served) -> Reference:
    from armature.engine.cpu import activate

    activate()  # Hugging Face's modelling code imports torchvision, which needs the same stand-in
    return Reference(agg.model_dir)
