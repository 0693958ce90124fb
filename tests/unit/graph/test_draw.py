"""Drawings hold every node and every need."""

from __future__ import annotations

import shutil
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from armature.config.compose import compose
from armature.config.modelref import locate
from armature.errors import UserError
from armature.graph import rules
from armature.graph.draw import draw
from armature.graph.hosts import Host
from armature.graph.place import Site, place
from armature.graph.plan import Plan
from armature.graph.ports import CountingPorts


@pytest.fixture
def plan() -> Plan:
    deployment = compose(["model=tiny-qwen3", "experiment=two_workers"]).deployment
    graph = rules.build(deployment, locate(deployment.model, Path("/u")))
    return place(graph, Site(run_dir=Path("/r"), cache_dir=Path("/c"), tmp_dir=Path("/t"), hosts=(Host(CountingPorts()),)))


def test_dot_has_each_edge_once(plan: Plan) -> None:
    text = draw(plan, "dot")
    assert text.count('"worker-0" -> "frontend" [label="ready"]') == 1
    assert text.count('"model" -> "worker-1" [label="done"]') == 1


def test_mermaid_names_nodes_as_identifiers(plan: Plan) -> None:
    text = draw(plan, "mermaid")
    assert text.startswith("flowchart LR\n")
    assert "worker_0 -->|ready| frontend" in text


def test_svg_is_a_picture_of_all_nodes(plan: Plan) -> None:
    if not shutil.which("dot"):
        pytest.skip("Graphviz is not installed: apt-get install graphviz")
    titles = {e.text for e in ET.fromstring(draw(plan, "svg")).iter("{http://www.w3.org/2000/svg}title")}
    assert {"model", "worker-0", "worker-1", "frontend"} <= titles


def test_svg_without_graphviz_says_what_to_do(plan: Plan, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(UserError, match="install it"):
        draw(plan, "svg")
