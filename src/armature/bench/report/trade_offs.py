"""What configurations make in all against what a user sees of it."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from armature.bench.compare.groups import Repeats
from armature.bench.report import series
from armature.bench.report.figures import colour, styled
from armature.bench.summary import Group

NAMES_A_ROW = 4  # of the legend, about

Figure = Callable[[Group], float | None]


@dataclass(frozen=True)
class Point:
    """One configuration: the means of its runs, and each of them."""

    letter: str
    name: str
    x: float
    y: float
    runs: tuple[tuple[str, float, float], ...]


def trade_offs(groups: Sequence[Repeats]) -> go.Figure | None:
    """Throughput against a user's tokens per second, and against TTFT. A dotted line joins what nothing else beats in both.

    Configurations of one name (a topology and model under several loads) are joined to a curve. None where fewer than two have figures.
    """
    per_gpu = all(g.runs[0].summary.gpus for g in groups)
    y, y_title = (_per_gpu, "output tok/s per GPU") if per_gpu else (_in_all, "output tok/s")
    names = list(dict.fromkeys(g.name for g in groups))
    figure = make_subplots(rows=1, cols=2, horizontal_spacing=0.09)
    most = 0
    for column, (x, title, less) in enumerate(
        [(_per_user, "output tok/s per user (1000 / TPOT p50)", False), (_ttft_p99, "TTFT p99, ms", True)], 1
    ):
        found = points(groups, x, y)
        most = max(most, len(found))
        _draw(figure, found, names, column, less)
        figure.update_xaxes(title=title, rangemode="tozero", row=1, col=column)
        figure.update_yaxes(title=y_title, rangemode="tozero", row=1, col=column)
    figure.update_traces(cliponaxis=False)  # the letter of the topmost point
    return styled(figure, 440, legend_rows=math.ceil(len(names) / NAMES_A_ROW)) if most > 1 else None


def points(groups: Sequence[Repeats], x: Figure, y: Figure) -> list[Point]:
    """The configurations of which both figures are known."""
    found = []
    for g in groups:
        figures = [(m.run.label, x(m.summary.overall), y(m.summary.overall)) for m in g.runs]
        runs = tuple((label, a, b) for label, a, b in figures if a is not None and b is not None)
        if runs:
            found.append(Point(g.letter, g.name, statistics.fmean(r[1] for r in runs), statistics.fmean(r[2] for r in runs), runs))
    return found


def _draw(figure: go.Figure, found: Sequence[Point], names: Sequence[str], column: int, less_x: bool) -> None:
    add = partial(figure.add_scatter, row=1, col=column)
    for number, name in enumerate(names):
        its = sorted((p for p in found if p.name == name), key=lambda p: p.x)
        add(
            x=[p.x for p in its], y=[p.y for p in its], text=[p.letter for p in its], name=name, legendgroup=name, showlegend=column == 1,
            mode="markers+lines+text", textposition="top right", marker={"size": 11}, line={"color": colour(number), "width": 1},
            hovertemplate="%{text}, mean: %{x:.4g}, %{y:.4g}",
        )  # fmt: skip
        runs = [r for p in its if len(p.runs) > 1 for r in p.runs]
        add(
            x=[r[1] for r in runs], y=[r[2] for r in runs], text=[r[0] for r in runs], name=name, legendgroup=name, showlegend=False,
            mode="markers", marker={"color": colour(number), "size": 5, "opacity": 0.5}, hovertemplate="%{text}: %{x:.4g}, %{y:.4g}",
        )  # fmt: skip
    front = series.pareto([(p.x, p.y) for p in found], less_x)
    if len(front) > 1:
        add(
            x=[p[0] for p in front], y=[p[1] for p in front], mode="lines", name="not beaten in both", legendgroup="front",
            showlegend=column == 1, line={"color": "#333", "dash": "dot", "width": 2}, hoverinfo="skip",
        )  # fmt: skip


def _per_gpu(g: Group) -> float | None:
    return g.rates.output_tokens_per_s_per_gpu


def _in_all(g: Group) -> float | None:
    return g.rates.output_tokens_per_s


def _per_user(g: Group) -> float | None:
    return g.rates.output_tokens_per_s_per_user


def _ttft_p99(g: Group) -> float | None:
    return g.latency.ttft_ms.p99 if g.latency.ttft_ms else None
