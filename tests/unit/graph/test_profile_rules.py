"""Profiles in the graph."""

from __future__ import annotations

from pathlib import Path

import pytest

from armature.config.compose import compose
from armature.config.modelref import locate
from armature.errors import UserError
from armature.graph import rules
from armature.graph.hosts import Host
from armature.graph.node import Graph
from armature.graph.place import Site, place
from armature.graph.ports import CountingPorts


def graph_of(*words: str) -> Graph:
    deployment = compose(["model=tiny-qwen3", "load=closed", *words]).deployment
    return rules.build(deployment, locate(deployment.model, Path("/")))


@pytest.mark.parametrize("kind", ["torch", "pyspy"])
def test_a_profile_is_taken_beside_the_load_and_reported_on(kind: str) -> None:
    graph = graph_of("topology=disagg", f"profile={kind}")
    assert "load" not in graph["profile"].needs and "profile" in graph["report"].needs
    assert [Path(o).name for o in graph["profile"].task.outputs] == ["prefill-0", "decode-0"]  # type: ignore[union-attr]


def test_named_nodes_only() -> None:
    argv = graph_of("profile=pyspy", "profile.nodes=[frontend]")["profile"].argv
    assert [argv[i + 1] for i, word in enumerate(argv) if word == "--node"] == ["frontend"]


@pytest.mark.parametrize(("kind", "node"), [("torch", "frontend"), ("pyspy", "worker-1")])
def test_a_node_that_cannot_be_looked_at_is_refused(kind: str, node: str) -> None:
    with pytest.raises(UserError, match=f"no node '{node}'"):
        graph_of(f"profile={kind}", f"profile.nodes=[{node}]")


def test_nsys_is_around_each_worker() -> None:
    graph = graph_of("profile=nsys", "hardware=cuda", "hardware.gpus=1")
    argv = graph["worker-0"].argv
    assert argv[:2] == ("${program:nsys}", "profile") and "${run}/results/profile/worker-0.nsys" in argv and "worker" in argv
    assert graph["frontend"].argv[0] == "${python}"


@pytest.mark.parametrize("kind", ["torch", "pyspy"])
def test_a_profiled_run_is_no_repeat_of_another(kind: str) -> None:
    site = Site(run_dir=Path("/r"), cache_dir=Path("/c"), tmp_dir=Path("/t"), hosts=(Host(CountingPorts()),))
    assert place(graph_of(f"profile={kind}"), site).hash != place(graph_of(), site).hash
