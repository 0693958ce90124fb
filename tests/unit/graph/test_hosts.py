"""Placement on several hosts: one host is the case of length one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from armature.address import EVERY
from armature.errors import UserError
from armature.graph.hosts import Host
from armature.graph.node import Graph, HttpProbe, Node, PortRequest
from armature.graph.place import Site, place
from armature.graph.plan import Plan
from armature.graph.ports import CountingPorts


def node(name: str, **given: Any) -> Node:
    return Node(**{"name": name, "kind": "service", "argv": ("true",), "ready": HttpProbe(url="http://x")} | given)


def hosts(*gpus: int, cores: int | None = None) -> tuple[Host, ...]:
    return tuple(Host(CountingPorts(), f"n{i}", f"10.0.0.{i + 1}", gpus=count, cores=cores) for i, count in enumerate(gpus))


def placed(on: tuple[Host, ...], *nodes: Node) -> Plan:
    return place(Graph(name="g", nodes=nodes), Site(run_dir=Path("/r"), cache_dir=Path("/c"), tmp_dir=Path("/t"), hosts=on))


def test_a_node_goes_to_the_first_host_with_enough_gpus() -> None:
    plan = placed(hosts(2, 4), node("front"), node("a", gpus=1), node("b", gpus=3), node("c", gpus=1))
    assert [(n.name, n.host, n.gpus) for n in plan.nodes] == [
        ("front", "n0", ()),
        ("a", "n0", (0,)),
        ("b", "n1", (0, 1, 2)),
        ("c", "n0", (1,)),
    ]


def test_a_node_over_several_hosts_becomes_a_process_on_each() -> None:
    plan = placed(hosts(8, 8), node("engine", hosts=2, gpus=8), node("front", needs=("engine",)))
    assert [(n.name, n.host, n.rank, n.leader) for n in plan.nodes if n.gpus] == [
        ("engine", "n0", 0, None),
        ("engine-rank1", "n1", 1, "engine"),
    ]
    assert plan["front"].needs == ("engine", "engine-rank1")
    assert plan.gpus == 16


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("${rank}", ["0", "1"]),
        ("${host}", ["10.0.0.1", "10.0.0.2"]),
        ("${host:engine}", ["10.0.0.1", "10.0.0.1"]),
        ("${port:engine.meet}", ["20000", "20005"]),
        ("${at:engine.meet}", ["10.0.0.1:20000", "10.0.0.2:20005"]),
    ],
)
def test_each_process_has_its_own_words(word: str, expected: list[str]) -> None:
    one, two = Host(CountingPorts(20000), "n0", "10.0.0.1"), Host(CountingPorts(20005), "n1", "10.0.0.2")
    plan = placed((one, two), node("engine", hosts=2, argv=(word,), ports=(PortRequest(name="meet"),)))
    assert [n.argv[0] for n in plan.nodes] == expected


def test_followers_reach_the_leader() -> None:
    on = (Host(CountingPorts(20000), "n0", "10.0.0.1"), Host(CountingPorts(20005), "n1", "fd00::2"))
    plan = placed(on, node("engine", hosts=2, ports=(PortRequest(name="meet"),), env={"MEET": "${lead:meet}", "OWN": "${at:engine.meet}"}))
    assert [(n.env["MEET"], n.env["OWN"]) for n in plan.nodes] == [
        ("10.0.0.1:20000", "10.0.0.1:20000"),
        ("10.0.0.1:20000", "[fd00::2]:20005"),
    ]


def test_others_reach_a_listener_of_all_interfaces_by_its_hosts_address() -> None:
    front = node("front", argv=("${at:front.http}",), ports=(PortRequest(name="http", host=EVERY),))
    assert placed(hosts(0, 0), front)["front"].argv == ("10.0.0.1:20000",)


def test_hosts_have_ports_of_their_own() -> None:
    a, b = (node(name, gpus=1, ports=(PortRequest(name="x", fixed=8000),)) for name in ("a", "b"))
    plan = placed(hosts(1, 1), a, b)
    assert [(n.host, n.ports["x"].first, n.ports["x"].host) for n in plan.nodes] == [("n0", 8000, "10.0.0.1"), ("n1", 8000, "10.0.0.2")]


def test_gpus_are_shared_on_the_same_host() -> None:
    plan = placed(hosts(1, 1), node("a", gpus=1), node("b", gpus=1), node("c", gpus_of="b"))
    assert (plan["c"].host, plan["c"].gpus) == ("n1", (0,))


@pytest.mark.parametrize(
    ("on", "wanted", "said"),
    [
        (hosts(4, 2), {"gpus": 3, "hosts": 2}, "needs 2 hosts with 3 GPUs free"),
        (hosts(4, 2), {"gpus": 5}, "needs a host with 5 GPUs free"),
        (hosts(0, cores=4), {"cores": 5}, "needs a host with 5 cores free"),
        (hosts(1), {"hosts": 2}, "needs 2 hosts"),
    ],
)
def test_too_little_is_said_with_what_there_is(on: tuple[Host, ...], wanted: dict[str, int], said: str) -> None:
    with pytest.raises(UserError, match=said) as caught:
        placed(on, node("a", **wanted))
    assert "n0 has" in (caught.value.expected or "")


def test_cores_are_counted_per_host() -> None:
    plan = placed(hosts(0, 0, cores=4), node("a", cores=3), node("b", cores=3))
    assert [n.host for n in plan.nodes] == ["n0", "n1"]


def test_the_hash_knows_which_nodes_share_a_host_and_not_what_hosts_are_called() -> None:
    a, b = node("a", gpus=1), node("b", gpus=1)
    renamed = tuple(Host(CountingPorts(), f"x{i}", f"10.9.0.{i}", gpus=1) for i in range(2))
    assert placed(hosts(1, 1), a, b).hash == placed(renamed, a, b).hash != placed(hosts(2), a, b).hash
