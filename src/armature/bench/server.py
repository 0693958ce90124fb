"""What was sampled on servers and GPUs, in figures."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise

from armature.bench.records import Sample
from armature.bench.stats import distribution
from armature.bench.summary import ServerSeries

_COUNTER_ENDS = ("_total", "_sum", "_count")

# What is asked of a server under load, first things first; other names come next, and those of the runtime and the interpreter last.
_FIRST = (
    *("gpu_utilization", "gpu_", "host_cpu_cores", "host_rss_bytes"),
    *("armature_requests_", "armature_kv_cache_use_ratio", "armature_", "sglang:", "dynamo_frontend_queued", "dynamo_frontend_inflight"),
)
_LAST = ("dynamo_", "python_", "process_")

Key = tuple[str, str, tuple[tuple[str, str], ...]]


def series(samples: Iterable[Sample], began: float | None = None, ended: float | None = None) -> dict[Key, list[Sample]]:
    """Samples by node, name and labels, each in order of time; only those between `began` and `ended`. Histograms' buckets are left out."""
    found: dict[Key, list[Sample]] = {}
    for s in sorted(samples, key=lambda s: s.t):
        if s.name.endswith("_bucket") or (began is not None and s.t < began) or (ended is not None and s.t > ended):
            continue
        found.setdefault((s.node, s.name, tuple(sorted(s.labels.items()))), []).append(s)
    return dict(sorted(found.items()))


def is_counter(name: str) -> bool:
    """Whether a metric only grows, as Prometheus' names say."""
    return name.endswith(_COUNTER_ENDS)


def interest(name: str) -> tuple[int, int]:
    """Where a metric stands among others, to sort by. The parts of a histogram come after what is a figure by itself."""
    part = int(name.endswith(("_sum", "_count")))
    rank = next((i for i, begin in enumerate(_FIRST) if name.startswith(begin)), len(_FIRST) + name.startswith(_LAST))
    return part, rank


def increase_per_s(samples: Sequence[Sample]) -> float | None:
    """A counter's growth per second. Where it falls, its process was started again, and counts from 0."""
    if len(samples) < 2 or samples[-1].t <= samples[0].t:
        return None
    grown = sum(b.value - a.value if b.value >= a.value else b.value for a, b in pairwise(samples))
    return grown / (samples[-1].t - samples[0].t)


def aggregate(samples: Iterable[Sample], began: float | None, ended: float | None) -> list[ServerSeries]:
    """One row a series."""
    rows = []
    for (node, name, labels), found in series(samples, began, ended).items():
        figures = distribution([s.value for s in found])
        assert figures is not None
        rows.append(
            ServerSeries(
                node=node,
                name=name,
                labels=dict(labels),
                increase_per_s=increase_per_s(found) if is_counter(name) else None,
                **figures.model_dump(include={"count", "mean", "p50", "p99", "min", "max"}),
            )
        )
    return rows
