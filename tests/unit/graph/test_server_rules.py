"""etcd and nats-server in the graph: there exactly when something needs them, on loopback, with their data in the run directory."""

from __future__ import annotations

from pathlib import Path

import pytest

from armature.config.compose import compose
from armature.config.modelref import locate
from armature.graph import programs, rules
from armature.graph.hosts import Host
from armature.graph.node import Graph, Node
from armature.graph.place import Site, place
from armature.graph.plan import Plan
from armature.graph.ports import CountingPorts

NATS, ETCD = "runtime.nats_url=nats://10.0.0.5:4222", "runtime.etcd_url=http://10.0.0.5:2379"


def graph(*words: str) -> Graph:
    deployment = compose(["model=tiny-qwen3", *words]).deployment
    return rules.build(deployment, locate(deployment.model, Path("/home/user")))


def plan(*words: str) -> Plan:
    return place(graph(*words), Site(run_dir=Path("/r"), cache_dir=Path("/c"), tmp_dir=Path("/t"), hosts=(Host(CountingPorts()),)))


def users(of: Graph) -> list[Node]:
    return [n for n in of.nodes if n.name == "frontend" or n.label in ("aggregated", "prefill", "decode")]


@pytest.mark.parametrize(
    ("words", "started"),
    [
        (["runtime=embedded"], set()),
        (["runtime=nats"], {"nats", "etcd"}),
        (["runtime=nats", "runtime.discovery=file"], {"nats"}),
        (["runtime=nats", "runtime.events=zmq"], {"etcd"}),
        (["runtime.requests=nats"], {"nats"}),
        (["runtime.events_durable=true"], {"nats"}),
        (["runtime=nats", NATS], {"etcd"}),
        (["runtime=nats", ETCD], {"nats"}),
        (["runtime=nats", NATS, ETCD], set()),
    ],
)
def test_servers_are_started_where_something_needs_one_and_none_is_named(words: list[str], started: set[str]) -> None:
    assert {n.name for n in graph(*words).nodes} & {"nats", "etcd"} == started


@pytest.mark.parametrize("topology", ["agg", "disagg"])
def test_workers_and_frontend_start_after_the_servers_and_so_end_before_them(topology: str) -> None:
    of = graph(f"topology={topology}", "runtime=nats")
    assert all({"nats", "etcd"} <= set(node.needs) for node in users(of))


def test_the_servers_listen_on_loopback_at_planned_ports_and_write_below_the_run() -> None:
    planned = plan("runtime=nats")
    for name in ("nats", "etcd"):
        node = planned[name]
        assert {block.host for block in node.ports.values()} == {"127.0.0.1"}
        assert all(any(str(block.first) in word for word in node.argv) for block in node.ports.values())
        assert f"/r/{name}" in node.argv


def test_every_process_is_told_of_the_servers() -> None:
    planned = plan("runtime=nats")
    nats, etcd = (planned[name].ports["client"].first for name in ("nats", "etcd"))
    for name in ("worker-0", "frontend"):
        environment = planned[name].env
        assert environment["NATS_SERVER"] == f"nats://127.0.0.1:{nats}"
        assert environment["ETCD_ENDPOINTS"] == f"http://127.0.0.1:{etcd}"
        assert "DYN_FILE_KV" not in environment


def test_named_servers_are_used_and_known_to_the_plan() -> None:
    planned = plan("runtime=nats", NATS, ETCD)
    assert planned["frontend"].env["NATS_SERVER"] == "nats://10.0.0.5:4222"
    assert planned["frontend"].env["ETCD_ENDPOINTS"] == "http://10.0.0.5:2379"
    assert [(s.field, s.url) for s in planned.servers] == [
        ("runtime.nats_url", "nats://10.0.0.5:4222"),
        ("runtime.etcd_url", "http://10.0.0.5:2379"),
    ]


def test_without_servers_nothing_is_said_of_them() -> None:
    assert not {"NATS_SERVER", "ETCD_ENDPOINTS"} & set(plan("runtime=embedded")["frontend"].env)


def test_servers_are_started_again_like_other_services() -> None:
    of = graph("runtime=nats", "launcher.restarts=5")
    assert {of[name].restart.times for name in ("nats", "etcd", "frontend")} == {5}


def test_the_nats_server_is_that_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    assert Path(programs.find("nats-server")).is_file()


def test_a_program_that_is_not_there_stays_a_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    assert programs.find("etcd") == "etcd"
