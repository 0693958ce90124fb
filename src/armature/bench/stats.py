"""Figures of many samples.

A percentile is interpolated linearly: of n values in order, the q-th percentile lies at place (n - 1) * q / 100, counted from 0,
and between two values in proportion (numpy's and Excel's default, `inclusive` in Python's statistics).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from armature.bench.summary import Distribution

PERCENTILES = (50, 90, 95, 99)


def percentile(ordered: Sequence[float], q: float) -> float:
    """The q-th percentile of values that are in order; q from 0 to 100. There must be at least one value."""
    place = (len(ordered) - 1) * q / 100
    below = math.floor(place)
    above = min(below + 1, len(ordered) - 1)
    low, high = ordered[below], ordered[above]
    return low + (high - low) * (place - below)


def distribution(values: Sequence[float]) -> Distribution | None:
    """Mean, percentiles and extremes; None of nothing."""
    if not values:
        return None
    ordered = sorted(values)
    p50, p90, p95, p99 = (percentile(ordered, q) for q in PERCENTILES)
    mean = math.fsum(ordered) / len(ordered)
    return Distribution(count=len(ordered), mean=mean, p50=p50, p90=p90, p95=p95, p99=p99, min=ordered[0], max=ordered[-1])
