"""Repeats, their intervals against scipy, what is claimed, and what was set differently."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy import stats

from armature.bench.compare import intervals
from armature.bench.compare.comparison import Comparison, cell, compare
from armature.bench.compare.groups import Measured, differing, flatten, group
from armature.bench.compare.render import FORMATS, sweep_table
from armature.bench.metrics import METRICS
from armature.bench.runs import Run
from armature.bench.summarize import load_summary
from armature.cli.compare import main
from armature.errors import UserError
from support.load_files import load, request, write_load

TTFT = next(m for m in METRICS if m.name == "ttft_p99_ms")
REPEATS = st.lists(st.floats(1, 1000), min_size=3, max_size=10)
PLAN: dict[str, Any] = {"version": 1, "run_dir": "/r", "cache_dir": "/c", "tmp_dir": "/t", "nodes": []}


def made(
    root: Path,
    name: str,
    *,
    ttft_ms: float = 100.0,
    plan_hash: str = "h",
    host: dict[str, Any] | None = None,
    count: int = 500,
    rows: dict[str, Any] | None = None,
    **settings: Any,
) -> Measured:
    """A run of enough requests over enough time, each of whose TTFT is `ttft_ms`."""
    run = root / name
    requests = [request(i, at=i / 25, ttft_ms=ttft_ms, **(rows or {})) for i in range(count)]
    about = load(settings={"concurrency": 4} | settings, seed=settings.get("seed", 1))
    write_load(run, requests, about=about)
    (run / "plan.json").write_text(json.dumps(PLAN | {"name": run.parent.name, "hash": plan_hash}))
    (run / "deployment.json").write_text(json.dumps({"topology": {"name": plan_hash, "router": {"mode": "kv"}}, "run": {"dir": name}}))
    (run / "host.json").write_text(json.dumps(host or {"hardware": {"cores": 2}, "versions": {"sglang": "0.5.21"}}))
    return Measured(Run(run), load_summary(Run(run)))


def repeats(root: Path, name: str, ttfts: list[float], **changes: Any) -> list[Measured]:
    return [made(root, f"{name}/{i}", ttft_ms=t, seed=i, plan_hash=name, **changes) for i, t in enumerate(ttfts)]


@given(REPEATS, REPEATS)
def test_intervals_of_differences_are_scipys_welch(a: list[float], b: list[float]) -> None:
    assume(min(max(a) - min(a), max(b) - min(b)) > 1e-3)
    want = stats.ttest_ind(a, b, equal_var=False).confidence_interval(0.95)
    found = intervals.difference(a, b)
    assert found is not None
    assert (found.low, found.high) == pytest.approx((want.low, want.high), rel=1e-6, abs=1e-6)


@given(REPEATS)
def test_intervals_of_means_are_scipys(values: list[float]) -> None:
    assume(max(values) - min(values) > 1e-3)
    want = stats.ttest_1samp(values, 0).confidence_interval(0.95)
    found = intervals.mean(values)
    assert found is not None
    assert (found.low, found.high) == pytest.approx((want.low, want.high), rel=1e-6, abs=1e-6)


@pytest.mark.parametrize(("a", "b"), [([1.0], [2.0]), ([1.0, 2.0], [1.0, 2.0, 3.0]), ([1.0, 2.0, 3.0], [1.0, 2.0])])
def test_fewer_than_three_repeats_have_no_interval(a: list[float], b: list[float]) -> None:
    assert intervals.difference(a, b) is None


def test_repeats_that_agree_to_the_last_digit_differ_by_exactly_that() -> None:
    found = intervals.difference([2.0] * 3, [1.0] * 3)
    assert found == intervals.Interval(1.0, 1.0, 1.0)
    assert found.excludes_zero


@pytest.mark.parametrize(
    ("values", "verdict", "why"),
    [
        ([50.0, 51, 52], "better", ""),
        ([200.0, 201, 202], "worse", ""),
        ([99.0, 101, 103], "no difference shown", ""),
        ([50.0], "no claim", "1 run: no claim"),
        ([50.0, 51.0], "no claim", "2 runs: no claim"),
    ],
)
def test_what_is_claimed_of_a_figure_of_which_less_is_better(values: list[float], verdict: str, why: str) -> None:
    found = cell(TTFT, values, [100.0, 101, 102])
    assert (found.verdict, found.why) == (verdict, why)


def test_more_is_better_where_the_metric_says_so() -> None:
    rate = next(m for m in METRICS if m.name == "requests_per_s")
    assert cell(rate, [200.0, 201, 202], [100.0, 101, 102]).verdict == "better"


def test_runs_of_one_plan_and_load_are_repeats_whatever_their_seed(tmp_path: Path) -> None:
    runs = [made(tmp_path, f"agg/{i}", seed=i) for i in range(3)] + [made(tmp_path, "agg/9", concurrency=8)]
    assert [(g.letter, len(g.runs)) for g in group(runs)] == [("A", 3), ("B", 1)]


def test_another_plan_is_another_configuration(tmp_path: Path) -> None:
    assert len(group([made(tmp_path, "agg/1"), made(tmp_path, "disagg/1", plan_hash="other")])) == 2


@pytest.mark.parametrize("host", [{"hardware": {"cores": 64}}, {"versions": {"sglang": "0.5.22"}}])
def test_other_hardware_or_versions_make_no_repeat(tmp_path: Path, host: dict[str, Any]) -> None:
    here = {"hardware": {"cores": 2}, "versions": {"sglang": "0.5.21"}}
    found = compare([made(tmp_path, "agg/1", host=here), made(tmp_path, "agg/2", host=here | host)])
    assert [len(c.runs) for c in found.columns] == [1, 1]
    assert list(found.config) in (["hardware.cores"], ["versions.sglang"])


def test_a_run_without_a_plan_is_nobodys_repeat(tmp_path: Path) -> None:
    runs = [made(tmp_path, "x/1"), made(tmp_path, "x/2")]
    for m in runs:
        (m.run.path / "plan.json").unlink()
    assert len(group([Measured(Run(m.run.path), load_summary(Run(m.run.path))) for m in runs])) == 2


@pytest.fixture
def two(tmp_path: Path) -> Comparison:
    """B has half of A's TTFT, three runs each."""
    return compare([*repeats(tmp_path, "agg", [100, 101, 102]), *repeats(tmp_path, "disagg", [50, 51, 52])])


