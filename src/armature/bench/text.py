"""A summary as text for a terminal."""

from __future__ import annotations

from armature.bench.metrics import FIGURES, number
from armature.bench.summary import Distribution, Group, Summary


def overview(summary: Summary) -> str:
    """What came out of a run, in a dozen lines."""
    window, group = summary.window, summary.overall
    lines = [
        f"{summary.run}  {summary.model or ''}  plan {summary.plan_hash or 'unknown'}",
        f"{group.counts.sent} requests in {number(window.seconds)} s: {group.counts.ok} ok, {group.counts.failed} failed",
        "",
        " " * 12 + "".join(f"{c:>10}" for c in FIGURES),
    ]
    for title, figures in latencies(group):
        cells = [number(getattr(figures, c)) if figures else "-" for c in FIGURES]
        lines.append(f"{title:12}" + "".join(f"{cell:>10}" for cell in cells))
    return "\n".join([*lines, "", *_rates(summary), *(f"note: {note}" for note in summary.notes), ""])


def latencies(group: Group) -> list[tuple[str, Distribution | None]]:
    """The four latencies with their titles, in ms."""
    found = group.latency
    return [("TTFT ms", found.ttft_ms), ("ITL ms", found.itl_ms), ("TPOT ms", found.tpot_ms), ("E2E ms", found.e2e_ms)]


def _rates(summary: Summary) -> list[str]:
    rates, good = summary.overall.rates, summary.overall.goodput
    parts = [
        f"{number(rates.requests_per_s)} requests/s",
        f"{number(rates.output_tokens_per_s)} output tok/s",
        f"{number(rates.total_tokens_per_s)} tok/s in all",
        f"{number(rates.output_tokens_per_s_per_user)} tok/s per user",
    ]
    if rates.output_tokens_per_s_per_gpu is not None:
        parts.append(f"{number(rates.output_tokens_per_s_per_gpu)} tok/s per GPU")
    lines = [", ".join(parts)]
    if good and summary.slo:
        limits = ", ".join(f"{name} {number(limit)}" for name, limit in summary.slo.model_dump(exclude_none=True).items())
        lines.append(f"goodput ({limits}): {good.fraction:.1%}, {number(good.requests_per_s)} requests/s")
    return lines
