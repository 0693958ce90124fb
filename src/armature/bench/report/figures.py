"""What all plots of the report have in common: colours, style, and the legend beside them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import plotly.graph_objects as go

COLOURS = ("#2f6db3", "#d1622b", "#2e8b57", "#8a4fa3", "#b8860b", "#c23b5a", "#4a8f9c", "#6b6b6b")
DASHES = ("solid", "dash", "dot", "dashdot", "longdash", "longdashdot")
FAILED = "#c62828"
INK = "#1d2733"
_GRID = "#e6e9ee"


@dataclass(frozen=True)
class Entry:
    """One name of a legend. shape, width: of its swatch, a line or a ring. hides: whether a click hides what has this name."""

    name: str
    colour: str
    dash: str = "solid"
    shape: str = "line"
    hides: bool = True
    width: int = 3


@dataclass(frozen=True)
class Drawing:
    """A plot, what stands above it, and its own legend. The page draws legends, not plotly: so they wrap, and none is cut off."""

    figure: go.Figure
    title: str = ""
    legend: tuple[Entry, ...] = field(default=())


def colour(number: int) -> str:
    """The colour of a configuration or class, the same in every plot."""
    return COLOURS[number % len(COLOURS)]


def lines_of(figures: Sequence[go.Figure]) -> tuple[Entry, ...]:
    """A legend of the lines in `figures`, each name once."""
    found = {t.name: Entry(t.name, t.line.color, t.line.dash or "solid") for f in figures for t in f.data if t.mode == "lines"}
    return tuple(found.values())


def styled(figure: go.Figure, height: int, **margin: int) -> go.Figure:
    """The look of all plots. height: in pixels. The width is the page's."""
    figure.update_layout(
        template="none", height=height, margin={"l": 56, "r": 12, "t": 10, "b": 46} | margin, hovermode="closest", showlegend=False,
        font={"family": "system-ui, sans-serif", "size": 12, "color": INK}, paper_bgcolor="white", plot_bgcolor="white",
    )  # fmt: skip
    figure.update_xaxes(gridcolor=_GRID, zeroline=False, linecolor="#9aa4b2", automargin=True, tickangle=0, title_font_size=12)
    figure.update_yaxes(gridcolor=_GRID, zeroline=False, linecolor="#9aa4b2", automargin=True, title_font_size=12)
    figure.update_annotations(font_size=13)
    return figure


def ticks(values: Sequence[float]) -> list[float]:
    """1, 2, 5, 10 and so on around the values, for a logarithmic axis; more of them where the values are close together."""
    positive = [v for v in values if v > 0]
    if not positive:
        return []
    powers = range(math.floor(math.log10(min(positive))) - 1, math.ceil(math.log10(max(positive))) + 1)
    ratio = max(positive) / min(positive)
    digits = (1, 1.5, 2, 3, 4, 5, 6, 8) if ratio <= 4 else (1, 2, 5) if ratio <= 1000 else (1,)
    return [float(f"{digit}e{power}") for power in powers for digit in digits]


def rounded(values: Sequence[float | None]) -> list[Any]:
    """Five digits: what a screen shows, in a third of the bytes."""
    return [None if v is None else float(f"{v:.5g}") for v in values]
