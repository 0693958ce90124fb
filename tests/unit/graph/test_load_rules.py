"""What measures a run is part of its graph, and no part of its hash."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from armature import env
from armature.config.compose import compose
from armature.config.modelref import locate
from armature.errors import UserError
from armature.graph import programs, rules
from armature.graph.hosts import Host
from armature.graph.node import Graph
from armature.graph.place import Site, place
from armature.graph.plan import Plan
from armature.graph.ports import CountingPorts
from armature.launch.preflight import check

SITE = Site(run_dir=Path("/runs/x/ID"), cache_dir=Path("/cache"), tmp_dir=Path("/tmp/x"), hosts=(Host(CountingPorts(), gpus=8),))


def graph_of(words: Sequence[str]) -> Graph:
    deployment = compose(["model=tiny-qwen3", *words]).deployment
    return rules.build(deployment, locate(deployment.model, Path("/")))


def plan_of(*words: str) -> Plan:
    return place(graph_of(words), SITE)


def test_without_a_load_nothing_ends_the_run() -> None:
    graph = graph_of([])
    assert graph.until == () and not any(node.measures for node in graph.nodes)


@pytest.mark.parametrize("topology", ["agg", "agg_router", "disagg", "disagg_router", "dp"])
def test_a_frontend_needs_every_worker(topology: str) -> None:
    """Under load, a service that nothing needs ends: workers whose pairs were probed by a task that has ended, as well."""
    graph = graph_of([f"topology={topology}", "load=closed"])
    workers = {node.name for node in graph.nodes if node.label in ("aggregated", "prefill", "decode")}
    assert workers and workers <= set(graph["frontend"].needs)


def test_a_load_brings_its_sampler_summary_and_report_and_ends_the_run() -> None:
    graph = graph_of(["load=closed"])
    assert [node.name for node in graph.nodes if node.measures] == ["sampler", "load", "summary", "report"]
    assert graph.until == ("report",)
    assert set(graph["load"].needs) == {"frontend", "sampler"}


def test_keep_serves_on() -> None:
    assert graph_of(["load=closed", "load.keep=true"]).until == ()


@pytest.mark.parametrize("words", [["load=closed"], ["load=poisson", "load.seed=3"], ["load=closed", "load.sample_s=0"]])
def test_the_hash_says_what_serves_and_not_what_measures(words: list[str]) -> None:
    assert plan_of(*words).hash == plan_of().hash


def test_every_figure_of_every_process_is_sampled() -> None:
    argv = graph_of(["load=closed", "topology=disagg"])["sampler"].argv
    targets = [argv[i + 1].partition("=")[0] for i, word in enumerate(argv) if word == "--target"]
    assert targets == ["prefill-0", "decode-0", "frontend"]
    assert "--gpus" not in argv
    assert "--gpus" in graph_of(["load=closed", "hardware=cuda"])["sampler"].argv


def test_the_settings_stand_in_the_command() -> None:
    argv = plan_of("load=closed", "load.concurrency=3")["load"].argv
    settings = json.loads(argv[argv.index("--load-settings") + 1])
    assert settings["shape"]["concurrency"] == 3 and settings["model"] == "tiny-qwen3"


def test_goals_are_the_summarys() -> None:
    argv = plan_of("load=closed", "load.slo.ttft_ms=200", "load.tolerance.share=1")["summary"].argv
    assert argv[-4:] == ("--slo", "ttft_ms=200", "--tolerance", "share=1")


def test_a_server_of_others_is_only_measured() -> None:
    deployment = compose(["topology=external", "url=http://10.0.0.5:80/", "load=closed"]).deployment
    graph = rules.build(deployment, locate(deployment.model, Path("/")))
    assert [node.name for node in graph.nodes] == ["load", "summary", "report"]
    assert (graph.servers[0].kind, graph.servers[0].url, graph.servers[0].model) == ("openai", "http://10.0.0.5:80", None)


def test_without_locust_it_is_said_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    def nowhere() -> str:
        raise FileNotFoundError

    monkeypatch.setattr(env, "loadtests_python", nowhere)
    plan = place(graph_of(["load=closed"]), replace(SITE, program=programs.find))
    with pytest.raises(UserError) as caught:
        check(plan.model_copy(update={"nodes": (plan["load"],)}))
    assert "requirements/loadtests.lock" in caught.value.render()


def test_the_locustfile_is_there() -> None:
    assert Path(programs.find("locustfile")).is_file()