def test_configurations_differ_in_exactly_these_fields(tmp_path: Path) -> None:
    found = compare([*repeats(tmp_path, "agg", [100]), *repeats(tmp_path, "disagg", [50], concurrency=8)])
    assert found.config == {"topology.name": ["agg", "disagg"], "load.concurrency": [4, 8]}


def test_the_best_is_named_where_it_is_apart(two: Comparison) -> None:
    best = {w.metric: (w.letter, w.text) for w in two.winners}
    assert best["ttft_p99_ms"] == ("B", "B (51.0 ms)")
    assert best["itl_p99_ms"] == (None, "A has the best mean (10.0 ms), not shown to differ from B")


def test_without_repeats_there_is_a_best_mean_and_no_best(tmp_path: Path) -> None:
    found = compare([*repeats(tmp_path, "agg", [100, 101, 102]), *repeats(tmp_path, "disagg", [50])])
    text = next(w.text for w in found.winners if w.metric == "ttft_p99_ms")
    assert text == "B has the best mean (50.0 ms); no claim: B has 1 run"


def test_those_without_repeats_are_told_together(tmp_path: Path) -> None:
    once = [*repeats(tmp_path, "agg", [100]), *repeats(tmp_path, "disagg", [50]), *repeats(tmp_path, "dp", [40])]
    text = next(w.text for w in compare(once).winners if w.metric == "ttft_p99_ms")
    assert text == "C has the best mean (40.0 ms); no claim: A, B and C have 1 run each"


