"""The graph refuses what cannot be run, and names what is wrong."""

from __future__ import annotations

import pytest

from armature.errors import UserError
from armature.graph.node import Graph, HttpProbe, Node, TaskSpec


def service(name: str, *needs: str) -> Node:
    return Node(name=name, kind="service", argv=("true",), needs=needs, ready=HttpProbe(url="http://127.0.0.1:1"))


def test_order_puts_needs_first() -> None:
    graph = Graph(name="g", nodes=(service("c", "b"), service("b", "a"), service("a")))
    assert graph.order() == ("a", "b", "c")


def test_a_cycle_is_named() -> None:
    with pytest.raises(UserError, match=r"in a cycle: .*a.*b"):
        Graph(name="g", nodes=(service("a", "b"), service("b", "a")))


def test_an_unknown_need_gets_the_nearest_name() -> None:
    with pytest.raises(UserError) as caught:
        Graph(name="g", nodes=(service("worker-0"), service("frontend", "worker0")))
    assert "frontend needs 'worker0'" in caught.value.what
    assert "worker-0" in (caught.value.fix or "")


def test_doubled_names_are_named() -> None:
    with pytest.raises(UserError, match="several nodes are called a"):
        Graph(name="g", nodes=(service("a"), service("a")))


def test_a_service_without_a_probe_is_refused() -> None:
    with pytest.raises(ValueError, match="no readiness probe"):
        Node(name="a", kind="service", argv=("true",))


def test_a_task_without_outputs_is_refused() -> None:
    with pytest.raises(ValueError, match="does not say what its outputs are"):
        Node(name="a", kind="task", argv=("true",))


def test_nodes_are_values() -> None:
    node = Node(name="a", kind="task", argv=("true",), task=TaskSpec(outputs=("x",)))
    assert Node.model_validate_json(node.model_dump_json()) == node
