"""Deployments whose router goes by KV events, on each event plane."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from armature import env
from support.deployed import Served, serve, serve_changed

LOSSY = Path(__file__).with_name("lossy_worker.py")
PLANES = {"zmq": ("runtime=embedded",), "nats": ("runtime=nats",), "durable": ("runtime=nats", "runtime.events_durable=true")}


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@dataclass(frozen=True)
class Lossy(Served):
    """A deployment whose workers lose KV events when they are told to."""

    trigger: Path

    def lose(self, batches: int) -> None:
        """Have every worker lose the next batches of each of its ranks."""
        for node in workers(self.up.plan):
            made = self.trigger.with_name(f".{node['name']}")
            made.write_text(str(batches))
            made.rename(self.trigger.with_name(node["name"]))

    def lost(self) -> bool:
        """Whether all have begun to lose."""
        return not any(self.trigger.with_name(node["name"]).exists() for node in workers(self.up.plan))


def workers(plan: dict[str, Any]) -> list[dict[str, Any]]:
    return [node for node in plan["nodes"] if "kv_events" in node["ports"]]


@pytest.fixture(scope="module", params=PLANES)
def served(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, cache: Path) -> Iterator[Lossy]:
    """Two workers whose caches hold 512 blocks each, so that there are evictions all the time."""
    root = tmp_path_factory.mktemp(request.param)
    trigger = root / "trigger"

    def lossy(plan: dict[str, Any]) -> None:
        for node in workers(plan):
            at = node["argv"].index("worker")
            node["argv"] = [sys.executable, str(LOSSY), str(root / node["name"]), *node["argv"][at + 1 :]]
        for node in plan["nodes"]:
            if env.ETCD_LEASE_S in node["env"]:
                node["env"][env.ETCD_LEASE_S] = "12"  # a bridge that was killed stays registered as long, and the test waits for that

    with serve_changed(
        root, cache, lossy, "agg_router", *PLANES[request.param], "worker.control=true", "engine.args.max_total_tokens=8192"
    ) as d:
        yield Lossy(d.up, d.url, d.model, trigger)


@pytest.fixture(scope="module")
def ranks(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> Iterator[Served]:
    """One worker with two data-parallel ranks."""
    with serve(tmp_path_factory.mktemp("ranks"), cache, "dp", "topology.router.mode=kv", "worker.control=true") as deployed:
        yield deployed


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> Iterator[Served]:
    """Two prefill workers and one decode worker."""
    with serve(
        tmp_path_factory.mktemp("pairs"), cache, "disagg_router", "topology.roles.decode.replicas=1", "worker.control=true"
    ) as deployed:
        yield deployed