def test_a_configuration_with_too_few_runs_does_not_keep_the_others_from_being_compared(tmp_path: Path) -> None:
    three = [*repeats(tmp_path, "agg", [100, 101, 102]), *repeats(tmp_path, "disagg", [50, 51, 52]), *repeats(tmp_path, "dp", [40])]
    found = next(w for w in compare(three).winners if w.metric == "ttft_p99_ms")
    assert (found.letter, found.text) == ("B", "B (51.0 ms); not ranked: C has 1 run")


def test_a_third_configuration_asks_for_more_certainty(tmp_path: Path) -> None:
    """B is apart from A alone, but not when it must be apart from two at once."""
    a, b, c = [100.0, 101.0, 102.0], [98.0, 98.55, 99.1], [100.0, 101.0, 102.0]
    pair = compare([*repeats(tmp_path / "1", "agg", a), *repeats(tmp_path / "1", "disagg", b)])
    three = compare([*repeats(tmp_path / "2", "agg", a), *repeats(tmp_path / "2", "disagg", b), *repeats(tmp_path / "2", "dp", c)])
    letters = [next(w.letter for w in x.winners if w.metric == "ttft_p99_ms") for x in (pair, three)]
    assert letters == ["B", None]


def test_other_hardware_and_versions_are_noted(tmp_path: Path) -> None:
    other = {"hardware": {"cores": 64}, "versions": {"sglang": "0.5.22"}}
    notes = compare([made(tmp_path, "agg/1"), made(tmp_path, "agg/2", host=other)]).notes
    assert "the runs differ in hardware: cores is 2, 64" in notes
    assert "the runs differ in versions: sglang is 0.5.21, 0.5.22" in notes


def test_repeats_with_one_seed_are_noted(tmp_path: Path) -> None:
    notes = compare([made(tmp_path, f"agg/{i}", seed=7) for i in range(3)]).notes
    assert any("all runs of A have the seed 7" in n for n in notes)


def test_runs_that_must_not_be_used_are_left_out_by_name(tmp_path: Path) -> None:
    runs = [made(tmp_path, "agg/1"), made(tmp_path, "agg/2")]
    (runs[1].run.load / "client.0.json").unlink()
    bad = Measured(Run(runs[1].run.path), load_summary(runs[1].run))
    found = compare([runs[0], bad])
    assert (list(found.left_out), found.columns[0].runs) == (["agg/2"], ["agg/1"])
    assert compare([runs[0], bad], with_failed=True).columns[0].runs == ["agg/1", "agg/2"]


def test_configurations_keep_their_letters_when_another_is_left_out(tmp_path: Path) -> None:
    runs = [made(tmp_path, "agg/1"), made(tmp_path, "disagg/1", plan_hash="other")]
    (runs[0].run.load / "client.0.json").unlink()
    found = compare([Measured(Run(m.run.path), load_summary(Run(m.run.path))) for m in runs])
    assert [(c.letter, c.name) for c in found.columns] == [("B", "disagg")]


def test_nested_fields_have_dotted_names() -> None:
    nested = {"a": {"b": 1, "c": {}}, "d": [1, 2], "e": [{"f": 3}, {"f": 4}]}
    assert flatten(nested) == {"a.b": 1, "a.c": {}, "d": [1, 2], "e[0].f": 3, "e[1].f": 4}


def test_a_field_that_one_side_lacks_differs() -> None:
    assert differing([{"a": 1, "b": 2}, {"a": 1}]) == {"b": [2, None]}


def test_csv_has_a_line_for_each_figure_of_each_configuration(two: Comparison) -> None:
    lines = list(csv.DictReader(io.StringIO(FORMATS["csv"](two))))
    assert len(lines) == 2 * len(two.rows)
    (line,) = [x for x in lines if x["metric"] == "ttft_p99_ms" and x["configuration"] == "B"]
    assert (float(line["mean"]), float(line["difference"]), line["verdict"]) == (51, -50, "better")


