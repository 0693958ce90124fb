"""Each figure whose value does not mean what it seems to has a caveat, and every output shows it on the figure."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from armature.bench import trust
from armature.bench.compare.groups import Measured
from armature.bench.host import host_load, runnable_processes
from armature.bench.live import LoadNow
from armature.bench.metrics import METRICS
from armature.bench.report.page import page
from armature.bench.runs import Run
from armature.bench.stats import distribution
from armature.bench.summarize import summarize, write
from armature.bench.summary import Caveat, ServerSeries, Summary
from armature.bench.text import overview
from armature.cli.load_now import load_lines
from support.load_files import client, failed, request, sample, write_load

NAMES = {m.name for m in METRICS}


def rows(count: int, seconds: float = 20.0, **changes: Any) -> list[dict[str, Any]]:
    return [request(i, at=i * seconds / count, **changes) for i in range(count)]


def summary_of(run: Path, requests: list[dict[str, Any]], **files: Any) -> Summary:
    write_load(run, requests, **files)
    return summarize(Run(run))[0]


def by_kind(summary: Summary) -> dict[str, Caveat]:
    return {c.kind: c for c in summary.overall.caveats}


def test_a_good_run_has_no_caveat(tmp_path: Path) -> None:
    assert summary_of(tmp_path, rows(500)).overall.caveats == []


@given(st.integers(1, 600), st.sampled_from(list(trust.SHARES)))
def test_a_percentile_needs_five_values_beyond_it(count: int, q: str) -> None:
    d = distribution([float(i) for i in range(count)])
    assert d is not None
    assert trust.is_few(d, q) == (math.floor(count * trust.SHARES[q] + 1e-9) < trust.BEYOND)


def test_with_five_values_beyond_expected_hardly_ever_none_is() -> None:
    """The rule's reason: all values are below the true percentile with a chance of less than 0.7%."""
    assert all((1 - share) ** trust.needed(q) < 0.007 for q, share in trust.SHARES.items())


def test_too_few_requests_for_a_percentile(tmp_path: Path) -> None:
    """40 requests have 360 gaps: ITL's p95 is known, its p99 is not."""
    found = [c for c in summary_of(tmp_path, rows(40)).overall.caveats if c.kind == "few_samples"]
    assert {name for c in found for name in c.figures} == {
        *(f"{which}_{q}_ms" for which in ("ttft", "tpot", "e2e") for q in ("p90", "p95", "p99")),
        "itl_p99_ms",
    }
    assert found[0].text == "TTFT, TPOT and E2E: 40 values each, too few for p90, p95 and p99 (needed: p90 50, p95 100, p99 500)"


@pytest.mark.parametrize(
    ("seconds", "ttft_ms", "short"), [(9.0, 100.0, True), (20.0, 100.0, False), (20.0, 4500.0, True), (30.0, 4500.0, False)]
)
def test_a_window_must_be_long_also_beside_its_requests(tmp_path: Path, seconds: float, ttft_ms: float, short: bool) -> None:
    found = by_kind(summary_of(tmp_path, rows(500, seconds - ttft_ms / 1000 - 0.1, ttft_ms=ttft_ms)))
    assert ("short_window" in found) == short
    assert not short or set(found["short_window"].figures) == NAMES


def test_requests_that_failed_are_missing_from_every_figure_but_those_that_count_them(tmp_path: Path) -> None:
    found = by_kind(summary_of(tmp_path, [*rows(500), *(failed(900 + i, at=1) for i in range(6))]))["failed"]
    assert NAMES - set(found.figures) == {"failed", "goodput_per_s", "goodput_fraction"}
    assert "failed" not in by_kind(summary_of(tmp_path / "b", [*rows(500), failed(900, at=1)]))


def test_a_client_s_lag_is_held_against_the_figure_that_it_is_part_of(tmp_path: Path) -> None:
    """A lag of 2 ms (p99) is nothing to a TTFT of 100 ms, and a fifth of a gap of 10 ms."""
    found = by_kind(summary_of(tmp_path, rows(600), clients=[client(lag_ms={"p50": 0.1, "p99": 2.0, "max": 3.0})]))
    assert set(found["client_lag"].figures) == {"itl_p90_ms", "itl_p95_ms", "itl_p99_ms"}
    assert "p99 2.00 ms" in found["client_lag"].text


@pytest.mark.parametrize(
    ("name", "limit", "text"),
    [
        ("host_cpu_others_ratio", trust.MOST_OTHERS, "outside the run used"),
        ("host_cpu_steal_ratio", trust.MOST_STEAL, "the hypervisor took"),
        ("host_runnable_per_core", trust.MOST_RUNNABLE, "processes per core"),
    ],
)
def test_a_busy_host_lessens_every_figure(tmp_path: Path, name: str, limit: float, text: str) -> None:
    for folder, value, busy in (("a", limit * 1.1, True), ("b", limit * 0.9, False)):
        samples = [sample(at, name, value, node="host") for at in range(5)] + [sample(-3, name, 99, node="host")]
        found = by_kind(summary_of(tmp_path / folder, rows(500), samples=samples))
        assert ("busy_host" in found) == busy
        assert not busy or (text in found["busy_host"].text and set(found["busy_host"].figures) == NAMES)


