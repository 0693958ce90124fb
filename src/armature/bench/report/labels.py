"""Where the names of curves go inside a plot, so that they cover neither points nor each other. Pure functions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from math import inf

Spot = tuple[float, float]

_BETWEEN = 6  # places on the line between two points that a name should not cover either
_BORDER = 0.04


@dataclass(frozen=True)
class Frame:
    """A plot's axes, and its size in pixels."""

    x_end: float
    y_end: float
    width: float
    height: float

    def pixels(self, spot: Spot) -> Spot:
        """Where a value is drawn, from the lower left."""
        return spot[0] / self.x_end * self.width, spot[1] / self.y_end * self.height


@dataclass(frozen=True)
class Label:
    """A name, the point that it stands beside, and by how many pixels its middle is off that point."""

    name: str
    at: Spot
    right: float
    up: float


def labels(curves: Mapping[str, Sequence[Spot]], frame: Frame, text_px: float = 7.0, gap: float = 20.0) -> list[Label]:
    """A place for each curve's name, `gap` pixels beside one of its points: the one that leaves most room to all else.

    A name that fits nowhere has none.
    """
    taken = {name: [frame.pixels(spot) for spot in _along(curve)] for name, curve in curves.items()}
    found: list[Label] = []
    for name, curve in curves.items():
        half = len(name) * text_px / 2
        others = [spot for other, spots in taken.items() if other != name for spot in spots]
        places = [label for spot in curve for label in _beside(name, spot, half, gap) if _inside(_middle(label, frame), half, frame)]
        if places:
            best = max(places, key=partial(_free, frame=frame, half=half, own=taken[name], others=others))
            x, y = _middle(best, frame)
            found.append(best)
            taken[name] += [(x + i * half, y) for i in (-1, -0.5, 0, 0.5, 1)]
    return found


def _beside(name: str, spot: Spot, half: float, gap: float) -> Iterable[Label]:
    """Above, below, to the right and to the left; above and to one side."""
    for right, up in ((0.0, gap), (0.0, -gap), (gap + half, 0.0), (-gap - half, 0.0), (half, gap), (-half, gap)):
        yield Label(name, spot, right, up)


def _free(label: Label, frame: Frame, half: float, own: Sequence[Spot], others: Sequence[Spot]) -> tuple[float, float]:
    """How much room a label leaves: first to anything, and where that is the same (beside its own point), to other curves."""
    middle = _middle(label, frame)
    return round(_room(middle, half, [*own, *others])), _room(middle, half, others)


def _middle(label: Label, frame: Frame) -> Spot:
    x, y = frame.pixels(label.at)
    return x + label.right, y + label.up


def _along(curve: Sequence[Spot]) -> Iterable[Spot]:
    yield from curve
    for (ax, ay), (bx, by) in pairwise(curve):
        for i in range(1, _BETWEEN):
            yield ax + (bx - ax) * i / _BETWEEN, ay + (by - ay) * i / _BETWEEN


def _inside(middle: Spot, half: float, frame: Frame) -> bool:
    x, y = middle
    return half <= x <= frame.width - half and _BORDER * frame.height <= y <= (1 - _BORDER) * frame.height


def _room(middle: Spot, half: float, taken: Sequence[Spot]) -> float:
    """Pixels between a text's line and the nearest of what is drawn."""
    x, y = middle
    return min((max(0.0, abs(tx - x) - half) + abs(ty - y) for tx, ty in taken), default=inf)
