"""What plots are made of: thinned, binned, and nothing of weight lost."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from armature.bench.read import read_one
from armature.bench.records import Request
from armature.bench.report.series import MOST_BINS, bins, cdf, pareto, thinned, timeline, tokens
from support.load_files import BEGAN, failed, request

POINTS = st.lists(st.tuples(st.floats(0, 1e6), st.floats(0, 1e6)), min_size=1, max_size=60)


def typed(*rows: dict[str, Any]) -> list[Request]:
    return [read_one(json.dumps(row).encode(), Request, "row") for row in rows]


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=2000))
def test_a_cdf_rises_from_the_least_value_to_the_greatest(values: list[float]) -> None:
    x, y = cdf(values)
    assert len(x) == len(y) <= 210
    assert x[0] == min(values) and x[-1] == pytest.approx(max(values))
    assert all(a <= b + 1e-6 for a, b in pairwise(x)) and all(a < b for a, b in pairwise(y))


@given(st.floats(0.001, 3e5))
def test_bins_are_few_and_cover_the_time(seconds: float) -> None:
    b = bins(BEGAN, BEGAN + seconds)
    assert b.count <= MOST_BINS + 1
    assert b.index(BEGAN) == 0 and b.index(BEGAN + seconds) is not None


def test_a_timeline_counts_every_request_and_token_once() -> None:
    rows = [request(i, at=i * 0.37, ttft_ms=200, gaps_ms=[30] * 9) for i in range(50)] + [failed(99, started=BEGAN + 5, ended=BEGAN + 5.1)]
    t = timeline(typed(*rows))
    width = t.bins.width
    assert sum(t.sent_per_s) * width == pytest.approx(51)
    assert sum(t.done_per_s) * width == pytest.approx(50)
    assert sum(t.failed_per_s) * width == pytest.approx(1)
    assert sum(t.tokens_per_s) * width == pytest.approx(500)
    assert sum(t.in_flight) * width == pytest.approx(sum(r["ended"] - r["started"] for r in rows))
    assert {x for x in (*t.itl_p50_ms, *t.itl_p99_ms) if x is not None} == {30}


def test_tokens_come_when_their_chunks_do() -> None:
    (r,) = typed(request(0, ttft_ms=500, gaps_ms=[100, 100], chunk_tokens=[1, 4, 2]))
    assert [(round(at - BEGAN, 6), n) for at, n in tokens(r)] == [(0.5, 1), (0.6, 4), (0.7, 2)]


def test_tokens_of_chunks_that_nobody_counted_are_spread_evenly() -> None:
    (r,) = typed(request(0, gaps_ms=[10, 10], output_tokens=6))
    assert [n for _, n in tokens(r)] == [2, 2, 2]


def test_a_few_points_are_all_kept() -> None:
    assert thinned([(2, 1), (1, 5)]) == [(1, 5), (2, 1)]


@given(st.lists(st.tuples(st.floats(0, 1e3), st.floats(0, 1e3)), min_size=41, max_size=300))
def test_thinning_keeps_the_least_and_the_greatest(points: list[tuple[float, float]]) -> None:
    kept = thinned(points, most=40)
    assert len(kept) <= 40 and set(kept) <= set(points)
    assert {min(p[1] for p in points), max(p[1] for p in points)} <= {p[1] for p in kept}


@given(POINTS, st.booleans())
def test_the_front_is_what_no_other_point_beats_in_both(points: list[tuple[float, float]], less_x: bool) -> None:
    def beats(a: tuple[float, float], b: tuple[float, float]) -> bool:
        x = a[0] <= b[0] if less_x else a[0] >= b[0]
        return a != b and x and a[1] >= b[1]

    assert pareto(points, less_x) == sorted({p for p in points if not any(beats(q, p) for q in points)})
