"""When a mean is known, and when the client itself was too slow."""

from __future__ import annotations

import math
import random
from array import array

import pytest

from armature_load.known import FIRST_SIZE, LEAST_BATCHES, BatchMeans, student_975
from armature_load.settings import Limits
from armature_load.watch import Watch


def fed(values: list[float]) -> BatchMeans:
    means = BatchMeans()
    for value in values:
        means.add(value)
    return means


def test_nothing_is_known_of_a_few() -> None:
    least = FIRST_SIZE * LEAST_BATCHES
    assert fed([1.0 + i % 2 for i in range(least - 1)]).relative_half_width() == math.inf
    assert fed([1.0 + i % 2 for i in range(least)]).relative_half_width() < math.inf


def test_the_interval_holds_the_mean_as_often_as_it_says() -> None:
    rng, inside = random.Random(3), 0
    for _ in range(300):
        values = [rng.expovariate(1 / 50) for _ in range(1500)]
        means = fed(values)
        half = means.relative_half_width()
        if half == math.inf:  # one in twenty looks correlated by chance
            continue
        inside += abs(sum(values) / len(values) - 50) <= half * 50
    assert inside >= 0.88 * 300


def test_more_samples_narrow_it() -> None:
    rng = random.Random(4)
    values = [rng.gauss(100, 20) for _ in range(20_000)]
    assert fed(values).relative_half_width() < 0.01 < fed(values[:300]).relative_half_width()


def test_samples_that_follow_each_other_are_not_taken_for_independent() -> None:
    rng, level, values = random.Random(5), 0.0, []
    for _ in range(400):
        level = 0.99 * level + rng.gauss(0, 1)
        values.append(100 + level)
    assert fed(values).relative_half_width() == math.inf


@pytest.mark.parametrize(("df", "value"), [(19, 2.0930), (29, 2.0452), (39, 2.0227)])
def test_students_quantile(df: int, value: float) -> None:
    assert student_975(df) == pytest.approx(value, abs=2e-3)


@pytest.mark.parametrize(
    ("lag_s", "cpu", "word"),
    [(0.0002, 0.2, None), (0.02, 0.2, "lagged 20.0 ms"), (0.0002, 0.95, "95% of a core")],
)
def test_a_client_that_was_too_slow_says_so(lag_s: float, cpu: float, word: str | None) -> None:
    watch = Watch()
    watch._lags, watch._used = array("d", [lag_s] * 200), (10.0, 10.0 * cpu)
    watch.requests, watch.chunks = 5, 100
    report = watch.report(0, 1, Limits())
    assert report["valid"] == (word is None)
    assert word is None or word in " ".join(report["reasons"])
    assert report["cpu_us_per_chunk"] == pytest.approx(1e5 * cpu)
