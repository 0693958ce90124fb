"""Figures of synthetic load tests whose answers are known, and what makes a run fail."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from armature.bench.runs import Run
from armature.bench.summarize import load_summary, summarize, write
from armature.bench.summary import Slo, Summary, Tolerance
from armature.cli.summarize import main
from armature.errors import UserError
from support.load_files import BEGAN, client, failed, load, request, sample, write_load


def summary_of(run: Path, rows: list[dict[str, Any]], slo: Slo | None = None, **files: Any) -> Summary:
    write_load(run, rows, **files)
    return summarize(Run(run), slo)[0]


def test_constant_gaps_have_exact_percentiles(tmp_path: Path) -> None:
    s = summary_of(tmp_path, [request(i, at=i, ttft_ms=100, gaps_ms=[10] * 9) for i in range(20)])
    latency = s.overall.latency
    assert latency.itl_ms and latency.tpot_ms and latency.ttft_ms and latency.e2e_ms
    assert latency.itl_ms.count == 180
    for d, value in ((latency.ttft_ms, 100), (latency.itl_ms, 10), (latency.tpot_ms, 10), (latency.e2e_ms, 190)):
        assert [d.mean, d.p50, d.p99, d.max] == pytest.approx([value] * 4)


def test_rates_count_the_window_from_the_end_of_the_warm_up_to_the_last_answer(tmp_path: Path) -> None:
    rows = [request(i, at=i, ttft_ms=1000, gaps_ms=[0] * 9) for i in range(10)]  # the last one ends after 10 s
    s = summary_of(tmp_path, rows)
    assert s.window.seconds == pytest.approx(10)
    rates = s.overall.rates
    assert [rates.requests_per_s, rates.output_tokens_per_s, rates.total_tokens_per_s] == pytest.approx([1, 10, 42])
    assert rates.output_tokens_per_s_per_gpu is None


def test_a_users_rate_is_that_of_tokens_after_the_first(tmp_path: Path) -> None:
    s = summary_of(tmp_path, [request(0, ttft_ms=5000, gaps_ms=[20] * 5)])
    assert s.overall.rates.output_tokens_per_s_per_user == pytest.approx(50)


def test_answers_without_text_are_told(tmp_path: Path) -> None:
    s = summary_of(tmp_path, [request(0), request(1) | {"ttft_ms": None, "gaps_ms": [], "chunks": 0}])
    assert any("1 of 2 answers have tokens but no chunk with text" in c.text for c in s.overall.caveats)


def test_only_the_measuring_phase_counts(tmp_path: Path) -> None:
    s = summary_of(tmp_path, [request(0, at=-3, ttft_ms=9999, phase="warmup"), request(1)])
    assert s.overall.counts.sent == 1
    assert s.overall.latency.ttft_ms and s.overall.latency.ttft_ms.max == 100


def test_failed_requests_are_counted_by_kind_and_have_no_latency(tmp_path: Path) -> None:
    s = summary_of(tmp_path, [request(0), failed(1, "timeout", ttft_ms=9999), failed(2, "http", status=503), failed(3, "http")])
    counts = s.overall.counts
    assert (counts.sent, counts.ok, counts.failed, counts.failed_by_kind) == (4, 1, 3, {"http": 2, "timeout": 1})
    assert s.overall.latency.ttft_ms and s.overall.latency.ttft_ms.count == 1
    assert s.failures == []


def test_classes_have_figures_of_their_own(tmp_path: Path) -> None:
    rows = [request(i, at=i, ttft_ms=100, **{"class": "short"}) for i in range(3)] + [request(9, at=3, ttft_ms=900, **{"class": "long"})]
    s = summary_of(tmp_path, rows)
    assert {name: g.latency.ttft_ms and g.latency.ttft_ms.p50 for name, g in s.classes.items()} == {"short": 100, "long": 900}
    assert sum(g.rates.requests_per_s or 0 for g in s.classes.values()) == pytest.approx(s.overall.rates.requests_per_s)


def test_an_open_loops_latencies_begin_when_a_request_was_due(tmp_path: Path) -> None:
    """The generator counts ttft_ms and e2e_ms from there; the window does, too, where load.json does not say."""
    rows = [request(0, at=2, scheduled=BEGAN)]
    s = summary_of(tmp_path, rows, about=load(measure_started=None))
    assert s.window.started == BEGAN


@pytest.mark.parametrize(
    ("limits", "good"),
    [
        ({"ttft_ms": 105}, 6),
        ({"ttft_ms": 100}, 1),
        ({"e2e_ms": 192}, 3),
        ({"ttft_ms": 105, "e2e_ms": 192}, 3),
        ({"tpot_ms": 10.001}, 10),
        ({"itl_ms": 9.9}, 0),
        ({"itl_ms": 10}, 10),
    ],
)
def test_goodput_is_what_keeps_all_limits(tmp_path: Path, limits: dict[str, float], good: int) -> None:
    rows = [request(i, at=i, ttft_ms=100 + i) for i in range(10)] + [failed(99, at=1)]
    goodput = summary_of(tmp_path, rows, Slo(**limits)).overall.goodput
    assert goodput
    assert (goodput.good, goodput.fraction) == (good, pytest.approx(good / 11))


@given(st.lists(st.integers(2, 5), min_size=2, max_size=20))
def test_bursts_change_gaps_and_not_the_time_per_token(sizes: list[int]) -> None:
    from armature.bench.measure import measure
    from armature.bench.read import read_one
    from armature.bench.records import Request

    gaps = [10.0 * size for size in sizes[1:]]
    tokens = sum(sizes)
    row = request(0, ttft_ms=100, gaps_ms=gaps, chunk_tokens=sizes, output_tokens=tokens, asked_output=tokens)
    group = measure([read_one(json.dumps(row).encode(), Request, "row")], 1.0, None, None, Tolerance())
    assert group.latency.tpot_ms and group.latency.tpot_ms.p50 == pytest.approx(sum(gaps) / (tokens - 1))
    assert group.chunks.tokens_per_chunk and group.chunks.tokens_per_chunk.mean == pytest.approx(tokens / len(sizes))
    assert group.chunks.per_request and group.chunks.per_request.mean == len(sizes)


def test_chunks_that_came_together_are_counted_and_noted(tmp_path: Path) -> None:
    s = summary_of(tmp_path, [request(0, gaps_ms=[30, 0, 0, 30, 0, 0])])
    assert s.overall.chunks.at_once == pytest.approx(4 / 6)
    assert any("67% of gaps are 0 ms" in c.text for c in s.overall.caveats)


def test_realised_lengths_stand_beside_the_asked_ones(tmp_path: Path) -> None:
    s = summary_of(tmp_path, [request(i, at=i, asked_input=100, input_tokens=100 + i, cached_tokens=50) for i in range(5)])
    length = s.overall.lengths.input
    assert length.asked and length.realised and length.deviation
    assert [length.asked.mean, length.realised.mean, length.deviation.mean, length.deviation.max, length.outside] == [100, 102, 2, 4, 0]
    assert s.overall.lengths.cached_fraction == pytest.approx(250 / 510)


@pytest.mark.parametrize(
    ("changes", "kind"),
    [
        ({"asked_output": 10, "output_tokens": 7}, "output_length"),
        ({"asked_input": 1000, "input_tokens": 1051}, "input_length"),
        ({"asked_input": 1000, "input_tokens": 949}, "input_length"),
    ],
)
def test_lengths_that_miss_the_asked_ones_fail_the_run(tmp_path: Path, changes: dict[str, int], kind: str) -> None:
    assert [f.kind for f in summary_of(tmp_path, [request(0, **changes)]).failures] == [kind]


@pytest.mark.parametrize(
    "changes", [{"asked_input": 1000, "input_tokens": 1050}, {"asked_input": 10, "input_tokens": 26}, {"asked_output": 11}]
)
def test_lengths_within_the_tolerance_do_not(tmp_path: Path, changes: dict[str, int]) -> None:
    assert summary_of(tmp_path, [request(0, **changes)]).failures == []


def test_lengths_that_the_server_does_not_tell_are_a_note(tmp_path: Path) -> None:
    s = summary_of(tmp_path, [request(0, output_tokens=None)])
    assert s.failures == []
    assert s.overall.rates.output_tokens_per_s is None
    assert any("did not report the output length" in note for note in s.notes)


@pytest.mark.parametrize(
    ("rows", "files", "text"),
    [
        ([], {}, "no request was sent"),
        ([request(0, phase="warmup")], {}, "no request was sent"),
        ([failed(0), failed(1, "http")], {}, "none of 2 requests succeeded: 1 http, 1 timeout"),
        ([request(0)], {"clients": [client(valid=False, reasons=["lag p99 80 ms"])]}, "process 0: lag p99 80 ms"),
        ([request(0), request(1, process=3)], {"clients": [client()]}, "process 3 left no client.3.json"),
        ([request(0)], {"about": load(end_reason="error")}, "ended with an error"),
    ],
)
def test_a_run_that_must_not_be_used_says_why(tmp_path: Path, rows: list[dict[str, Any]], files: dict[str, Any], text: str) -> None:
    assert text in " ".join(f.text for f in summary_of(tmp_path, rows, **files).failures)


def test_without_load_json_the_generator_was_killed(tmp_path: Path) -> None:
    (write_load(tmp_path, [request(0)]) / "load.json").unlink()
    s = summarize(Run(tmp_path))[0]
    assert [f.kind for f in s.failures] == ["load"]
    assert s.overall.counts.ok == 1


def test_the_clients_health_is_its_worst_process(tmp_path: Path) -> None:
    clients = [client(0, late=1), client(1, lag_ms={"p50": 0.2, "p99": 9, "max": 30}, cpu={"mean": 0.1, "max": 0.9}, late=2, dropped=3)]
    found = summary_of(tmp_path, [request(0)], clients=clients).client
    assert (found.valid, found.processes, found.lag_p99_ms, found.cpu_mean, found.cpu_max) == (True, 2, 9, 0.2, 0.9)
    assert (found.late, found.dropped) == (3, 3)


def test_server_samples_are_figures_of_the_window(tmp_path: Path) -> None:
    samples = [sample(-1, "queue", 99), *(sample(i / 10, "queue", i) for i in range(5)), sample(99, "queue", 99)]
    samples += [sample(0, "tokens_total", 100), sample(0.1, "tokens_total", 120), sample(0.2, "tokens_total", 10)]  # restarted once
    rows = {r.name: r for r in summary_of(tmp_path, [request(0, ttft_ms=500)], samples=samples).server}
    assert (rows["queue"].count, rows["queue"].mean, rows["queue"].max, rows["queue"].increase_per_s) == (5, 2, 4, None)
    assert rows["tokens_total"].increase_per_s == pytest.approx((20 + 10) / 0.2)


def test_the_loads_own_slo_counts_where_none_is_given(tmp_path: Path) -> None:
    about = load(settings={"slo": {"ttft_ms": 50}})
    assert summary_of(tmp_path, [request(0)], about=about).overall.goodput.good == 0  # type: ignore[union-attr]
    assert summary_of(tmp_path, [request(0)], Slo(ttft_ms=200), about=about).overall.goodput.good == 1  # type: ignore[union-attr]


def test_an_unusable_slo_in_the_load_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"settings\.slo of the load is invalid.*ttft"):
        summary_of(tmp_path, [request(0)], about=load(settings={"slo": {"ttft": 50}}))


def test_a_written_summary_is_read_back_as_it_was(tmp_path: Path) -> None:
    write_load(tmp_path, [request(0), failed(1)], samples=[sample(0, "queue", 1)])
    summary, folder = summarize(Run(tmp_path), Slo(ttft_ms=1))
    write(Run(tmp_path), summary, folder)
    assert load_summary(Run(tmp_path)) == summary


def test_a_summary_of_another_version_is_refused(tmp_path: Path) -> None:
    (tmp_path / "results").mkdir()
    (tmp_path / "results/summary.json").write_text('{"version": 9}')
    with pytest.raises(UserError, match=r"summary\.json has version 9"):
        load_summary(Run(tmp_path))


@pytest.mark.parametrize(("rows", "code"), [([request(0)], 0), ([failed(0)], 1), ([request(0, output_tokens=3)], 1)])
def test_the_command_ends_with_1_for_a_run_that_must_not_be_used(
    tmp_path: Path, rows: list[dict[str, Any]], code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    write_load(tmp_path, rows)
    assert main([str(tmp_path)]) == code
    assert bool(capsys.readouterr().err) == bool(code)
    assert {f.name for f in (tmp_path / "results").iterdir()} == {"requests.parquet", "summary.json"}


@pytest.mark.parametrize("words", [["--slo", "ttft=5"], ["--slo", "ttft_ms=fast"], ["--tolerance", "relative"]])
def test_a_limit_that_is_none_is_refused(tmp_path: Path, words: list[str]) -> None:
    write_load(tmp_path, [request(0)])
    with pytest.raises(UserError, match=words[0]):
        main([str(tmp_path), *words])


def test_the_schema_of_summaries_is_the_published_one() -> None:
    """Who changes it on purpose runs tools/gen_summary_reference.py, and thinks of summary_version."""
    published = Path(__file__).absolute().parents[3] / "docs" / "reference" / "summary.schema.json"
    assert json.loads(published.read_text()) == Summary.model_json_schema()
