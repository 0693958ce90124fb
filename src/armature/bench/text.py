"""A summary as text for a terminal."""

from __future__ import annotations

from dataclasses import dataclass

from armature.bench import trust
from armature.bench.metrics import FIGURES, METRICS, number
from armature.bench.summary import Group, Summary


@dataclass(frozen=True)
class Shown:
    """A figure as it is shown, with its mark, and why it has one."""

    text: str
    why: str = ""


@dataclass(frozen=True)
class LatencyRow:
    """One latency of a group: cells by FIGURES."""

    title: str
    count: int
    cells: tuple[Shown, ...]


def shown(group: Group, figure: str) -> Shown:
    """A figure of METRICS by its name."""
    why = trust.of(group.caveats, figure)
    value = next(m.get(group) for m in METRICS if m.name == figure)
    return Shown("-") if value is None else Shown(trust.marked(number(value), why), "; ".join(why))


def latencies(group: Group) -> list[LatencyRow]:
    """The latencies that there are, in ms."""
    found = group.latency
    parts = (("ttft", "TTFT ms", found.ttft_ms), ("itl", "ITL ms", found.itl_ms), ("tpot", "TPOT ms", found.tpot_ms))
    return [
        LatencyRow(title, d.count, tuple(shown(group, f"{which}_{q}_ms") for q in FIGURES))
        for which, title, d in (*parts, ("e2e", "E2E ms", found.e2e_ms))
        if d is not None
    ]


def caveat_lines(group: Group) -> list[str]:
    """The reasons of all marks."""
    return [f"{trust.MARK} {c.text}" for c in group.caveats]


def overview(summary: Summary) -> str:
    """What came out of a run, in a dozen lines."""
    window, group = summary.window, summary.overall
    lines = [
        f"{summary.run}  {summary.model or ''}  plan {summary.plan_hash or 'unknown'}",
        f"{group.counts.sent} requests in {number(window.seconds)} s: {group.counts.ok} ok, {group.counts.failed} failed",
        "",
        " " * 12 + "".join(f"{c:>10}" for c in FIGURES),
    ]
    for row in latencies(group):
        lines.append(f"{row.title:12}" + "".join(f"{cell.text:>10}" for cell in row.cells))
    return "\n".join([*lines, "", *_rates(summary), *caveat_lines(group), *(f"note: {note}" for note in summary.notes), ""])


def _rates(summary: Summary) -> list[str]:
    group, good = summary.overall, summary.overall.goodput
    titles = {
        "requests_per_s": "requests/s",
        "output_tokens_per_s": "output tok/s",
        "total_tokens_per_s": "total tok/s",
        "output_tokens_per_s_per_user": "tok/s per user",
        "output_tokens_per_s_per_gpu": "tok/s per GPU",
    }
    parts = [f"{shown(group, name).text} {title}" for name, title in titles.items()]
    lines = [", ".join(parts if group.rates.output_tokens_per_s_per_gpu is not None else parts[:-1])]
    if good and summary.slo:
        limits = ", ".join(f"{name} {number(limit)}" for name, limit in summary.slo.model_dump(exclude_none=True).items())
        lines.append(f"goodput ({limits}): {good.fraction:.1%}, {shown(group, 'goodput_per_s').text} requests/s")
    return lines
