"""`armature up ... load=closed`: serve, load, summarise, report, end."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from support.measuring import SMALL
from support.serving import CLEAN, Up, leftovers, up

COUNT = 150  # long enough to be looked at in its middle

pytestmark = [pytest.mark.engine, pytest.mark.timeout(400)]


@pytest.fixture(scope="module")
def ended(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> Iterator[Up]:
    """A run that has put its load on and ended by itself."""
    words = ("agg", "+model=tiny-qwen3", "frontend.port=0", *SMALL, "load.concurrency=4", f"load.count={COUNT}")
    profile = ("profile=torch", "profile.after_s=0", "profile.seconds=0.5")
    with up(tmp_path_factory.mktemp("load"), cache, *words, *profile) as running:
        running.process.wait(300)
        yield running


def results(running: Up) -> dict[str, Any]:
    summary: dict[str, Any] = json.loads((running.run_dir / "results/summary.json").read_text())
    return summary


def test_it_ends_well_by_itself_and_leaves_nothing(ended: Up) -> None:
    assert ended.process.returncode == 0, ended.text()
    assert leftovers(ended) == CLEAN


def test_the_summary_counts_every_request_and_may_be_used(ended: Up) -> None:
    summary = results(ended)
    assert summary["failures"] == []
    assert summary["overall"]["counts"] == {"sent": COUNT, "ok": COUNT, "failed": 0, "failed_by_kind": {}}
    assert summary["overall"]["lengths"]["input"]["realised"]["mean"] == 128


def test_the_user_sees_the_figures_and_where_the_report_is(ended: Up) -> None:
    report = ended.run_dir / "report.html"
    assert report.is_file() and f"wrote {report}" in ended.text()
    assert f"{COUNT} requests in" in ended.text()


def assert_every_token_is_timed(running: Up) -> None:
    """Many tokens of a seeded model are halves of characters, and have no text of their own."""
    chunks = results(running)["overall"]["chunks"]
    assert (chunks["counted_by"], chunks["mismatched"], chunks["first_tokens"]) == ("server", 0, 1)
    assert chunks["tokens_per_chunk"]["mean"] == 1


def test_every_token_is_timed_also_one_without_text(ended: Up) -> None:
    assert_every_token_is_timed(ended)


def test_samples_say_how_busy_the_host_was(ended: Up) -> None:
    host = results(ended)["host"]
    assert 0 <= host["others"] <= 1 and 0 <= host["steal"] <= 1 and host["runnable_per_core"] > 0


def test_samples_say_what_each_node_did(ended: Up) -> None:
    series = {(s["node"], s["name"]) for s in results(ended)["server"]}
    assert {("worker-0", "host_cpu_cores"), ("frontend", "host_rss_bytes"), ("sampler", "host_cpu_cores")} <= series
    rss = next(s["mean"] for s in results(ended)["server"] if (s["node"], s["name"]) == ("worker-0", "host_rss_bytes"))
    assert rss > 900e6, "the worker alone takes 700 MB: its scheduler is missing"
    names = {name for node, name in series if node == "worker-0" and name.startswith("armature")}
    assert {"armature_requests_running", "armature_requests_waiting", "armature_kv_cache_use_ratio"} <= names, sorted(
        n for n in names if n.startswith("armature")
    )


def test_the_profile_names_the_operators_of_the_model(ended: Up) -> None:
    folder = ended.run_dir / "results/profile/worker-0"
    (top,) = json.loads((folder / "top.json").read_text())
    assert (folder / top["trace"]).is_file()
    assert "aten::mm" in {o["name"] for o in top["operators"]} and top["gpu_idle_share"] is None
    page = (ended.run_dir / "report.html").read_text()
    assert "Operators of worker-0" in page and "aten::mm" in page


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> Iterator[Up]:
    """Prefill and decode, loaded and looked at by py-spy until they ended by themselves."""
    words = ("disagg", "+model=tiny-qwen3", "frontend.port=0", *SMALL, "load.concurrency=2", "load.count=60")
    profile = ("profile=pyspy", "profile.nodes=[frontend,decode-0]", "profile.after_s=0", "profile.seconds=1")
    with up(tmp_path_factory.mktemp("pair"), cache, *words, *profile) as running:
        running.process.wait(300)
        yield running


def test_prefill_and_decode_serve_until_the_load_has_ended(pair: Up) -> None:
    """The task that probes every pair has ended by then; it was the first to need them, and is not the last."""
    assert pair.process.returncode == 0, pair.text()
    assert results(pair)["overall"]["counts"]["ok"] == 60
    assert_every_token_is_timed(pair)


def test_a_flame_graph_shows_the_engine_s_python(pair: Up) -> None:
    (graph,) = (pair.run_dir / "results/profile/decode-0").glob("*.svg")
    assert "event_loop" in graph.read_text(), "the scheduler is a process below the worker"
    ElementTree.parse(graph)  # a browser draws nothing of a file that is no XML
    assert graph.name in (pair.run_dir / "report.html").read_text()


def test_a_node_without_python_at_work_fails_no_profile(pair: Up) -> None:
    """The frontend's work is in Rust: py-spy finds nothing in it, or next to nothing."""
    for graph in (pair.run_dir / "results/profile/frontend").glob("*.svg"):
        assert "<svg" in graph.read_text()