def test_json_is_read_back_as_it_was(two: Comparison) -> None:
    assert Comparison.model_validate_json(FORMATS["json"](two)) == two


@pytest.mark.parametrize("form", ["table", "markdown"])
def test_tables_show_the_difference_and_what_it_shows(two: Comparison, form: str) -> None:
    (line,) = [x for x in FORMATS[form](two).splitlines() if "TTFT p99" in x and "±" in x]
    assert "-49.5% [-51.7%, -47.3%] better" in line


def test_markdowns_rows_have_as_many_cells_as_its_head(two: Comparison) -> None:
    rows = [line for line in FORMATS["markdown"](two).split("\n\n")[0].splitlines() if line.startswith("|")]
    assert {row.count(" | ") for row in rows} == {2}


@pytest.fixture
def sweep(tmp_path: Path) -> Comparison:
    """Two topologies under three loads each, three runs of each."""
    runs = []
    for name, ttft in (("agg", 100), ("disagg", 50)):
        for concurrency in (1, 8, 32):
            group = [ttft + concurrency + i for i in range(3)]
            runs += repeats(tmp_path / str(concurrency), name, group, shape={"concurrency": concurrency})
    return compare(runs)


def test_many_configurations_stand_below_each_other_with_what_differs(sweep: Comparison) -> None:
    titles, lines = sweep_table(sweep)
    assert titles[:4] == ["", "runs", "topology", "concurrency"]
    assert [line[:4] for line in lines][:4] == [
        ["A agg", "3", "agg", "1"],
        ["B agg", "3", "agg", "8"],
        ["C agg", "3", "agg", "32"],
        ["D disagg", "3", "disagg", "1"],
    ]
    shown = [line[titles.index("TTFT p50 ms")] for line in lines]
    assert shown == ["102 ±2.48", "109 ±2.48", "133 ±2.48", "52.0 ±2.48 +", "59.0 ±2.48 +", "83.0 ±2.48 +"]


@pytest.mark.parametrize("form", ["table", "markdown"])
def test_tables_of_sweeps_say_what_their_marks_mean(sweep: Comparison, form: str) -> None:
    assert "against the first configuration under the same load, hardware and versions: + better, - worse" in FORMATS[form](sweep)


def test_where_names_say_how_configurations_differ_no_column_repeats_it(sweep: Comparison) -> None:
    titles, lines = sweep_table(sweep, {c.letter: f"{c.letter} named" for c in sweep.columns})
    assert titles[:3] == ["", "runs", "output tok/s"]
    assert lines[0][:2] == ["A named", "3"]


def test_a_terminal_tells_each_value_once_with_its_configurations(sweep: Comparison) -> None:
    assert "  topology.name: agg (A, B, C), disagg (D, E, F)\n  load.shape.concurrency: 1 (A, D), 8 (B, E), 32 (C, F)" in FORMATS["table"](
        sweep
    )


def test_each_load_of_a_sweep_has_its_own_baseline_and_its_own_best(sweep: Comparison) -> None:
    assert [(c.letter, c.baseline) for c in sweep.columns] == [("A", None), ("B", None), ("C", None), ("D", "A"), ("E", "B"), ("F", "C")]
    best = [(w.among, w.letter) for w in sweep.winners if w.metric == "ttft_p99_ms"]
    assert best == [(["A", "D"], "D"), (["B", "E"], "E"), (["C", "F"], "F")]


HERE: dict[str, Any] = {"hardware": {"cores": 2}, "versions": {"sglang": "0.5.21"}}
UNLIKE: dict[str, tuple[dict[str, Any], str]] = {
    "load": ({"concurrency": 8}, "different load: concurrency is 8, not 4"),
    "hardware": ({"host": HERE | {"hardware": {"cores": 64}}}, "different hardware: cores is 64, not 2"),
    "versions": ({"host": HERE | {"versions": {"sglang": "0.5.22"}}}, "different versions: sglang is 0.5.22, not 0.5.21"),
    "lengths": ({"rows": {"output_tokens": 7, "asked_output": 7}}, "different lengths: output of 7.00 tokens on average, not 10.0"),
}


