"""Two deployments that watch themselves: one worker of two ranks with all kinds of servers, and a pair."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from support.caches import random_requests
from support.deployed import Served, serve

OBSERVED = ("observe=prometheus", "observe.scrape_s=0.5")


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def ranks(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> Iterator[Served]:
    """One worker with two data-parallel ranks, durable KV events, etcd; it has answered some requests."""
    words = ("dp", "topology.router.mode=kv", "runtime=nats", "runtime.events_durable=true", *OBSERVED)
    with serve(tmp_path_factory.mktemp("ranks"), cache, *words) as deployed:
        random_requests(deployed, 40, seed=1)
        yield deployed


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> Iterator[Served]:
    """A prefill worker and a decode worker that have answered some requests."""
    with serve(tmp_path_factory.mktemp("pair"), cache, "disagg", *OBSERVED) as deployed:
        random_requests(deployed, 10, seed=2)
        # A decode engine writes its series every 40 steps, so it must have made as many.
        deployed.client.completions.create(model=deployed.model, prompt=[7] * 20, max_tokens=100, extra_body={"ignore_eos": True})
        yield deployed
