"""When requests are due."""

from __future__ import annotations

import math
import statistics
from itertools import islice, pairwise

import pytest

from armature_load import arrivals
from armature_load.lanes import Share


def due(level: arrivals.Level, kind: str = "constant", count: int = 10_000, seed: str = "0") -> list[float]:
    return list(islice(arrivals.arrivals(level, kind, seed), count))  # type: ignore[arg-type]


def test_a_constant_rate_is_even() -> None:
    assert due(arrivals.constant(4.0), count=5) == pytest.approx([0, 0.25, 0.5, 0.75, 1.0])


def test_poisson_gaps_are_exponential() -> None:
    gaps = [b - a for a, b in pairwise(due(arrivals.constant(50.0), "poisson", 20_000))]
    assert statistics.fmean(gaps) == pytest.approx(1 / 50, rel=0.03)
    assert statistics.stdev(gaps) == pytest.approx(1 / 50, rel=0.05)  # an exponential's deviation is its mean


def test_a_seed_decides_all_times() -> None:
    level = arrivals.constant(9.0)
    assert due(level, "poisson", 100, "1") == due(level, "poisson", 100, "1") != due(level, "poisson", 100, "2")


@pytest.mark.parametrize("processes", [2, 3])
def test_processes_share_the_same_times(processes: int) -> None:
    numbers = range(100)
    shares = [[n for n in numbers if Share(p, processes).has(n)] for p in range(processes)]
    assert sorted(n for share in shares for n in share) == list(numbers)
    assert [Share(p, processes).of(100) for p in range(processes)] == [len(share) for share in shares]


def test_a_ramp_gathers_speed_and_goes_on() -> None:
    times = due(arrivals.ramp(0.0, 10.0, 4.0), count=60)
    assert sum(t < 4.0 for t in times) == pytest.approx(20, abs=1)  # the area under it
    assert sum(t < 2.0 for t in times) == pytest.approx(5, abs=1)
    assert [b - a for a, b in pairwise(times[30:])] == pytest.approx([0.1] * 29)


def test_steps_have_their_rates_and_end() -> None:
    times = due(arrivals.steps([(2.0, 5.0), (1.0, 0.0), (1.0, 20.0)]))
    assert [sum(a <= t < b for t in times) for a, b in ((0, 2), (2, 3), (3, 4), (4, math.inf))] == [10, 0, 20, 0]


@pytest.mark.parametrize(("t", "value"), [(0.0, 2.0), (5.0, 5.0), (10.0, 8.0), (99.0, 8.0)])
def test_a_level_can_be_asked_at_any_time(t: float, value: float) -> None:
    assert arrivals.ramp(2.0, 8.0, 10.0).at(t) == pytest.approx(value)


@pytest.mark.parametrize("start", [0.0, 1.0, 9.0, 10.0])
def test_when_is_the_inverse_of_the_area(start: float) -> None:
    level = arrivals.ramp(start, 10.0, 3.0)
    for area in (0.1, 1.0, 7.0, 40.0):
        t = level.when(area)
        assert t is not None
        steps = 20_000
        assert sum(level.at(t * (k + 0.5) / steps) for k in range(steps)) * t / steps == pytest.approx(area, rel=1e-3)