@pytest.mark.parametrize("cause", UNLIKE)
@pytest.mark.parametrize("form", FORMATS)
def test_what_is_unlike_is_shown_and_not_ranked_and_every_form_says_why(tmp_path: Path, cause: str, form: str) -> None:
    changes, reason = UNLIKE[cause]
    runs = [*repeats(tmp_path, "agg", [100, 101, 102]), *repeats(tmp_path, "disagg", [50, 51, 52], **changes)]
    found = compare(runs)
    assert [c.unlike for c in found.columns] == [[], [reason]]
    assert found.winners == [] and {c.verdict for row in found.rows for c in row.cells} == {None}
    assert reason in FORMATS[form](found)
    across = compare(runs, across=[cause])
    assert next(w.letter for w in across.winners if w.metric == "ttft_p99_ms") == "B", "the user compares across it"


def test_settings_of_the_client_alone_keep_nothing_from_being_ranked(tmp_path: Path) -> None:
    changes = {"limits": {"cpu": 0.9}, "timeout_s": 9, "model": "other", "record_dir": "/x"}
    found = compare([*repeats(tmp_path, "agg", [100, 101, 102]), *repeats(tmp_path, "disagg", [50, 51, 52], **changes)])
    assert found.columns[1].baseline == "A"


@pytest.mark.parametrize("form", FORMATS)
def test_a_figure_with_a_caveat_is_marked_and_not_ranked_and_every_form_says_why(tmp_path: Path, form: str) -> None:
    runs = [*repeats(tmp_path, "agg", [100, 101, 102]), *repeats(tmp_path, "disagg", [50, 51, 52], count=300)]
    found = compare(runs)
    winners = {w.metric: w for w in found.winners}
    assert (winners["ttft_p99_ms"].letter, winners["ttft_p99_ms"].text) == (None, "not ranked: B is marked *")
    cells = {row.metric: row.cells[1] for row in found.rows}
    assert (cells["ttft_p99_ms"].verdict, cells["ttft_p99_ms"].why) == ("no claim", "no claim: *")
    assert (cells["ttft_p50_ms"].verdict, cells["ttft_p50_ms"].caveats) == ("better", [])
    assert "300 values each, too few for p99 (needed: p99 500)" in FORMATS[form](found)
    if form in ("table", "markdown"):
        assert "51.0* ±" in FORMATS[form](found)


def test_a_doubtful_baseline_ranks_nothing_either(tmp_path: Path) -> None:
    found = compare([*repeats(tmp_path, "agg", [100, 101, 102], count=300), *repeats(tmp_path, "disagg", [50, 51, 52])])
    assert {row.metric: row.cells[1].verdict for row in found.rows}["ttft_p99_ms"] == "no claim"


def test_the_command_compares_what_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    repeats(tmp_path, "agg", [100, 101, 102])
    repeats(tmp_path, "disagg", [50])
    monkeypatch.setenv("ARMATURE_RUNS", str(tmp_path))
    assert main(["agg", "disagg/0"]) == 0
    out = capsys.readouterr().out
    assert "A agg (3 runs)" in out and "1 run: no claim" in out


@pytest.mark.parametrize(("words", "text"), [(["--class", "nope"], "no run has requests of class 'nope'"), ([], "all runs are invalid")])
def test_what_cannot_be_compared_is_an_error(tmp_path: Path, words: list[str], text: str) -> None:
    run = made(tmp_path, "agg/1").run
    (run.load / "client.0.json").unlink()
    with pytest.raises(UserError, match=text):
        main([str(run.path), *words])
