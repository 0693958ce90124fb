"""Means and differences of means with what repeats say of their certainty.

The unit is the run: each figure of a run is one value, and its requests are not counted as independent of each other.
Differences are Welch's: the groups may vary differently. scipy gives Student's t.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

ENOUGH = 3  # runs without which nothing is claimed
CONFIDENCE = 0.95


@dataclass(frozen=True)
class Interval:
    """An estimate, and the bounds between which the truth lies with the stated confidence."""

    estimate: float
    low: float
    high: float

    @property
    def excludes_zero(self) -> bool:
        return self.low > 0 or self.high < 0


def mean(values: Sequence[float], confidence: float = CONFIDENCE) -> Interval | None:
    """The mean of repeats; None of fewer than ENOUGH."""
    if len(values) < ENOUGH:
        return None
    return _interval(statistics.fmean(values), _error(values), len(values) - 1, confidence)


def difference(values: Sequence[float], baseline: Sequence[float], confidence: float = CONFIDENCE) -> Interval | None:
    """mean(values) - mean(baseline); None when either has fewer repeats than ENOUGH."""
    if min(len(values), len(baseline)) < ENOUGH:
        return None
    estimate = statistics.fmean(values) - statistics.fmean(baseline)
    a, b = _error(values) ** 2, _error(baseline) ** 2
    if not a + b:
        return Interval(estimate, estimate, estimate)  # repeats that agree to the last digit
    freedom = (a + b) ** 2 / (a**2 / (len(values) - 1) + b**2 / (len(baseline) - 1))
    return _interval(estimate, math.sqrt(a + b), freedom, confidence)


def _error(values: Sequence[float]) -> float:
    """The standard error of the mean."""
    return statistics.stdev(values) / math.sqrt(len(values))


def _interval(estimate: float, error: float, freedom: float, confidence: float) -> Interval:
    from scipy.stats import t  # takes its time to import

    half = float(t.ppf((1 + confidence) / 2, freedom)) * error
    return Interval(estimate, estimate - half, estimate + half)
