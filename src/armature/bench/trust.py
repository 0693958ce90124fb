"""Which figures mean what they seem to mean. Pure functions; everything that shows or ranks figures asks here.

A figure with a caveat is shown with a mark and its reason, and is never ranked. The rules:

- few_samples: fewer than BEYOND values are expected beyond a percentile, n * (1 - p) < 5: p50 and the mean need 10 values, p90 50,
  p95 100, p99 500. With n * (1 - p) = 5 the chance that no value at all lies beyond the true percentile is at most e^-5 = 0.7%, so
  order statistics bound it on both sides; with fewer, the figure is about the largest value seen.
- short_window: measured for less than LEAST_WINDOW_S, or for less than LEAST_TURNS median requests.
- failed: more than MOST_FAILED of the requests failed. Those that a server drops make the others fast.
- client_lag: the load generator's own lag, at the same percentile, is more than LAG_SHARE of a latency.
- busy_host: processes outside the run, or the hypervisor, took the cores; or more than MOST_RUNNABLE processes per core wanted one.
- chunks: chunks are not tokens, so gaps between them are not the times between tokens.
- tokens: the tokens of an answer's chunks do not add up to the server's own count.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from armature.bench.metrics import METRICS, number
from armature.bench.summary import Caveat, ClientHealth, Distribution, Group, HostLoad, Window

MARK = "*"  # beside every figure that has a caveat
BEYOND = 5
SHARES = {"mean": 0.5, "p50": 0.5, "p90": 0.1, "p95": 0.05, "p99": 0.01}  # of the values, beyond each percentile
LEAST_WINDOW_S, LEAST_TURNS = 10.0, 5
MOST_FAILED = 0.01
LAG_SHARE = 0.1
MOST_OTHERS, MOST_STEAL, MOST_RUNNABLE = 0.2, 0.05, 2.0
MOST_TOKENS_PER_CHUNK, MOST_AT_ONCE = 1.05, 0.05

_TITLES = {"ttft_ms": "TTFT", "itl_ms": "ITL", "tpot_ms": "TPOT", "e2e_ms": "E2E"}
_ALL = tuple(m.name for m in METRICS)
_OF_FAILURES = frozenset({"failed", "goodput_per_s", "goodput_fraction"})  # these count failed requests themselves
_OF_COUNTS = ("output_tokens_per_s", "total_tokens_per_s", "output_tokens_per_s_per_gpu", "output_tokens_per_s_per_user")
_PER_USER = "output_tokens_per_s_per_user"  # 1000 / TPOT p50


@dataclass(frozen=True)
class Conditions:
    """Under which all figures of a run were taken."""

    window: Window
    client: ClientHealth
    host: HostLoad


def needed(q: str) -> int:
    """How many values a percentile needs. q: mean, p50, p90, p95 or p99."""
    return round(BEYOND / SHARES[q])


def is_few(d: Distribution, q: str) -> bool:
    """Whether `d` has too few values for its figure `q`. min and max are the values seen, and claim nothing else."""
    return q in SHARES and d.count < needed(q)


def caveats(group: Group, conditions: Conditions) -> list[Caveat]:
    """All that lessens the figures of `group`."""
    run = (_window(group, conditions.window), _failed(group), _host(conditions.host))
    own = (*_few(group), _lag(group, conditions.client), *_chunks(group), _tokens(group))
    return [c for c in (*run, *own) if c is not None]


def of(found: Iterable[Caveat], figure: str) -> list[str]:
    """The texts of those that hold for one figure, by its name."""
    return [c.text for c in found if figure in c.figures]


def marked(text: str, reasons: Sequence[str]) -> str:
    """A figure as it is shown: with the mark when there is any reason."""
    return text + MARK if reasons else text


def _figures(which: str, qs: Iterable[str]) -> list[str]:
    """Names of a latency's figures. which: ttft_ms, itl_ms, tpot_ms or e2e_ms."""
    names = [f"{which.removesuffix('_ms')}_{q}_ms" for q in qs]
    return [*names, *([_PER_USER] if "tpot_p50_ms" in names else [])]


def _latencies(group: Group) -> list[tuple[str, Distribution]]:
    return [(name, d) for name in _TITLES if (d := getattr(group.latency, name)) is not None]


def _every(which: str) -> list[str]:
    return [name for name in _ALL if name.startswith(which.removesuffix("ms"))]


def _few(group: Group) -> list[Caveat]:
    """One caveat for all distributions of one size."""
    by_count: dict[int, list[str]] = {}
    for name, d in _latencies(group):
        by_count.setdefault(d.count, []).append(name)
    found = []
    for count, names in by_count.items():
        qs = [q for q in SHARES if count < needed(q)]
        if qs:
            titles = _listed([_TITLES[name] for name in names])
            wants = ", ".join(f"{q} {needed(q)}" for q in qs)
            figures = [figure for name in names for figure in _figures(name, qs)]
            each = " each" if len(names) > 1 else ""
            found.append(
                Caveat(
                    kind="few_samples",
                    figures=figures,
                    text=f"{titles}: {count} value{'s' if count > 1 else ''}{each}, too few for {_listed(qs)} (needed: {wants})",
                )
            )
    return found


