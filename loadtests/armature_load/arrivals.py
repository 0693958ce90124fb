"""How much load there is at a time: a level (a concurrency or a rate) over time, and the arrivals that a rate makes.

Arrivals follow from a clock of unit rate, read through the level's integral: constant gaps or exponential ones, both also
while the rate ramps. Every process makes the same arrivals and sends its share of them.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Stretch:
    """`seconds` in which the level goes linearly from `start` to `end`."""

    seconds: float
    start: float
    end: float

    @property
    def area(self) -> float:
        return math.inf if self.seconds == math.inf else self.seconds * (self.start + self.end) / 2

    def when(self, area: float) -> float:
        """Seconds into the stretch at which its area is `area`."""
        if area == 0.0:
            return 0.0
        if self.start == self.end:
            return area / self.start
        slope = (self.end - self.start) / self.seconds
        # The smaller root of start*t + slope*t**2/2 = area, written so that a small slope loses no digits.
        return 2 * area / (self.start + math.sqrt(max(self.start**2 + 2 * slope * area, 0.0)))


@dataclass(frozen=True)
class Level:
    """Stretches, one after the other."""

    stretches: tuple[Stretch, ...]

    @property
    def seconds(self) -> float:
        """How long it lasts; infinite when it holds its last value."""
        return sum(s.seconds for s in self.stretches)

    @property
    def most(self) -> float:
        return max(max(s.start, s.end) for s in self.stretches)

    @property
    def changes(self) -> bool:
        return len(self.stretches) > 1

    def at(self, t: float) -> float:
        """The level `t` seconds after the start; 0 after its end."""
        for s in self.stretches:
            if t < s.seconds:
                return s.start if s.start == s.end else s.start + (s.end - s.start) * t / s.seconds
            t -= s.seconds
        return 0.0

    def when(self, area: float) -> float | None:
        """When its integral reaches `area`; None when it ends before."""
        t = 0.0
        for s in self.stretches:
            if area < s.area:
                return t + s.when(area)
            area -= s.area
            t += s.seconds
        return None


def constant(value: float) -> Level:
    return Level((Stretch(math.inf, value, value),))


def ramp(start: float, end: float, seconds: float) -> Level:
    """From `start` to `end` in `seconds`, and on at `end`."""
    return Level((Stretch(seconds, start, end), Stretch(math.inf, end, end)))


def steps(parts: Sequence[tuple[float, float]]) -> Level:
    """(seconds, level) one after the other; it ends with the last."""
    return Level(tuple(Stretch(seconds, value, value) for seconds, value in parts))


def arrivals(level: Level, kind: Literal["constant", "poisson"], seed: str) -> Iterator[float]:
    """Seconds after the start of each request, increasing; ends when the level does."""
    clock, rng = 0.0, random.Random(f"arrivals/{seed}")
    if kind == "poisson":
        clock = rng.expovariate(1.0)
    while (t := level.when(clock)) is not None:
        yield t
        clock += rng.expovariate(1.0) if kind == "poisson" else 1.0
