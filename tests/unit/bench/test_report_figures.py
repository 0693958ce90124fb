"""The report's figures by their data: what a reader must be able to tell without a legend."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from itertools import product
from pathlib import Path
from typing import Any

import plotly.graph_objects as go
import pytest
from hypothesis import given
from hypothesis import strategies as st

from armature.bench.compare.groups import Measured, Repeats
from armature.bench.compare.groups import group as group_runs
from armature.bench.read import read_one
from armature.bench.records import Request, Sample
from armature.bench.report import timeline
from armature.bench.report.curves import places
from armature.bench.report.distributions import Line, distributions
from armature.bench.report.figures import Drawing, lines_of
from armature.bench.report.labels import Frame, labels
from armature.bench.report.servers import names, sampled
from armature.bench.report.timeline import load_over_time
from armature.bench.report.trade_offs import DOUBTFUL_FRONT, FRONT, HOLLOW, TradeOffs, front, points, trade_offs
from armature.bench.runs import Run
from armature.bench.summarize import load_summary
from support.load_files import BEGAN, failed, load, request, write_load


def configuration(
    root: Path, topology: str, concurrency: int, *, ttft_ms: float = 50.0, count: int = 600, cores: int = 2, **deployment: Any
) -> Measured:
    """A run of a topology under a concurrency: the more of it, the more tokens per second, and the longer all takes."""
    run = root / f"{topology},{concurrency},{len(deployment)}/seed-0"
    slow = ttft_ms * (1 + concurrency / 10)
    rows = [request(i, at=i / (10 + concurrency), ttft_ms=slow, gaps_ms=[5 + concurrency] * 9) for i in range(count)]
    write_load(run, rows, about=load(settings={"shape": {"kind": "closed", "concurrency": concurrency}}))
    (run / "deployment.json").write_text(json.dumps({"topology": {"name": topology, "roles": {topology: 1}}} | deployment))
    (run / "host.json").write_text(json.dumps({"hardware": {"cores": cores}, "versions": {}}))
    return Measured(Run(run), load_summary(Run(run)))


def sweep(root: Path, **changes: Any) -> list[Repeats]:
    """Two topologies under three loads, which come in no order."""
    return group_runs([configuration(root, t, c, ttft_ms=50 + 20 * len(t), **changes) for t, c in product(("agg", "disagg"), (16, 1, 4))])


def drawn(groups: Sequence[Repeats]) -> TradeOffs:
    found = trade_offs(groups, places(groups))
    assert found is not None
    return found


def curves(figure: go.Figure) -> dict[str, Any]:
    return {trace.name: trace for trace in figure.data if trace.mode == "lines+markers+text"}


@pytest.fixture
def both(tmp_path: Path) -> list[dict[str, Any]]:
    """The curves of each of the two plots."""
    return [curves(drawing.figure) for drawing in drawn(sweep(tmp_path)).drawings]


def test_trade_offs_have_a_curve_and_a_colour_for_each_topology(both: list[dict[str, Any]]) -> None:
    for found in both:
        assert list(found) == ["agg", "disagg"]
        assert len({trace.line.color for trace in found.values()}) == 2
    assert [t.line.color for t in both[0].values()] == [t.line.color for t in both[1].values()]


def test_points_are_labelled_by_their_load_and_joined_from_the_smallest_to_the_greatest(both: list[dict[str, Any]]) -> None:
    assert {tuple(trace.text) for found in both for trace in found.values()} == {("1", "4", "16")}


def test_a_curve_has_its_name_beside_it_in_its_colour(tmp_path: Path) -> None:
    for drawing in drawn(sweep(tmp_path)).drawings:
        named = {a.text: a.font.color for a in drawing.figure.layout.annotations}
        named.pop("<b>Pareto front</b>")
        assert named == {f"<b>{name}</b>": trace.line.color for name, trace in curves(drawing.figure).items()}


def test_the_front_is_drawn_and_named(tmp_path: Path) -> None:
    found = drawn(sweep(tmp_path))
    for drawing in found.drawings:
        (line,) = (t for t in drawing.figure.data if t.name == FRONT)
        assert len(line.x) == 3, "agg under each load"
    assert FRONT in [entry.name for entry in found.legend]


def fills(found: TradeOffs) -> set[str]:
    return {colour for trace in curves(found.drawings[0].figure).values() for colour in trace.marker.color}


def test_points_without_caveats_are_filled_with_their_curves_colour(tmp_path: Path) -> None:
    found = drawn(sweep(tmp_path))
    assert fills(found) == {trace.line.color for trace in curves(found.drawings[0].figure).values()}
    assert HOLLOW not in [entry.name for entry in found.legend]


def test_points_with_caveats_are_hollow_and_their_front_says_that_it_ranks_nothing(tmp_path: Path) -> None:
    found = drawn(sweep(tmp_path, count=40))
    assert fills(found) == {"white"}
    assert {DOUBTFUL_FRONT, HOLLOW} < {entry.name for entry in found.legend}


@pytest.mark.parametrize(("count", "which"), [(600, "p99"), (300, "p50")])
def test_ttft_is_a_percentile_that_the_runs_can_know(tmp_path: Path, count: int, which: str) -> None:
    assert f"TTFT {which}" in drawn(sweep(tmp_path, count=count)).drawings[1].title


def test_no_front_goes_across_hardware(tmp_path: Path) -> None:
    groups = group_runs([configuration(tmp_path, "agg", 1), configuration(tmp_path, "disagg", 4, cores=64)])
    assert FRONT not in [entry.name for entry in drawn(groups).legend]


def test_a_point_with_a_caveat_is_no_part_of_the_front_of_the_others(tmp_path: Path) -> None:
    groups = group_runs([configuration(tmp_path, "agg", c, count=40 if c == 4 else 600) for c in (1, 4, 16)])
    found = front(points(groups, places(groups), "output_tokens_per_s_per_user", "output_tokens_per_s"), less_x=False)
    assert found is not None and found.certain and len(found.points) == 2


def test_what_else_tells_curves_of_one_topology_apart_is_part_of_their_names(tmp_path: Path) -> None:
    shapes: list[dict[str, Any]] = [{"engine": {"args": {"mem": m}}, "x": 0} for m in (0.5, 0.8)]
    runs = [configuration(tmp_path / str(i), "agg", c, **shape) for i, shape in enumerate(shapes) for c in (1, 4)]
    found = places(group_runs(runs)).of.values()
    assert [p.curve for p in found] == ["agg, mem 0.5", "agg, mem 0.5", "agg, mem 0.8", "agg, mem 0.8"]
    assert len({p.colour for p in found}) == 2


def test_levels_have_a_name_and_an_order_and_a_dash_each(tmp_path: Path) -> None:
    standing = places(sweep(tmp_path))
    assert standing.level == "concurrency"
    assert [(p.name, p.step) for p in standing.of.values()][:3] == [
        ("agg, concurrency 16", 2),
        ("agg, concurrency 1", 0),
        ("agg, concurrency 4", 1),
    ]
    assert len({p.dash for p in standing.of.values()}) == 3


SPOTS = st.lists(st.tuples(st.floats(0.1, 9), st.floats(0.1, 90)), min_size=1, max_size=6)


@given(st.lists(SPOTS, min_size=1, max_size=4))
def test_names_lie_inside_the_plot(curves: list[list[tuple[float, float]]]) -> None:
    frame = Frame(10, 100, 300, 320)
    for label in labels({f"curve {i}": curve for i, curve in enumerate(curves)}, frame):
        x, y = frame.pixels(label.at)
        half = len(label.name) * 7 / 2
        assert half <= x + label.right <= 300 - half and 0 <= y + label.up <= 320


def test_a_name_goes_where_there_is_room() -> None:
    """Beside the point that is far from the other curve, and off its own line."""
    rising = [(1.0, 50.0), (5.0, 51.0), (9.0, 90.0)]
    (label, _) = labels({"a": rising, "b": [(1.0, 45.0), (5.0, 46.0)]}, Frame(10, 100, 300, 320))
    assert label.at == (9.0, 90.0)


def asked(*rows: dict[str, Any]) -> list[Request]:
    return [read_one(json.dumps(row).encode(), Request, "row") for row in rows]


def distribution(which: str, requests: Sequence[Request]) -> Drawing:
    return next(d for d in distributions([Line("all", requests, "#000")]) if d.title.startswith(which))


def test_there_is_a_distribution_of_each_latency() -> None:
    found = distributions([Line("all", asked(request(0)), "#000")])
    assert [d.title for d in found] == ["TTFT", "ITL", "TPOT", "End to end"]


def test_a_latency_that_no_request_has_is_not_drawn() -> None:
    rows = asked(request(0, user="embeddings", gaps_ms=[], chunks=0) | {"ttft_ms": None, "output_tokens": None})
    assert [d.title for d in distributions([Line("all", rows, "#000")])] == ["End to end"]


def test_the_distribution_of_itl_begins_at_0() -> None:
    figure = distribution("ITL", asked(*(request(i, gaps_ms=[0, 0, 8, 12]) for i in range(9)))).figure
    line, axis = figure.data[0], figure.layout.xaxis
    assert (line.x[0], line.y[0]) == (0, 0)
    assert (axis.type, axis.range[0]) == (None, 0)


def test_a_single_stall_does_not_press_the_distribution_together_and_is_told() -> None:
    drawing = distribution("ITL", asked(*(request(i, gaps_ms=[10] * 20) for i in range(20)), request(99, gaps_ms=[5000])))
    assert drawing.figure.layout.xaxis.range[1] < 20
    assert "the maximum is 5,000 ms" in drawing.title


def test_latencies_that_are_far_apart_have_a_logarithmic_axis() -> None:
    near, far = asked(request(0, ttft_ms=10), request(1, ttft_ms=12)), asked(request(2, ttft_ms=900))
    (ttft, *_) = distributions([Line("near", near, "#000"), Line("far", far, "#111")])
    assert ttft.figure.layout.xaxis.type == "log"


def test_long_latencies_are_in_seconds() -> None:
    drawing = distribution("End to end", asked(request(0, ttft_ms=30_000), request(1, ttft_ms=40_000)))
    assert drawing.figure.layout.xaxis.title.text == "End to end, s"
    assert drawing.figure.data[0].x[0] == pytest.approx(30.09)


def over_time() -> go.Figure:
    return load_over_time(asked(*(request(i, at=i / 5) for i in range(40)), failed(99)), BEGAN + 1).figure


def test_in_flight_and_sent_differ_in_colour_and_so_does_every_line() -> None:
    colours = {trace.name: (trace.line.color or trace.marker.color) for trace in over_time().data}
    assert {"in flight", "sent", "done", "p50", "p99", "TTFT", "end to end", "failed"} < set(colours)
    assert len(set(colours.values())) == len(colours)


def test_each_line_is_named_in_its_colour_above_its_panel() -> None:
    figure = over_time()
    titles = " ".join(a.text for a in figure.layout.annotations)
    named = {(name, colour) for colour, name in re.findall(r'<b style="color:(#\w+)">([^<]+)</b>', titles)}
    assert named == {(trace.name, trace.line.color or trace.marker.color) for trace in figure.data}


def test_a_timelines_colours_are_each_one_name() -> None:
    constants = [v for v in vars(timeline).values() if isinstance(v, tuple) and len(v) == 2 and str(v[1]).startswith("#")]
    assert len(constants) == len({colour for _, colour in constants}) == 9


def metric(name: str, *values: float, **labels: str) -> Drawing:
    pairs = tuple(sorted(labels.items()))
    return sampled(name, {("worker-0", name, pairs): [Sample(BEGAN + i, "worker-0", name, v, labels) for i, v in enumerate(values)]}, BEGAN)


def test_bytes_of_servers_are_in_a_readable_unit() -> None:
    drawing = metric("host_rss_bytes", 2**29, 2**30 - 1)
    assert (drawing.title, drawing.figure.data[0].y[0]) == ("host_rss_bytes, MiB", 512)


def test_unix_times_of_servers_are_ages() -> None:
    drawing = metric("last_report_timestamp_seconds", BEGAN - 3, BEGAN - 2)
    assert (drawing.title, list(drawing.figure.data[0].y)) == ("last_report_timestamp_seconds: time since then, s", [3, 3])


def test_counters_of_bytes_are_rates_in_a_readable_unit() -> None:
    drawing = metric("sent_bytes_total", 0, 2**21)
    assert (drawing.title, list(drawing.figure.data[0].y)) == ("sent_bytes_total, MiB/s", [2])


def test_a_series_is_named_by_its_node_and_the_labels_that_tell_it_from_others() -> None:
    common = (("model", "tiny"), ("worker_id", "1f"))
    keys = [("worker-0", "m", (("dp_rank", str(rank)), *common)) for rank in range(2)] + [("worker-1", "m", (("dp_rank", "0"), *common))]
    assert names(keys) == ["worker-0 dp_rank=0", "worker-0 dp_rank=1", "worker-1 dp_rank=0"]


def test_plots_leave_legends_to_the_page_which_cuts_none_off(tmp_path: Path) -> None:
    drawings = [*drawn(sweep(tmp_path)).drawings, *distributions([Line("all", asked(request(0)), "#000")]), metric("x", 1, 2)]
    assert {d.figure.layout.showlegend for d in drawings} == {False}


def test_a_legend_has_each_name_once_with_its_colour_and_dash() -> None:
    found = distributions([Line("a", asked(request(0)), "#000", "dash"), Line("b", asked(request(1)), "#111")])
    legend = lines_of([d.figure for d in found])
    assert [(e.name, e.colour, e.dash) for e in legend] == [("a", "#000", "dash"), ("b", "#111", "solid")]
