"""The report's plots, made with plotly. Each is a figure of plain numbers, small enough for a page."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import Any

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from armature.bench.records import Request, Sample
from armature.bench.report import series
from armature.bench.server import Key, increase_per_s, is_counter

COLOURS = ("#2f6db3", "#d1622b", "#2e8b57", "#8a4fa3", "#b8860b", "#c23b5a", "#4a8f9c", "#6b6b6b")
FAILED = "#c62828"
_GRID = "#e6e9ee"
_LATENCIES: tuple[tuple[str, Callable[[Request], Sequence[float]]], ...] = (
    ("TTFT, ms", lambda r: [] if r.ttft_ms is None else [r.ttft_ms]),
    ("ITL, ms", lambda r: r.gaps_ms),
    ("end to end, ms", lambda r: [r.e2e_ms]),
)


def colour(number: int) -> str:
    """The colour of a configuration or class, the same in every plot."""
    return COLOURS[number % len(COLOURS)]


def distributions(requests: Mapping[str, Sequence[Request]]) -> go.Figure:
    """The cumulative distributions of TTFT, ITL and end-to-end time, a line for each name. Only successful requests."""
    figure = make_subplots(rows=1, cols=3, subplot_titles=[title for title, _ in _LATENCIES], horizontal_spacing=0.05)
    for column, (_, get) in enumerate(_LATENCIES, 1):
        everything: list[float] = []
        for number, (name, its) in enumerate(requests.items()):
            x, y = series.cdf([v for r in its if r.ok for v in get(r)])
            everything += x
            figure.add_scatter(
                x=_round(x), y=_round(y), name=name, mode="lines", line={"color": colour(number),},
                legendgroup=name, showlegend=column == 1, row=1, col=column, hovertemplate="%{y:.1%} up to %{x:.4g} ms",
            )  # fmt: skip
        figure.update_xaxes(type="log", tickvals=_ticks(everything), row=1, col=column)
    figure.update_yaxes(range=[0, 1.02], tickformat=".0%")
    return styled(figure, 340)


def load_over_time(requests: Sequence[Request], zero: float) -> go.Figure:
    """What was sent, done and failed, what was in flight and made, and how latencies went. zero: when measuring began."""
    t = series.timeline(requests)
    x = _round(t.bins.middles(zero))
    titles = ["requests in flight", "requests/s", "output tokens/s", "ITL, ms", "TTFT and end to end, ms; failed requests are crosses"]
    figure = make_subplots(rows=5, cols=1, shared_xaxes=True, vertical_spacing=0.045, subplot_titles=titles, row_heights=[1, 1, 1, 1, 1.7])

    def line(row: int, name: str, y: Sequence[float | None], colour: str, **style: Any) -> None:
        figure.add_scatter(x=x, y=_round(y), name=name, mode="lines", line={"color": colour, **style}, row=row, col=1)

    line(1, "in flight", t.in_flight, COLOURS[0])
    line(2, "sent", t.sent_per_s, COLOURS[0])
    line(2, "done", t.done_per_s, COLOURS[2])
    if any(t.failed_per_s):
        line(2, "failed", t.failed_per_s, FAILED)
    line(3, "output tokens/s", t.tokens_per_s, COLOURS[3])
    line(4, "ITL p50", t.itl_p50_ms, COLOURS[4])
    line(4, "ITL p99", t.itl_p99_ms, COLOURS[5])
    _dots(figure, "TTFT", [(r.started - zero, r.ttft_ms) for r in requests if r.ok and r.ttft_ms is not None], COLOURS[0])
    _dots(figure, "end to end", [(r.started - zero, r.e2e_ms) for r in requests if r.ok], COLOURS[1])
    _dots(figure, "failed", [(r.started - zero, max(r.e2e_ms, 0.1)) for r in requests if not r.ok], FAILED, symbol="x", size=8)
    if (began := t.bins.began - zero) < 0:
        _warm_up(figure, began, rows=5)
    figure.update_yaxes(rangemode="tozero")
    latencies = [v for r in requests for v in (r.ttft_ms, r.e2e_ms) if v]
    figure.update_yaxes(type="log", rangemode="normal", tickvals=_ticks(latencies), row=5, col=1)
    figure.update_xaxes(title="seconds since measuring began", row=5, col=1)
    return styled(figure, 860)


def _warm_up(figure: go.Figure, began: float, rows: int) -> None:
    """Shade the time before measuring began."""
    for row in range(1, rows + 1):
        axis = "" if row == 1 else str(row)
        figure.add_shape(
            type="rect", x0=began, x1=0, y0=0, y1=1, xref=f"x{axis}", yref=f"y{axis} domain", layer="below",
            fillcolor="#8a94a6", opacity=0.18, line_width=0,
        )  # fmt: skip
    figure.add_annotation(x=began, y=0, xref="x", yref="y domain", text="warm-up", showarrow=False, xanchor="left", yanchor="bottom")


def _dots(figure: go.Figure, name: str, points: Sequence[tuple[float, float]], colour: str, **marker: Any) -> None:
    kept = series.thinned(points)
    if kept:
        marker = {"color": colour, "size": 4, "opacity": 0.7, **marker}
        figure.add_scatter(
            x=_round([p[0] for p in kept]), y=_round([p[1] for p in kept]), name=name, mode="markers", marker=marker, row=5, col=1
        )


def sampled(name: str, found: Mapping[Key, Sequence[Sample]], zero: float) -> go.Figure:
    """One metric of the servers, a line for each node and set of labels. Counters are shown as rates."""
    figure = go.Figure()
    for number, ((node, _, labels), samples) in enumerate(found.items()):
        shown = " ".join([node, *(f"{k}={v}" for k, v in labels)])
        points = _rates(samples) if is_counter(name) else [(s.t, s.value) for s in samples]
        kept = series.thinned([(t - zero, v) for t, v in points], most=400)
        figure.add_scatter(
            x=_round([p[0] for p in kept]), y=_round([p[1] for p in kept]), name=shown, mode="lines", line={"color": colour(number)}
        )
    figure.update_layout(title={"text": name + (", per second" if is_counter(name) else ""), "font": {"size": 13}, "x": 0.01, "y": 0.97})
    figure.update_layout(showlegend=True)  # also of one line: it names the node
    figure.update_yaxes(rangemode="tozero")
    return styled(figure, 260)


def _rates(samples: Sequence[Sample]) -> list[tuple[float, float]]:
    return [(b.t, rate) for a, b in pairwise(samples) if (rate := increase_per_s([a, b])) is not None]


def _ticks(values: Sequence[float]) -> list[float]:
    """1, 2, 5, 10 and so on around the values, for a logarithmic axis; more of them where the values are close together."""
    positive = [v for v in values if v > 0]
    if not positive:
        return []
    powers = range(math.floor(math.log10(min(positive))) - 1, math.ceil(math.log10(max(positive))) + 1)
    digits = (1, 2, 5) if max(positive) / min(positive) > 4 else (1, 1.5, 2, 3, 4, 5, 6, 8)
    return [float(f"{digit}e{power}") for power in powers for digit in digits]


def styled(figure: go.Figure, height: int, legend_rows: int = 1) -> go.Figure:
    """The look of all plots. height: in pixels, with a legend of one line; each further one adds its own."""
    more = 20 * (legend_rows - 1)
    height, below = height + more, 95 + more  # below: pixels for the last axis, its title and the legend
    figure.update_layout(
        template="none", height=height, margin={"l": 60, "r": 15, "t": 40, "b": below}, hovermode="closest",
        font={"family": "system-ui, sans-serif", "size": 12, "color": "#1d2733"}, paper_bgcolor="white", plot_bgcolor="white",
        legend={"orientation": "h", "y": -60 / (height - 40 - below), "yanchor": "top", "x": 0},
    )  # fmt: skip
    figure.update_xaxes(gridcolor=_GRID, zeroline=False, linecolor="#9aa4b2", automargin=True)
    figure.update_yaxes(gridcolor=_GRID, zeroline=False, linecolor="#9aa4b2", automargin=True)
    figure.update_annotations(font_size=13)
    return figure


def _round(values: Sequence[float | None]) -> list[float | None]:
    """Five digits: what a screen shows, in a third of the bytes."""
    return [None if v is None else float(f"{v:.5g}") for v in values]
