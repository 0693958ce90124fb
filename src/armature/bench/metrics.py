"""The figures by which runs are shown and compared, each under one name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from armature.bench.summary import Distribution, Group


@dataclass(frozen=True)
class Metric:
    """One figure of a group of requests.

    better: which way is good. headline: whether compare names who is best in it. get: the figure; None where there is none.
    """

    name: str
    title: str
    unit: str
    better: Literal["lower", "higher"]
    get: Callable[[Group], float | None]
    headline: bool = False


FIGURES = ("mean", "p50", "p90", "p95", "p99", "max")  # of a distribution, that are shown


def number(value: float | None) -> str:
    """A figure with as many digits as mean something: three, or all before the point."""
    if value is None:
        return "-"
    if isinstance(value, int) or abs(value) >= 100 or not value:
        return f"{value:,.0f}"
    return f"{value:#.3g}".rstrip(".") if abs(value) >= 0.001 else f"{value:.1e}"


def _latencies(which: str, title: str, part: Callable[[Group], Distribution | None], headline: bool) -> list[Metric]:
    def pick(q: str) -> Callable[[Group], float | None]:
        return lambda g: getattr(d, q) if (d := part(g)) else None

    return [Metric(f"{which}_{q}_ms", f"{title} {q}", "ms", "lower", pick(q), headline and q == "p99") for q in FIGURES]


METRICS: tuple[Metric, ...] = (
    Metric("requests_per_s", "requests", "1/s", "higher", lambda g: g.rates.requests_per_s),
    Metric("output_tokens_per_s", "output", "tok/s", "higher", lambda g: g.rates.output_tokens_per_s, True),
    Metric("total_tokens_per_s", "input + output", "tok/s", "higher", lambda g: g.rates.total_tokens_per_s),
    Metric("output_tokens_per_s_per_gpu", "output per GPU", "tok/s", "higher", lambda g: g.rates.output_tokens_per_s_per_gpu, True),
    Metric("output_tokens_per_s_per_user", "output per user", "tok/s", "higher", lambda g: g.rates.output_tokens_per_s_per_user, True),
    Metric("goodput_per_s", "goodput", "1/s", "higher", lambda g: g.goodput.requests_per_s if g.goodput else None, True),
    Metric("goodput_fraction", "goodput share", "", "higher", lambda g: g.goodput.fraction if g.goodput else None),
    *_latencies("ttft", "TTFT", lambda g: g.latency.ttft_ms, headline=True),
    *_latencies("itl", "ITL", lambda g: g.latency.itl_ms, headline=True),
    *_latencies("tpot", "TPOT", lambda g: g.latency.tpot_ms, headline=True),
    *_latencies("e2e", "end to end", lambda g: g.latency.e2e_ms, headline=True),
    Metric("failed", "failed requests", "", "lower", lambda g: g.counts.failed),
)

_SHORT = ("_p50_ms", "_p99_ms")
SHOWN = tuple(m for m in METRICS if m.unit != "ms" or m.name.endswith(_SHORT))  # what a table has room for
