"""Units in which a reader expects a figure: MiB instead of bytes, ms instead of 0.004 s, an age instead of a Unix time. Pure functions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Unit:
    """A value times `factor` is what is shown, in `name`; a plain number has none."""

    name: str = ""
    factor: float = 1.0

    def after(self, title: str) -> str:
        """The title of a figure in this unit."""
        return f"{title}, {self.name}" if self.name else title


# Sizes of units in bytes and in seconds, the largest first.
_BYTES = (("TiB", 2.0**40), ("GiB", 2.0**30), ("MiB", 2.0**20), ("KiB", 2.0**10), ("B", 1.0))
_TIMES = (("h", 3600.0), ("min", 60.0), ("s", 1.0), ("ms", 1e-3), ("µs", 1e-6), ("ns", 1e-9))
_SECONDS = {"_seconds": 1.0, "_ms": 1e-3, "_us": 1e-6, "_ns": 1e-9}  # what the end of a metric's name says
_PLAIN = {
    "_watts": Unit("W"),
    "_celsius": Unit("°C"),
    "_cores": Unit("cores"),
    "_ratio": Unit("%", 100.0),
    "_utilization": Unit("%", 100.0),
}
_TOTALS = ("_total", "_sum")
_MOMENTS = ("_timestamp_seconds", "_start_time_seconds", "_created")
_ENOUGH = 10  # latencies stay in ms until they have this many of the next unit: other tables have them in ms, too


def is_moment(name: str) -> bool:
    """Whether a metric's value is a Unix time, as Prometheus' names say."""
    return name.endswith(_MOMENTS)


def of_metric(name: str, greatest: float) -> Unit:
    """The unit of a server's metric, by its name and its greatest value. A Unix time counts as the seconds since then."""
    for ending in _TOTALS:
        name = name.removesuffix(ending)
    if is_moment(name):
        return _largest(_TIMES, greatest)
    if name.endswith("_bytes"):
        return _largest(_BYTES, greatest)
    for ending, seconds in _SECONDS.items():
        if name.endswith(ending):
            return _largest(_TIMES, greatest, seconds)
    return next((unit for ending, unit in _PLAIN.items() if name.endswith(ending)), Unit())


def of_latency(greatest_ms: float) -> Unit:
    """The unit of latencies that are known in ms."""
    return _largest(_TIMES[2:4], greatest_ms / _ENOUGH, 1e-3)


def _largest(units: Sequence[tuple[str, float]], greatest: float, given: float = 1.0) -> Unit:
    """The largest unit of which `greatest` has at least one, else the smallest. given: the size of the unit that values come in."""
    name, size = next((u for u in units if greatest * given >= u[1]), units[-1])
    if greatest <= 0:
        name, size = next(u for u in units if u[1] == given)
    return Unit(name, given / size)
