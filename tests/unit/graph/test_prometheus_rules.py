"""Prometheus in the graph: there when it is asked for, on loopback, with its files in the run directory and every /metrics as a target."""

from __future__ import annotations

from pathlib import Path

import pytest

from armature.config.compose import compose
from armature.config.modelref import locate
from armature.graph import rules
from armature.graph.hosts import Host
from armature.graph.place import Site, place
from armature.graph.plan import Plan
from armature.graph.ports import CountingPorts
from armature.graph.programs import how_to_install


def plan(*words: str) -> Plan:
    deployment = compose(["model=tiny-qwen3", *words]).deployment
    graph = rules.build(deployment, locate(deployment.model, Path("/home/user")))
    return place(graph, Site(run_dir=Path("/r"), cache_dir=Path("/c"), tmp_dir=Path("/t"), hosts=(Host(CountingPorts()),)))


def names(planned: Plan) -> set[str]:
    return {node.name for node in planned.nodes}


def targets(planned: Plan) -> dict[str, str]:
    argv = planned["prometheus-config"].argv
    return dict(argv[i + 1].split("=") for i, word in enumerate(argv) if word == "--target")  # type: ignore[misc]


def test_nobody_watches_unless_asked() -> None:
    planned = plan("topology=agg")
    assert not {"prometheus", "prometheus-config"} & names(planned)
    assert "--enable-metrics" not in planned["worker-0"].argv


def test_engines_count_for_it() -> None:
    assert "--enable-metrics" in plan("topology=agg", "observe=prometheus")["worker-0"].argv


def test_a_user_may_forbid_that() -> None:
    assert "--enable-metrics" not in plan("topology=agg", "observe=prometheus", "engine.args.enable_metrics=false")["worker-0"].argv


@pytest.mark.parametrize(
    ("words", "roles"),
    [
        (["topology=agg"], {"worker-0": "aggregated", "frontend": "frontend"}),
        (["topology=disagg"], {"prefill-0": "prefill", "decode-0": "decode", "frontend": "frontend"}),
        (
            ["topology=agg_router", "topology.roles.worker.replicas=1", "runtime=nats", "runtime.events_durable=true"],
            {"worker-0": "aggregated", "frontend": "frontend", "etcd": "etcd", "kv-bridge": "kv-bridge"},
        ),
    ],
)
def test_every_process_with_metrics_is_a_target_at_its_own_port(words: list[str], roles: dict[str, str]) -> None:
    planned = plan(*words, "observe=prometheus")
    found = targets(planned)
    assert {node: target.split(",")[0] for node, target in found.items()} == roles
    for node, target in found.items():
        assert int(target.rpartition(":")[2]) in {block.first for block in planned[node].ports.values()}


def test_a_frontend_on_every_interface_is_asked_on_loopback() -> None:
    assert targets(plan("topology=agg", "observe=prometheus", "frontend.host=0.0.0.0"))["frontend"].startswith("frontend,127.0.0.1:")


def test_it_listens_on_loopback_and_writes_below_the_run() -> None:
    node = plan("topology=agg", "observe=prometheus", "observe.port=9090")["prometheus"]
    assert node.ports["http"].first == 9090 and node.ports["http"].host == "127.0.0.1"
    assert {"127.0.0.1:9090", "/r/prometheus/prometheus.yml", "/r/prometheus/data"} <= set(node.argv)


def test_nothing_waits_for_it() -> None:
    planned = plan("topology=agg", "observe=prometheus")
    assert planned.dependents("prometheus") == ()


def test_the_program_that_is_missing_has_a_package() -> None:
    assert how_to_install("prometheus") == "apt-get install prometheus, or nix develop"


@pytest.mark.parametrize(
    ("words", "tells"),
    [
        (["topology=agg"], False),
        (["topology=agg_router"], True),
        (["topology=disagg"], False),
        (["topology=disagg", "topology.router.busy_blocks=0.9"], True),
        (["topology=agg", "model.router.busy_blocks=0.9"], True),
    ],
)
def test_workers_tell_the_router_their_load_where_it_goes_by_it(words: list[str], tells: bool) -> None:
    workers = [node for node in plan(*words).nodes if node.label in ("aggregated", "prefill", "decode")]
    assert workers and all(("--publish-load" in worker.argv) is tells for worker in workers)
