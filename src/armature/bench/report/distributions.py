"""Cumulative distributions of latencies: one plot for each of TTFT, ITL, TPOT and end to end, with a line for each name."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import plotly.graph_objects as go

from armature.bench import units
from armature.bench.metrics import number
from armature.bench.records import Request
from armature.bench.report import series
from armature.bench.report.figures import Drawing, rounded, styled, ticks
from armature.bench.stats import percentile

_AT_ONCE_MS = 0.1  # shorter gaps lie between chunks that came together: such a percentile says nothing of the scale
_STALLS = 1.5  # times the percentile at which an axis ends: nearer values are drawn, too
_FAR = 20  # of a logarithmic axis: so many times the least median is the greatest p99


@dataclass(frozen=True)
class Latency:
    """A latency, and how its axis goes. upto: where it ends, as a percentile. gaps: many values a request, of which some are 0."""

    title: str
    get: Callable[[Request], Sequence[float]]
    upto: int = 99
    gaps: bool = False


LATENCIES = (
    Latency("TTFT", lambda r: [] if r.ttft_ms is None else [r.ttft_ms]),
    Latency("ITL", lambda r: r.gaps_ms, upto=95, gaps=True),
    Latency("TPOT", lambda r: [] if r.tpot_ms is None else [r.tpot_ms]),
    Latency("End to end", lambda r: [r.e2e_ms]),
)


@dataclass(frozen=True)
class Line:
    """A name, its requests, and how its line looks in every plot."""

    name: str
    requests: Sequence[Request]
    colour: str
    dash: str = "solid"


def distributions(lines: Sequence[Line]) -> list[Drawing]:
    """A plot for each latency that any of the successful requests has."""
    return [drawing for latency in LATENCIES if (drawing := _distribution(latency, lines))]


def _distribution(latency: Latency, lines: Sequence[Line]) -> Drawing | None:
    values = [sorted(v for r in line.requests if r.ok for v in latency.get(r)) for line in lines]
    known = [v for v in values if v]
    if not known:
        return None
    greatest = max(its[-1] for its in known)
    far = not latency.gaps and is_far(known)
    end = greatest if far else edge(known, latency.upto)
    unit = units.of_latency(end)
    figure = go.Figure()
    for line, its in zip(lines, values, strict=True):
        x, y = series.cdf(its)
        if latency.gaps and x:
            x, y = [0.0, *x], [0.0, *y]  # gaps of 0 ms are a step at 0
        figure.add_scatter(
            x=rounded([v * unit.factor for v in x]), y=rounded(y), name=line.name, mode="lines",
            line={"color": line.colour, "dash": line.dash},
            hovertemplate=f"%{{y:.1%}} up to %{{x:.4g}} {unit.name}",
        )  # fmt: skip
    if far:
        figure.update_xaxes(type="log", tickvals=ticks([v * unit.factor for its in known for v in its]))
    else:
        figure.update_xaxes(range=[0, end * unit.factor * 1.03])
    figure.update_xaxes(title=unit.after(latency.title))
    figure.update_yaxes(range=[0, 1.02], tickvals=[0, 0.25, 0.5, 0.75, 0.9, 1], tickformat=".0%")
    beyond = f" up to its p{latency.upto}; the maximum is {number(greatest * unit.factor)} {unit.name}" if greatest > end else ""
    return Drawing(styled(figure, 250), latency.title + beyond)


def edge(values: Sequence[Sequence[float]], upto: int) -> float:
    """Where the axis of sorted values ends: at their greatest percentile `upto` where more would press all else together, else at the
    greatest value."""
    last, greatest = max(percentile(its, upto) for its in values), max(its[-1] for its in values)
    return last if last > _AT_ONCE_MS and greatest > _STALLS * last else greatest or 1.0


def is_far(values: Sequence[Sequence[float]]) -> bool:
    """Whether sorted values are too far apart for an axis that begins at 0."""
    return max(percentile(its, 99) for its in values) > _FAR * min(percentile(its, 50) for its in values) > 0
