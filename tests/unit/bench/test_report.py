"""The report: what stands in it, and that a browser draws it without a word and without the network."""

from __future__ import annotations

import asyncio
import json
import re
from pathlib import Path
from typing import Any

import pytest

from armature.bench.compare.groups import Measured
from armature.bench.compare.groups import group as group_runs
from armature.bench.report.curves import places
from armature.bench.report.page import graph, page
from armature.bench.report.trade_offs import points, trade_offs
from armature.bench.runs import Run
from armature.bench.server import interest
from armature.bench.summarize import load_summary, summarize, write
from armature.cli.report import main
from chromium import browser
from support.browser import CHROMIUM, WITHOUT, open_page
from support.load_files import failed, load, request, sample, write_load

NODES = [
    {"name": "worker-0", "kind": "service", "label": "aggregated", "argv": ["true"], "gpus": [0]},
    {"name": "frontend", "kind": "service", "argv": ["true"], "needs": ["worker-0"]},
]
PLAN: dict[str, Any] = {"version": 1, "run_dir": "/r", "cache_dir": "/c", "tmp_dir": "/t", "nodes": NODES, "model": "tiny-qwen3"}
HOSTILE = "</script><script>console.error('escaped')</script>"


def made(root: Path, name: str, seed: int = 0, scale: float = 1.0, **files: Any) -> Path:
    """A run of some seconds with two classes, warm-up, failures and server samples."""
    run = root / name
    rows = [
        request(i, at=i / 10 - 2, ttft_ms=(80 + (i * 7 + seed) % 40) * scale, gaps_ms=[10 + i % 5] * 20)
        | {"class": "chat" if i % 3 else HOSTILE, "phase": "warmup" if i < 20 else "measure"}
        for i in range(120)
    ]
    samples = [sample(t, "sglang:num_running_reqs", t % 5, engine="0") for t in range(10)]
    samples += [sample(t, "requests_total", t * 12.0) for t in range(10)] + [sample(t, "constant", 1) for t in range(10)]
    files.setdefault("about", load(settings={"concurrency": 4, "slo": {"ttft_ms": 100}}, seed=seed))
    write_load(run, [*rows, failed(999), failed(998, "http")], samples=samples, **files)
    (run / "plan.json").write_text(json.dumps(PLAN | {"name": run.parent.name, "hash": run.parent.name}))
    (run / "deployment.json").write_text(json.dumps({"topology": {"name": run.parent.name}}))
    (run / "results/profile").mkdir(parents=True)
    (run / "results/profile/worker 0.json.gz").write_text("a trace")
    return run


def measured(run: Path) -> Measured:
    return Measured(Run(run), load_summary(Run(run)))


def text_of(run: Path) -> str:
    assert main([str(run)]) == 0
    return (run / "report.html").read_text()


def own(html: str) -> str:
    """The page without plotly's code."""
    return re.sub(r"<script>.{1000000,}?</script>", "", html, count=1, flags=re.DOTALL)


@pytest.mark.skipif(CHROMIUM is None, reason=WITHOUT)
def test_a_browser_draws_every_plot_in_silence_and_without_the_network(tmp_path: Path) -> None:
    for name, scale in (("agg", 1.0), ("disagg", 0.5)):
        for seed in range(3):
            made(tmp_path, f"{name}/{seed}", seed, scale)
    out = tmp_path / "report.html"
    assert main([str(tmp_path), "--out", str(out)]) == 0
    unfolded = out.read_text().replace("<details>", "<details open>")  # folded ones are drawn when they are opened
    out.write_text(unfolded)
    opened = open_page(out, tmp_path)
    places = len(re.findall(r'data-figure="f\d+"', own(unfolded)))
    assert opened.console == []
    assert opened.asked == []
    assert places > 20
    assert len(re.findall(r'class="plot js-plotly-plot"[^>]*data-figure', opened.dom)) == places
    assert opened.dom.count('class="main-svg"') >= places
    assert len(re.findall(r'class="js-line"', opened.dom)) > 100


@pytest.mark.skipif(CHROMIUM is None, reason=WITHOUT)
def test_the_page_fits_a_phone_and_a_sheet_of_paper(tmp_path: Path) -> None:
    """Nothing but tables scrolls sideways, and plots are as wide as what they are on."""

    async def look() -> tuple[int, list[int]]:
        async with browser() as opened:
            await opened.open(tmp_path / "report.html", width=420)
            width = await opened.evaluate("document.documentElement.scrollWidth")
            await opened.evaluate("dispatchEvent(new Event('beforeprint'))")
            return width, await opened.evaluate("[...document.querySelectorAll('.js-plotly-plot')].map((p) => p._fullLayout.width)")

    for name in ("agg", "disagg"):
        made(tmp_path, f"{name}/1")
    assert main([str(tmp_path), "--out", str(tmp_path / "report.html")]) == 0
    width, printed = asyncio.run(look())
    assert width == 420
    assert set(printed) == {330, 680}


def test_the_page_forbids_itself_the_network(tmp_path: Path) -> None:
    html = own(text_of(made(tmp_path, "agg/1")))
    assert "default-src 'none'" in html
    assert re.findall(r'(?:src|href)="(?:https?:)?//[^"]*"', html) == []


