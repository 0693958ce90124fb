"""From requests to the figures of a group of them. Pure functions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

from armature.bench.records import Request
from armature.bench.stats import distribution, percentile
from armature.bench.summary import Chunks, Counts, Goodput, Group, Latency, Length, Lengths, Rates, Slo, Tolerance

AT_ONCE_MS = 0.1  # a shorter gap counts as 0: both chunks were read together


def measure(requests: Sequence[Request], seconds: float | None, gpus: int | None, slo: Slo | None, tolerance: Tolerance) -> Group:
    """The figures of `requests`, all of the measuring phase, still without caveats. seconds: the window; gpus: those that served."""
    ok = [r for r in requests if r.ok]
    latency = _latency(ok)
    return Group(
        counts=_counts(requests),
        latency=latency,
        rates=_rates(ok, seconds, gpus, latency),
        goodput=_goodput(requests, seconds, slo) if slo else None,
        lengths=_lengths(ok, tolerance),
        chunks=_chunks(ok),
        caveats=[],
    )


def keeps(r: Request, slo: Slo) -> bool:
    """Whether a request succeeded within the limits. A figure that it does not have keeps its limit."""
    measured = (
        (slo.ttft_ms, r.ttft_ms),
        (slo.itl_ms, percentile(sorted(r.gaps_ms), 95) if r.gaps_ms else None),
        (slo.tpot_ms, r.tpot_ms),
        (slo.e2e_ms, r.e2e_ms),
    )
    return r.ok and all(limit is None or value is None or value <= limit for limit, value in measured)


def _counts(requests: Sequence[Request]) -> Counts:
    kinds = Counter(r.error.kind if r.error else "client" for r in requests if not r.ok)
    failed = sum(kinds.values())
    return Counts(sent=len(requests), ok=len(requests) - failed, failed=failed, failed_by_kind=dict(sorted(kinds.items())))


def _latency(ok: Sequence[Request]) -> Latency:
    return Latency(
        ttft_ms=distribution([r.ttft_ms for r in ok if r.ttft_ms is not None]),
        itl_ms=distribution([gap for r in ok for gap in r.gaps_ms]),
        tpot_ms=distribution([tpot for r in ok if (tpot := r.tpot_ms) is not None]),
        e2e_ms=distribution([r.e2e_ms for r in ok]),
    )


def _rates(ok: Sequence[Request], seconds: float | None, gpus: int | None, latency: Latency) -> Rates:
    outputs = _sum(ok, lambda r: r.output_tokens)
    inputs = _sum(ok, lambda r: r.input_tokens)
    per_s = outputs / seconds if seconds and outputs is not None else None
    tpot = latency.tpot_ms
    return Rates(
        requests_per_s=len(ok) / seconds if seconds else None,
        output_tokens_per_s=per_s,
        total_tokens_per_s=(inputs + outputs) / seconds if seconds and inputs is not None and outputs is not None else None,
        output_tokens_per_s_per_gpu=per_s / gpus if gpus and per_s is not None else None,
        output_tokens_per_s_per_user=1000 / tpot.p50 if tpot and tpot.p50 > 0 else None,
    )


def _sum(ok: Sequence[Request], tokens: Callable[[Request], int | None]) -> int | None:
    """Tokens of all requests; None where the server told them of none."""
    known = [n for r in ok if (n := tokens(r)) is not None]
    return sum(known) if known else None


def _goodput(requests: Sequence[Request], seconds: float | None, slo: Slo) -> Goodput:
    good = sum(keeps(r, slo) for r in requests)
    return Goodput(good=good, fraction=good / len(requests) if requests else 0.0, requests_per_s=good / seconds if seconds else None)


def _lengths(ok: Sequence[Request], tolerance: Tolerance) -> Lengths:
    told = [r for r in ok if r.cached_tokens is not None and r.input_tokens]
    inputs = sum(r.input_tokens or 0 for r in told)
    return Lengths(
        input=_length([(r.asked_input, r.input_tokens) for r in ok], tolerance.relative, tolerance.input_tokens),
        output=_length([(r.asked_output, r.output_tokens) for r in ok], tolerance.relative, tolerance.output_tokens),
        cached_fraction=sum(r.cached_tokens or 0 for r in told) / inputs if inputs else None,
    )


def _length(pairs: Sequence[tuple[int | None, int | None]], relative: float, tokens: int) -> Length:
    both = [(a, r) for a, r in pairs if a is not None and r is not None]
    return Length(
        asked=distribution([a for a, _ in both]),
        realised=distribution([r for _, r in both]),
        deviation=distribution([r - a for a, r in both]),
        outside=sum(abs(r - a) > max(relative * a, tokens) for a, r in both),
        unknown=sum(a is not None and r is None for a, r in pairs),
    )


def _chunks(ok: Sequence[Request]) -> Chunks:
    streamed = [r for r in ok if r.chunks]
    tokens: list[float] = []
    for r in streamed:
        if r.chunk_tokens is not None:
            tokens += r.chunk_tokens
        elif r.output_tokens is not None:
            tokens.append(r.output_tokens / r.chunks)
    gaps = [gap for r in streamed for gap in r.gaps_ms]
    told = [r for r in streamed if r.chunk_tokens is not None]
    return Chunks(
        per_request=distribution([r.chunks for r in streamed]),
        tokens_per_chunk=distribution(tokens),
        at_once=sum(gap < AT_ONCE_MS for gap in gaps) / len(gaps) if gaps else None,
        counted_by=None if not streamed else "server" if len(told) == len(streamed) else "text",
        first_tokens=sum(r.chunk_tokens[0] for r in told if r.chunk_tokens) / len(told) if told else None,
        mismatched=sum(r.output_tokens is not None and sum(r.chunk_tokens or ()) != r.output_tokens for r in told),
    )
