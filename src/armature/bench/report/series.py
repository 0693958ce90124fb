"""What plots show, as plain numbers: few enough to draw, and none that matters left out. Pure functions."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from armature.bench.records import Request
from armature.bench.stats import percentile

MOST_BINS = 120
MOST_POINTS = 1500
_WIDTHS = (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1800, 3600)  # seconds
# Every half percent, and the tail more finely.
_FRACTIONS = (*(i / 200 for i in range(199)), *(0.99 + i / 1000 for i in range(11)))


def cdf(values: Sequence[float]) -> tuple[list[float], list[float]]:
    """Values, and the fraction of all values up to each; at most 210 points, which keep the least and the greatest."""
    if not values:
        return [], []
    ordered = sorted(values)
    fractions = _FRACTIONS if len(ordered) > len(_FRACTIONS) else [i / max(1, len(ordered) - 1) for i in range(len(ordered))]
    return [percentile(ordered, 100 * f) for f in fractions], list(fractions)


@dataclass(frozen=True)
class Bins:
    """Equal parts of a time, `width` seconds each, from `began` on."""

    began: float
    width: float
    count: int

    def index(self, t: float) -> int | None:
        """The bin of a moment; None outside."""
        i = math.floor((t - self.began) / self.width)
        return i if 0 <= i < self.count else None

    def middles(self, zero: float) -> list[float]:
        """The middle of each bin, in seconds since `zero`."""
        return [self.began + (i + 0.5) * self.width - zero for i in range(self.count)]


def bins(began: float, ended: float, most: int = MOST_BINS) -> Bins:
    """Bins of a round width, at most so many of them unless the time is longer than days."""
    width = next((w for w in _WIDTHS if (ended - began) / w <= most), _WIDTHS[-1])
    return Bins(began, width, max(1, math.floor((ended - began) / width) + 1))


def tokens(r: Request) -> Iterator[tuple[float, float]]:
    """When each chunk that holds tokens came, and how many it held. Where the server does not say, they are spread evenly."""
    if r.ttft_ms is None:
        return
    at = r.begun + r.ttft_ms / 1000
    each = (r.output_tokens or 0) / max(1, len(r.gaps_ms) + 1)
    for i, gap in enumerate((0.0, *r.gaps_ms)):
        at += gap / 1000
        yield at, r.chunk_tokens[i] if r.chunk_tokens and i < len(r.chunk_tokens) else each


@dataclass(frozen=True)
class Timeline:
    """What happened in each bin. Rates are per second; in_flight is the mean over the bin; percentiles are None without a gap in it."""

    bins: Bins
    in_flight: list[float]
    sent_per_s: list[float]
    done_per_s: list[float]
    failed_per_s: list[float]
    tokens_per_s: list[float]
    itl_p50_ms: list[float | None]
    itl_p99_ms: list[float | None]


def timeline(requests: Sequence[Request]) -> Timeline:
    """The load over time, of all phases. There must be at least one request."""
    most = min(MOST_BINS, max(20, len(requests) // 10))  # rates of a few requests a bin would only flicker
    b = bins(
        min(r.started for r in requests), max(r.ended for r in requests) + 0.001, most
    )  # rounding may put the last token behind the end
    flying, sent, done, failed, made = ([0.0] * b.count for _ in range(5))
    gaps: list[list[float]] = [[] for _ in range(b.count)]
    for r in requests:
        _add(b, sent, r.started)
        _add(b, done if r.ok else failed, r.ended)
        _spread(b, flying, r.started, r.ended)
        for i, (at, count) in enumerate(tokens(r)):
            _add(b, made, at, count)
            if i and (place := b.index(at)) is not None:
                gaps[place].append(r.gaps_ms[i - 1])
    ordered = [sorted(g) for g in gaps]
    rates = [[x / b.width for x in column] for column in (flying, sent, done, failed, made)]
    in_flight, sent_per_s, done_per_s, failed_per_s, tokens_per_s = rates
    return Timeline(
        bins=b,
        in_flight=in_flight,
        sent_per_s=sent_per_s,
        done_per_s=done_per_s,
        failed_per_s=failed_per_s,
        tokens_per_s=tokens_per_s,
        itl_p50_ms=[percentile(g, 50) if g else None for g in ordered],
        itl_p99_ms=[percentile(g, 99) if g else None for g in ordered],
    )


def _add(b: Bins, column: list[float], t: float, amount: float = 1.0) -> None:
    if (i := b.index(t)) is not None:
        column[i] += amount


def _spread(b: Bins, column: list[float], began: float, ended: float) -> None:
    """Add to each bin the seconds of it that lie between two moments."""
    first = max(0, math.floor((began - b.began) / b.width))
    last = min(b.count - 1, math.floor((ended - b.began) / b.width))
    for i in range(first, last + 1):
        left = b.began + i * b.width
        column[i] += max(0.0, min(ended, left + b.width) - max(began, left))


def thinned(points: Sequence[tuple[float, float]], most: int = MOST_POINTS) -> list[tuple[float, float]]:
    """Points (x, y) in the order of x: all, or the least and the greatest y of each of most / 2 equal parts."""
    ordered = sorted(points)
    if len(ordered) <= most:
        return ordered
    kept: list[tuple[float, float]] = []
    parts = most // 2
    for i in range(parts):
        part = ordered[i * len(ordered) // parts : (i + 1) * len(ordered) // parts]
        kept += sorted({min(part, key=lambda p: p[1]), max(part, key=lambda p: p[1])})
    return kept


def pareto(points: Sequence[tuple[float, float]], less_x: bool = False) -> list[tuple[float, float]]:
    """The points that no other one beats in both, by x. More y is better, and more x, unless `less_x`."""
    sign = -1 if less_x else 1
    best: list[tuple[float, float]] = []
    for point in sorted(set(points), key=lambda p: (-sign * p[0], -p[1])):
        if not best or point[1] > best[-1][1]:
            best.append(point)
    return sorted(best)