def test_what_a_run_says_is_escaped(tmp_path: Path) -> None:
    assert "<script>console.error" not in own(text_of(made(tmp_path, "agg/1")))


def test_tables_come_before_plots(tmp_path: Path) -> None:
    html = own(text_of(made(tmp_path, "agg/1")))
    assert html.index('id="runs"') < html.index('data-figure="')


def test_a_legend_stands_on_the_page_in_full(tmp_path: Path) -> None:
    html = own(text_of(made(tmp_path, "agg/1")))
    for name in ("all requests", "chat", "worker-0"):
        assert f'data-name="{name}"' in html


def test_what_was_set_differently_is_told_before_the_figures(tmp_path: Path) -> None:
    for name in ("agg", "disagg"):
        made(tmp_path, f"{name}/1")
    assert main([str(tmp_path), "--out", str(tmp_path / "report.html")]) == 0
    html = own((tmp_path / "report.html").read_text())
    assert html.index("<code>topology.name</code>") < html.index('id="comparison"')


def test_traces_are_linked_from_where_the_page_lies(tmp_path: Path) -> None:
    run = made(tmp_path, "agg/1")
    out = tmp_path / "elsewhere/report.html"
    assert main([str(run), "--out", str(out)]) == 0
    (link,) = re.findall(r'href="([^"#]+)"', own(out.read_text()))
    assert link == "../agg/1/results/profile/worker%200.json.gz"


def test_a_run_that_must_not_be_used_says_so_on_its_page(tmp_path: Path) -> None:
    run = made(tmp_path, "agg/1", clients=[])
    html = own(text_of(run))
    assert '<span class="bad">invalid</span>' in html and "left no client.0.json" in html


def test_a_run_without_measured_requests_has_a_page(tmp_path: Path) -> None:
    write_load(tmp_path / "agg/1", [request(0, phase="warmup")], about=load(measure_started=None, end_reason="stopped"))
    assert "no request was sent" in own(text_of(tmp_path / "agg/1"))


def test_a_run_without_any_request_has_a_page(tmp_path: Path) -> None:
    write_load(tmp_path / "agg/1", [])
    assert "no request was sent" in own(text_of(tmp_path / "agg/1"))


def test_constant_metrics_of_servers_are_counted_not_drawn(tmp_path: Path) -> None:
    assert "Not drawn: 1 constant series, 0 others" in own(text_of(made(tmp_path, "agg/1")))


def test_the_graph_is_text_where_graphviz_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = made(tmp_path, "agg/1")
    monkeypatch.setenv("PATH", "/nowhere")
    svg, text = graph(Run(run))
    assert svg is None and text is not None and "worker_0 -->|ready| frontend" in text


def test_a_comparison_stands_on_the_page(tmp_path: Path) -> None:
    for name in ("agg", "disagg"):
        made(tmp_path, f"{name}/1")
    out = tmp_path / "report.html"
    assert main([str(tmp_path), "--out", str(out)]) == 0
    html = own(out.read_text())
    assert "1 run: no claim" in html and "<code>topology.name</code>" in html


def test_trade_offs_leave_out_what_has_no_figure(tmp_path: Path) -> None:
    run = tmp_path / "embed/1"
    write_load(run, [request(0, user="embeddings", gaps_ms=[], chunks=0, ttft_ms=90.0) | {"ttft_ms": None, "output_tokens": None}])
    groups = group_runs([measured(made(tmp_path, "agg/1")), measured(run)])
    standing = places(groups)
    assert [p.place.curve for p in points(groups, standing, "output_tokens_per_s", "output_tokens_per_s")] == ["agg"]
    assert trade_offs(groups, standing) is None


def test_a_report_of_tables_alone_needs_no_raw_files(tmp_path: Path) -> None:
    """What stays when load/ was thrown away."""
    run = Run(made(tmp_path, "agg/1"))
    write(run, *summarize(run))
    for file in run.load.iterdir():
        file.unlink()
    run.load.rmdir()
    assert "Over time" in page([measured(run.path)], tmp_path / "report.html")


@pytest.mark.skipif(CHROMIUM is None, reason=WITHOUT)
def test_a_flame_graph_is_drawn_in_the_page_and_runs_nothing(tmp_path: Path) -> None:
    run = made(tmp_path, "agg/1")
    (run / "results/profile/worker-0").mkdir()
    drawing = '<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><script>console.error("it ran")</script></svg>'
    (run / "results/profile/worker-0/7.svg").write_text(drawing)
    html = own(text_of(run))
    assert "Flame graph of worker-0" in html and 'src="data:image/svg+xml;base64,' in html
    assert open_page(run / "report.html", tmp_path).console == []


def test_what_is_asked_of_a_server_first_is_drawn_first() -> None:
    names = [
        "dynamo_frontend_ttft_sum",
        "dynamo_tokio_tasks",
        "vllm:running",
        "armature_requests_running",
        "host_cpu_cores",
        "gpu_utilization",
    ]
    assert sorted(names, key=interest) == [*reversed(names[1:]), names[0]]