def _window(group: Group, window: Window) -> Caveat | None:
    seconds, e2e = window.seconds, group.latency.e2e_ms
    if seconds is None:
        return None
    least = max(LEAST_WINDOW_S, LEAST_TURNS * e2e.p50 / 1000 if e2e else 0.0)
    if seconds >= least:
        return None
    why = f" ({LEAST_TURNS} times the median request)" if least > LEAST_WINDOW_S else ""
    text = f"measured for {number(seconds)} s, too short: at least {number(least)} s are needed{why}"
    return Caveat(kind="short_window", figures=list(_ALL), text=text)


def _failed(group: Group) -> Caveat | None:
    counts = group.counts
    if counts.failed <= MOST_FAILED * counts.sent:
        return None
    text = f"{counts.failed} of {counts.sent} requests failed (limit {MOST_FAILED:.0%}): the others are a biased sample"
    return Caveat(kind="failed", figures=[name for name in _ALL if name not in _OF_FAILURES], text=text)


def _host(host: HostLoad) -> Caveat | None:
    reasons = []
    if host.others is not None and host.others > MOST_OTHERS:
        reasons.append(f"processes outside the run used {host.others:.0%} of all cores (limit {MOST_OTHERS:.0%})")
    if host.steal is not None and host.steal > MOST_STEAL:
        reasons.append(f"the hypervisor took {host.steal:.0%} of the cores' time (limit {MOST_STEAL:.0%})")
    if host.runnable_per_core is not None and host.runnable_per_core > MOST_RUNNABLE:
        reasons.append(f"{number(host.runnable_per_core)} processes per core were running or waiting (limit {number(MOST_RUNNABLE)})")
    return Caveat(kind="busy_host", figures=list(_ALL), text="busy host: " + "; ".join(reasons)) if reasons else None


def _lag(group: Group, client: ClientHealth) -> Caveat | None:
    """TPOT is left out: a lag is spread over all of an answer's tokens."""
    lags = {q: client.lag_p50_ms if q in ("mean", "p50") else client.lag_p99_ms for q in SHARES}
    figures = [
        figure
        for name, d in _latencies(group)
        if name != "tpot_ms"
        for figure in _figures(name, [q for q, lag in lags.items() if lag is not None and lag > LAG_SHARE * getattr(d, q)])
    ]
    if not figures:
        return None
    lag = f"p50 {number(client.lag_p50_ms)} ms, p99 {number(client.lag_p99_ms)} ms"
    titles = _listed([title for name, title in _TITLES.items() if set(_every(name)) & set(figures)])
    text = f"{titles}: the load generator's lag ({lag}) exceeds {LAG_SHARE:.0%} of the marked figures"
    return Caveat(kind="client_lag", figures=figures, text=text)


def _chunks(group: Group) -> list[Caveat]:
    chunks, found = group.chunks, []
    itl = []
    per_chunk = chunks.tokens_per_chunk.mean if chunks.tokens_per_chunk else 1.0
    if per_chunk > MOST_TOKENS_PER_CHUNK:
        itl.append(f"chunks hold {per_chunk:.2f} tokens on average, so gaps between chunks are fewer and longer than between tokens")
    if chunks.at_once is not None and chunks.at_once > MOST_AT_ONCE:
        itl.append(f"{chunks.at_once:.0%} of gaps are 0 ms, because several chunks arrived together")
    if itl:
        found.append(Caveat(kind="chunks", figures=_every("itl_ms"), text=f"ITL: {'; '.join(itl)}. Compare by TPOT"))
    streamed, answered = group.latency.ttft_ms, group.lengths.output.realised
    ttft = []
    if chunks.first_tokens is not None and chunks.first_tokens > MOST_TOKENS_PER_CHUNK:
        ttft.append(f"the first chunk holds {chunks.first_tokens:.2f} tokens on average, so the first token was ready earlier")
    if chunks.counted_by == "text" and per_chunk > MOST_TOKENS_PER_CHUNK:
        ttft.append("measured at the first text, after possible tokens without text; use load.server=usage if the server supports it")
    if streamed and answered and streamed.count < answered.count:
        ttft.append(f"{answered.count - streamed.count} of {answered.count} answers have tokens but no chunk with text")
    if ttft:
        found.append(Caveat(kind="chunks", figures=_every("ttft_ms"), text=f"TTFT: {'; '.join(ttft)}"))
    return found


def _tokens(group: Group) -> Caveat | None:
    if not group.chunks.mismatched:
        return None
    figures = [*_every("itl_ms"), *_every("tpot_ms"), *_OF_COUNTS]
    text = f"in {group.chunks.mismatched} answers the chunks' token count differs from the server's usage"
    return Caveat(kind="tokens", figures=figures, text=text)


def _listed(words: Sequence[str]) -> str:
    """a, b and c"""
    return " and ".join(filter(None, (", ".join(words[:-1]), words[-1])))
