"""A load over time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from plotly.subplots import make_subplots

from armature.bench import units
from armature.bench.records import Request
from armature.bench.report import series
from armature.bench.report.figures import COLOURS, FAILED, Drawing, rounded, styled, ticks

Named = tuple[str, str]  # a line's name and its colour; no two lines of the figure have the same colour
Lines = list[tuple[Named, Sequence[float | None]]]

IN_FLIGHT: Named = ("in flight", COLOURS[0])
SENT: Named = ("sent", COLOURS[1])
DONE: Named = ("done", COLOURS[2])
FAILURES: Named = ("failed", FAILED)
TOKENS: Named = ("output tokens", COLOURS[3])
P50: Named = ("p50", COLOURS[4])
P99: Named = ("p99", "#7a1f3d")
TTFT: Named = ("TTFT", COLOURS[6])
E2E: Named = ("end to end", "#8c5a2b")
_WARM_UP = "#8a94a6"


def load_over_time(requests: Sequence[Request], zero: float) -> Drawing:
    """What was in flight, sent, done and failed, what was made of it, and how latencies went. zero: when measuring began.

    Each panel's title has the names of its lines in their colours, so there is no legend.
    """
    t = series.timeline(requests)
    x = rounded(t.bins.middles(zero))
    itl = units.of_latency(max((v for v in t.itl_p99_ms if v is not None), default=0.0))
    latency = units.of_latency(max(r.e2e_ms for r in requests))
    dots = _dots(requests, zero, latency.factor)
    rates: Lines = [(SENT, t.sent_per_s), (DONE, t.done_per_s), *([(FAILURES, t.failed_per_s)] if any(t.failed_per_s) else [])]
    panels: list[tuple[str, Lines]] = [
        ("requests", [(IN_FLIGHT, t.in_flight)]),
        ("requests/s", rates),
        ("per second", [(TOKENS, t.tokens_per_s)]),
        (itl.after("ITL"), [(P50, _times(t.itl_p50_ms, itl)), (P99, _times(t.itl_p99_ms, itl))]),
    ]
    titles = [_title(title, [named for named, _ in lines]) for title, lines in panels]
    titles.append(_title(latency.after("each request"), list(dots)))
    rows = len(titles)
    heights = [1.0] * (rows - 1) + [1.7]
    figure = make_subplots(rows=rows, cols=1, shared_xaxes=True, vertical_spacing=0.05, subplot_titles=titles, row_heights=heights)
    for row, (_, lines) in enumerate(panels, 1):
        for (name, colour), y in lines:
            width = 5 if (name, colour) == SENT else 2  # seen also where as many are done as are sent
            figure.add_scatter(x=x, y=rounded(y), name=name, mode="lines", line={"color": colour, "width": width}, row=row, col=1)
    for (name, colour), points in dots.items():
        marker: dict[str, Any] = {"color": colour, "size": 4, "opacity": 0.8}
        if (name, colour) == FAILURES:
            marker = {"color": colour, "size": 8, "symbol": "x"}
        at, of = (rounded([p[i] for p in points]) for i in (0, 1))
        figure.add_scatter(x=at, y=of, name=name, mode="markers", marker=marker, row=rows, col=1)
    if (began := t.bins.began - zero) < 0:
        _warm_up(figure, began, rows)
    figure.update_yaxes(rangemode="tozero")
    figure.update_yaxes(type="log", rangemode="normal", tickvals=ticks([p[1] for its in dots.values() for p in its]), row=rows, col=1)
    figure.update_xaxes(title="seconds since measuring began", row=rows, col=1)
    figure.update_annotations(x=0, xanchor="left", selector={"xanchor": "center"})
    return Drawing(styled(figure, 840, t=34))


def _title(title: str, lines: Sequence[Named]) -> str:
    """A panel's title, with its lines' names in their colours."""
    return f"{title}: " + ", ".join(f'<b style="color:{colour}">{name}</b>' for name, colour in lines)


def _times(values: Sequence[float | None], unit: units.Unit) -> list[float | None]:
    return [None if v is None else v * unit.factor for v in values]


def _dots(requests: Sequence[Request], zero: float, factor: float) -> dict[Named, list[tuple[float, float]]]:
    """What each request took by when it was sent."""
    found = {
        TTFT: [(r.started - zero, r.ttft_ms * factor) for r in requests if r.ok and r.ttft_ms is not None],
        E2E: [(r.started - zero, r.e2e_ms * factor) for r in requests if r.ok],
        FAILURES: [(r.started - zero, max(r.e2e_ms, 0.1) * factor) for r in requests if not r.ok],
    }
    return {named: series.thinned(points) for named, points in found.items() if points}


def _warm_up(figure: Any, began: float, rows: int) -> None:
    """Shade the time before measuring began."""
    for row in range(1, rows + 1):
        axis = "" if row == 1 else str(row)
        figure.add_shape(
            type="rect", x0=began, x1=0, y0=0, y1=1, xref=f"x{axis}", yref=f"y{axis} domain", layer="below",
            fillcolor=_WARM_UP, opacity=0.18, line_width=0,
        )  # fmt: skip
    figure.add_annotation(x=began, y=0, xref="x", yref="y domain", text="warm-up", showarrow=False, xanchor="left", yanchor="bottom")
