"""When a mean is known well enough: confidence intervals by batch means.

Requests that follow each other share the server's state, so their latencies are not independent, and the usual standard
error is too small. Means of long batches are nearly independent: the samples are kept as 20 to 39 batches, whose size doubles
as they come, and the interval is Student's over the batches' means. Batches that still follow each other (autocorrelation at
lag 1 above 0.3, one and a half standard errors of that of independent ones) are too short: nothing is known until they have grown.
"""

from __future__ import annotations

import math
import statistics
from itertools import pairwise

LEAST_BATCHES = 20
FIRST_SIZE = 10  # so at least 200 samples
MOST_CORRELATED = 0.3


class BatchMeans:
    """The mean of a stream of values and how well it is known."""

    def __init__(self) -> None:
        self._size = FIRST_SIZE
        self._means: list[float] = []
        self._open: list[float] = []

    def add(self, value: float) -> None:
        self._open.append(value)
        if len(self._open) < self._size:
            return
        self._means.append(statistics.fmean(self._open))
        self._open.clear()
        if len(self._means) == 2 * LEAST_BATCHES:
            pairs = zip(self._means[::2], self._means[1::2], strict=True)
            self._means = [(a + b) / 2 for a, b in pairs]
            self._size *= 2

    def relative_half_width(self) -> float:
        """Half of the 95% confidence interval, as a fraction of the mean; infinite while there are too few or too short batches."""
        k = len(self._means)
        if k < LEAST_BATCHES:
            return math.inf
        mean = statistics.fmean(self._means)
        if _lag_one(self._means, mean) > MOST_CORRELATED:
            return math.inf
        return student_975(k - 1) * statistics.stdev(self._means) / math.sqrt(k) / mean if mean else math.inf


def _lag_one(values: list[float], mean: float) -> float:
    """Their autocorrelation at lag 1."""
    off = [v - mean for v in values]
    square = sum(x * x for x in off)
    return sum(a * b for a, b in pairwise(off)) / square if square else 0.0


def student_975(df: int) -> float:
    """The 0.975 quantile of Student's t for `df` of at least 10, to three digits (the normal one's expansion in 1/df)."""
    z = statistics.NormalDist().inv_cdf(0.975)
    return z + (z**3 + z) / (4 * df) + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * df**2)
