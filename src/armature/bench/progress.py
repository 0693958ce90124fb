"""How much of a load is done: by the requests or the seconds after which it ends."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Extent:
    """When a load ends. requests, seconds: measured ones; None: it ends at no such number."""

    requests: int | None = None
    seconds: float | None = None

    def share(self, requests: int, seconds: float) -> float | None:
        """The part that is done, from 0 to 1; None where the settings do not say when the load ends.

        requests: that have been measured and have ended. seconds: since measuring began.
        """
        parts = [done / of for done, of in ((requests, self.requests), (seconds, self.seconds)) if of]
        return max(0.0, min(1.0, max(parts))) if parts else None


def extent(settings: Mapping[str, Any]) -> Extent:
    """When a load of these settings (load.json has them) ends. A load that ends once a mean is known ends sooner."""
    end = settings.get("end") or {}
    lanes = list(_lanes(settings, end.get("count")))
    requests = [_requests(*lane) for lane in lanes]
    steps = [sum(seconds for seconds, _ in shape.get("steps") or ()) for shape, _, _ in lanes]
    return Extent(
        requests=sum(n for n in requests if n) if lanes and all(requests) else None,
        seconds=min(filter(None, (end.get("time_s"), max(steps) if lanes and all(steps) else None)), default=None),
    )


def _lanes(settings: Mapping[str, Any], count: int | None) -> Sequence[tuple[Mapping[str, Any], int | None, int]]:
    """Shape, count and turns of everything that sends side by side: classes that share a shape are one."""
    classes = settings.get("classes") or [{}]
    shared = [c for c in classes if not c.get("shape")]
    found = [(settings.get("shape") or {}, count, max(map(_turns, shared)))] if shared else []
    return [*found, *((c["shape"], c.get("count"), _turns(c)) for c in classes if c.get("shape"))]


def _turns(workload: Mapping[str, Any]) -> int:
    return workload.get("turns") or 1


def _requests(shape: Mapping[str, Any], count: int | None, turns: int) -> int | None:
    if shape.get("trace"):
        recorded = _lines(Path(shape["trace"]))
        return min(recorded, count or recorded) if recorded else count
    return None if count is None else -(-count // turns) * turns  # whole conversations


def _lines(file: Path) -> int | None:
    try:
        with file.open("rb") as f:
            return sum(1 for line in f if line.strip())
    except OSError:
        return None
