"""Percentiles and means, against numpy and against what must hold of any."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from armature.bench.stats import distribution, percentile

VALUES = st.lists(st.floats(-1e9, 1e9, allow_nan=False), min_size=1, max_size=200)


@given(VALUES, st.floats(0, 100))
def test_percentiles_are_numpys_linear_ones(values: list[float], q: float) -> None:
    assert percentile(sorted(values), q) == pytest.approx(np.percentile(values, q, method="linear"), rel=1e-9, abs=1e-6)


@given(VALUES)
def test_a_distribution_is_numpys(values: list[float]) -> None:
    found = distribution(values)
    assert found is not None
    want = [len(values), np.mean(values), *np.percentile(values, [50, 90, 95, 99]), min(values), max(values)]
    have = [found.count, found.mean, found.p50, found.p90, found.p95, found.p99, found.min, found.max]
    assert have == pytest.approx(want, rel=1e-9, abs=1e-6)


@given(VALUES)
def test_percentiles_are_in_order_and_within_the_values(values: list[float]) -> None:
    d = distribution(values)
    assert d is not None
    slack = 1e-6  # of rounding
    ordered = [d.min, d.p50, d.p90, d.p95, d.p99, d.max]
    assert all(a <= b + slack for a, b in pairwise(ordered))


def test_of_nothing_there_is_no_distribution() -> None:
    assert distribution([]) is None
