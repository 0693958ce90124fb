"""What configurations make in all against what a user sees of it."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

import plotly.graph_objects as go

from armature.bench import trust, units
from armature.bench.compare.groups import Repeats
from armature.bench.compare.likeness import cohorts
from armature.bench.metrics import METRICS
from armature.bench.report import series
from armature.bench.report.curves import Place, Places
from armature.bench.report.figures import INK, Drawing, Entry, rounded, styled
from armature.bench.report.labels import Frame, labels

PER_USER = "output_tokens_per_s_per_user"
FRONT = "Pareto front: no other point is better in both"
DOUBTFUL_FRONT = "Pareto front including figures with caveats; not ranked"
HOLLOW = "the figure has a caveat"
_FRONT_COLOUR = "#f3d27a"  # a band behind the curves: seen also where it goes along one of them
_FRONT_INK = "#8a6500"
_FRONT_LABEL = "Pareto front"
_INSIDE = 4  # characters that a point has room for
_HEIGHT = 380
_NARROW = Frame(1, 1, 300, _HEIGHT - 60)  # pixels of the narrowest plot that names must fit into


@dataclass(frozen=True)
class Point:
    """One configuration: the means of its runs, and each of them. solid: neither figure has a caveat."""

    letter: str
    place: Place
    x: float
    y: float
    solid: bool
    runs: tuple[tuple[str, float, float], ...]


@dataclass(frozen=True)
class Front:
    """The points that no other one beats in both figures, by x. certain: none of them has a caveat."""

    points: tuple[tuple[float, float], ...]
    certain: bool


@dataclass(frozen=True)
class TradeOffs:
    """Two plots with one legend. level: what the labels of points are, such as concurrency."""

    drawings: tuple[Drawing, ...]
    legend: tuple[Entry, ...]
    level: str


def trade_offs(groups: Sequence[Repeats], standing: Places) -> TradeOffs | None:
    """Throughput against a user's tokens per second, and against TTFT: p99, or p50 where no p99 is free of caveats.

    Configurations that serve the same under several loads are a curve, named by its topology. Points are labelled by their load, and
    hollow where a figure has a caveat. None where fewer than two have figures.
    """
    per_gpu = all(g.runs[0].summary.gpus for g in groups)
    y, y_title = ("output_tokens_per_s_per_gpu", "output tokens/s per GPU") if per_gpu else ("output_tokens_per_s", "output tokens/s")
    by_user, by_p99, by_p50 = (points(groups, standing, x, y) for x in (PER_USER, "ttft_p99_ms", "ttft_p50_ms"))
    which, by_ttft = ("p99", by_p99) if any(p.solid for p in by_p99) else ("p50", by_p50)
    if max(len(by_user), len(by_ttft)) < 2:
        return None
    ranked = len(cohorts(groups, across=("load", "lengths"))) == 1
    unit = units.of_latency(max((p.x for p in by_ttft), default=0.0))
    per_user = "output tokens/s per user (1000 / TPOT p50)"
    drawn = [
        (by_user, units.Unit(), per_user, "Throughput and speed per user: up and right is better", False),
        (by_ttft, unit, unit.after(f"TTFT {which}"), f"Throughput and TTFT {which}: up and left is better", True),
    ]
    drawings: list[Drawing] = []
    fronts: list[Front] = []
    for found, scale, x_title, title, less_x in drawn:
        if len(found) < 2:
            continue
        line = front(found, less_x) if ranked else None
        fronts += [line] if line else []
        figure = _figure(found, line, scale.factor)
        figure.update_xaxes(title=x_title)
        figure.update_yaxes(title=y_title)
        drawings.append(Drawing(styled(figure, _HEIGHT, t=16), title))
    return TradeOffs(tuple(drawings), tuple(_legend([*by_ttft, *by_user], fronts)), standing.level)


def points(groups: Sequence[Repeats], standing: Places, x: str, y: str) -> list[Point]:
    """The configurations of which both figures are known. x, y: names of METRICS."""
    get_x, get_y = (next(m.get for m in METRICS if m.name == name) for name in (x, y))
    found = []
    for g in groups:
        figures = [(m.run.label, get_x(m.summary.overall), get_y(m.summary.overall)) for m in g.runs]
        runs = tuple((label, a, b) for label, a, b in figures if a is not None and b is not None)
        solid = not any(trust.of(m.summary.overall.caveats, name) for m in g.runs for name in (x, y))
        if runs:
            means = statistics.fmean(r[1] for r in runs), statistics.fmean(r[2] for r in runs)
            found.append(Point(g.letter, standing.of[g.letter], *means, solid, runs))
    return found


def front(found: Sequence[Point], less_x: bool) -> Front | None:
    """Of the points without caveats where there are two, else of all; None where one point beats all others."""
    certain = [p for p in found if p.solid]
    used = certain if len(certain) > 1 else found
    best = series.pareto([(p.x, p.y) for p in used], less_x)
    return Front(tuple(best), used is certain) if len(best) > 1 else None


def _curves(found: Sequence[Point]) -> dict[str, list[Point]]:
    """The points of each curve, from the smallest load to the greatest. Curves come in the order of their letters."""
    curves: dict[str, list[Point]] = {}
    for p in found:
        curves.setdefault(p.place.curve, []).append(p)
    return {name: sorted(its, key=lambda p: p.place.step) for name, its in curves.items()}


def _figure(found: Sequence[Point], line: Front | None, factor: float) -> go.Figure:
    figure = go.Figure()
    if line:
        figure.add_scatter(
            x=rounded([p[0] * factor for p in line.points]), y=rounded([p[1] for p in line.points]), mode="lines", name=_front_name(line),
            line={"color": _FRONT_COLOUR, "dash": _front_dash(line), "width": 10}, hoverinfo="skip",
        )  # fmt: skip
    inside = max(len(p.place.level) for p in found) <= _INSIDE
    size = 13 if not any(p.place.level for p in found) else 14 + 4 * max(len(p.place.level) for p in found) if inside else 11
    curves = _curves(found)
    for name, its in curves.items():
        ink = its[0].place.colour
        runs = [r for p in its if len(p.runs) > 1 for r in p.runs]
        if runs:
            figure.add_scatter(
                x=rounded([r[1] * factor for r in runs]), y=rounded([r[2] for r in runs]), text=[r[0] for r in runs], name=name,
                mode="markers", marker={"color": ink, "size": 5, "opacity": 0.5}, hovertemplate="%{text}: %{x:.4g}, %{y:.4g}",
            )  # fmt: skip
        figure.add_scatter(
            x=rounded([p.x * factor for p in its]), y=rounded([p.y for p in its]), text=[p.place.level for p in its], name=name,
            mode="lines+markers+text", textposition="middle center" if inside else "top center", line={"color": ink, "width": 2},
            textfont={"size": 11, "color": ["white" if p.solid and inside else ink for p in its]},
            marker={"size": size, "opacity": 1, "color": [ink if p.solid else "white" for p in its], "line": {"color": ink, "width": 2}},
            customdata=[f"{p.letter} {p.place.name}" for p in its], hovertemplate="%{customdata}: %{x:.4g}, %{y:.4g}<extra></extra>",
        )  # fmt: skip
    x_end, y_end = (1.12 * max(values) or 1.0 for values in ([p.x * factor for p in found], [p.y for p in found]))
    figure.update_traces(cliponaxis=False)  # a point near 0 is whole
    figure.update_xaxes(range=[0, x_end])
    figure.update_yaxes(range=[0, y_end])
    frame = Frame(x_end, y_end, _NARROW.width, _NARROW.height)
    named = {name: [(p.x * factor, p.y) for p in its] for name, its in curves.items()}
    named |= {_FRONT_LABEL: [(x * factor, y) for x, y in line.points]} if line else {}
    for label in labels(named, frame, gap=size / 2 + 11):
        figure.add_annotation(
            x=label.at[0], y=label.at[1], xshift=label.right, yshift=label.up, text=f"<b>{label.name}</b>", showarrow=False,
            font={"color": curves[label.name][0].place.colour if label.name in curves else _FRONT_INK},
        )  # fmt: skip
    return figure


def _front_name(line: Front) -> str:
    return FRONT if line.certain else DOUBTFUL_FRONT


def _front_dash(line: Front) -> str:
    return "solid" if line.certain else "dot"


def _legend(found: Sequence[Point], fronts: Sequence[Front]) -> list[Entry]:
    legend = [Entry(name, its[0].place.colour) for name, its in _curves(found).items()]
    legend += [Entry(_front_name(line), _FRONT_COLOUR, _front_dash(line), width=9) for line in {f.certain: f for f in fronts}.values()]
    return legend + ([] if all(p.solid for p in found) else [Entry(HOLLOW, INK, shape="ring", hides=False)])
