"""Deployments whose router goes by KV events, on each event plane."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from support.deployed import Served, serve

PLANES = {"zmq": ("runtime=embedded",), "nats": ("runtime=nats",), "durable": ("runtime=nats", "runtime.events_durable=true")}


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module", params=PLANES)
def served(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, cache: Path) -> Iterator[Served]:
    """Two workers whose caches hold 512 blocks each, so that there are evictions all the time."""
    root = tmp_path_factory.mktemp(request.param)
    with serve(root, cache, "agg_router", *PLANES[request.param], "engine.args.max_total_tokens=8192") as deployed:
        yield deployed


@pytest.fixture(scope="module")
def ranks(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> Iterator[Served]:
    """One worker with two data-parallel ranks."""
    with serve(tmp_path_factory.mktemp("ranks"), cache, "dp", "topology.router.mode=kv") as deployed:
        yield deployed


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> Iterator[Served]:
    """Two prefill workers and one decode worker."""
    with serve(tmp_path_factory.mktemp("pairs"), cache, "disagg_router", "topology.roles.decode.replicas=1") as deployed:
        yield deployed