def test_a_host_that_nobody_sampled_is_unknown() -> None:
    assert host_load([]).model_dump() == {"others": None, "steal": None, "runnable_per_core": None}
    series = ServerSeries(
        node="worker-0", name="host_cpu_steal_ratio", labels={}, count=1, mean=1, p50=1, p99=1, min=1, max=1, increase_per_s=None
    )
    assert host_load([series]).steal is None, "of a node, not of the host"


def test_the_run_queue_is_read_from_proc_stat(tmp_path: Path) -> None:
    (tmp_path / "stat").write_text("cpu 1 2 3\nprocs_running 7\n")
    assert runnable_processes(tmp_path / "stat") == 7
    assert runnable_processes(tmp_path / "none") is None


ITL = {f"itl_{q}_ms" for q in ("mean", "p50", "p90", "p95", "p99", "max")}
TTFT = {f"ttft_{q}_ms" for q in ("mean", "p50", "p90", "p95", "p99", "max")}


@pytest.mark.parametrize(
    ("changes", "figures"),
    [
        ({"chunk_tokens": [1] * 10}, set()),
        ({"output_tokens": 14, "asked_output": 14}, ITL | TTFT),  # counted by text: the first token may have had none
        ({"chunk_tokens": [1, *[2] * 9], "output_tokens": 19, "asked_output": 19}, ITL),
        ({"chunk_tokens": [3, *[1] * 9], "output_tokens": 12, "asked_output": 12}, ITL | TTFT),
        ({"gaps_ms": [0.0] * 9}, ITL),
    ],
    ids=["a token each", "by text", "bursts", "first burst", "at once"],
)
def test_chunks_that_are_no_tokens_lessen_the_figures_of_chunks(tmp_path: Path, changes: dict[str, Any], figures: set[str]) -> None:
    found = summary_of(tmp_path, rows(600, **changes)).overall.caveats
    assert {name for c in found if c.kind == "chunks" for name in c.figures} == figures
    assert {c.kind for c in found} <= {"chunks", "client_lag"}, "gaps of 0 ms are less than any lag"


def test_chunks_that_do_not_add_up_to_the_server_s_count_are_told(tmp_path: Path) -> None:
    summary = summary_of(tmp_path, rows(600, chunk_tokens=[1] * 10, output_tokens=11))
    assert summary.overall.chunks.mismatched == 600 and summary.overall.chunks.counted_by == "server"
    found = by_kind(summary)["tokens"]
    assert {"itl_p50_ms", "tpot_p99_ms", "output_tokens_per_s"} <= set(found.figures)


def test_every_caveat_names_figures_that_there_are(tmp_path: Path) -> None:
    samples = [sample(0, "host_cpu_steal_ratio", 1.0, node="host")]
    bad = [*rows(3, 1.0, output_tokens=14, chunk_tokens=[2] * 10, gaps_ms=[0.0] * 9), failed(9)]
    found = summary_of(tmp_path, bad, samples=samples, clients=[client(lag_ms={"p50": 90, "p99": 90, "max": 90})]).overall.caveats
    assert {c.kind for c in found} == {"few_samples", "short_window", "failed", "client_lag", "busy_host", "chunks", "tokens"}
    assert all(c.figures and set(c.figures) <= NAMES for c in found)


@pytest.fixture
def doubtful(tmp_path: Path) -> Run:
    """p99 of 40 requests; everything else is well known."""
    run = Run(tmp_path / "agg/1")
    write_load(run.path, rows(300))
    write(run, *summarize(run))
    return run


REASON = "300 values each, too few for p99"


def test_the_terminal_marks_the_figure_and_says_why(doubtful: Run) -> None:
    text = overview(summarize(doubtful)[0])
    (line,) = [x for x in text.splitlines() if x.startswith("TTFT ms")]
    assert line.split()[2:] == ["100", "100", "100", "100", "100*", "100"]
    assert REASON in text


def test_the_page_greys_the_figure_and_says_why(doubtful: Run) -> None:
    html = page([Measured(doubtful, summarize(doubtful)[0])], doubtful.path / "report.html")
    assert html.count(f'class="weak" title="TTFT, TPOT and E2E: {REASON}') == 3 + 2, "three latencies, two of them in the table of runs"
    assert f"* TTFT, TPOT and E2E: {REASON}" in html


def test_the_summary_file_holds_the_reasons(doubtful: Run) -> None:
    (caveat,) = json.loads((doubtful.results / "summary.json").read_text())["overall"]["caveats"]
    assert (caveat["kind"], caveat["figures"]) == ("few_samples", ["ttft_p99_ms", "tpot_p99_ms", "e2e_p99_ms"])


@pytest.mark.parametrize(
    ("count", "line"),
    [(40, "p50 1.00 ms, TTFT p99 1.00* ms"), (500, "p50 1.00 ms, TTFT p99 1.00 ms"), (4, "p50 1.00* ms, TTFT p99 1.00* ms")],
)
def test_a_run_that_goes_on_marks_its_figures_too(count: int, line: str) -> None:
    text = ", ".join(load_lines(LoadNow("measure", done=count, ttft_ms=distribution([1.0] * count))))
    assert f"TTFT {line}" in text and ("p99 500" in text) == ("*" in line)
