"""Which configurations may be ranked against each other: those that were measured under the same load, on the same hardware and
software, with requests of the same realised lengths. Pure functions."""

from __future__ import annotations

import statistics
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from armature.bench.compare.groups import Repeats, differing, flatten, lasting, shown_value
from armature.bench.metrics import number

CAUSES = ("load", "hardware", "versions", "lengths")  # what may keep configurations from being ranked
MOST_LENGTH_DIFFERENCE = 0.05
MOST_FIELDS = 3  # that a reason names
# Settings of the client that do not change what the server gets: who is asked, and when the client gives up or calls itself invalid.
NOT_THE_LOAD = frozenset({"model", "headers", "insecure", "limits", "slo", "tolerance", "timeout_s", "connect_timeout_s"})


def unlike(one: Repeats, other: Repeats, across: Collection[str] = ()) -> list[str]:
    """Why `other` must not be ranked against `one`; empty when it may be. across: causes that the user wants to compare across."""
    a, b = one.runs[0].summary, other.runs[0].summary
    pairs: dict[str, tuple[Mapping[str, Any], Mapping[str, Any]]] = {
        "load": (_load(a.settings), _load(b.settings)),
        "hardware": (a.hardware, b.hardware),
        "versions": (a.versions, b.versions),
    }
    reasons = [_differ(cause, *map(flatten, both)) for cause, both in pairs.items() if cause not in across]
    if "lengths" not in across:
        reasons += [_lengths(one, other, which) for which in ("input", "output")]
    return [reason for reason in reasons if reason]


def cohorts(groups: Iterable[Repeats], across: Collection[str] = ()) -> list[list[Repeats]]:
    """Configurations that may be ranked against the first of their cohort, which is its baseline; in the order in which they came."""
    found: list[list[Repeats]] = []
    for g in groups:
        its = next((c for c in found if not unlike(c[0], g, across)), None)
        if its is None:
            found.append([g])
        else:
            its.append(g)
    return found


def _load(settings: Mapping[str, Any]) -> dict[str, Any]:
    return {k: v for k, v in lasting(settings).items() if k not in NOT_THE_LOAD}


def _differ(cause: str, one: Mapping[str, Any], other: Mapping[str, Any]) -> str:
    fields = [f"{name} is {shown_value(b)}, not {shown_value(a)}" for name, (a, b) in differing([one, other]).items()]
    if not fields:
        return ""
    more = f" and {len(fields) - MOST_FIELDS} more" if len(fields) > MOST_FIELDS else ""
    return f"different {cause}: {', '.join(fields[:MOST_FIELDS])}{more}"


def _lengths(one: Repeats, other: Repeats, which: str) -> str:
    a, b = (_mean_length(g, which) for g in (one, other))
    if a is None or b is None or abs(a - b) <= MOST_LENGTH_DIFFERENCE * max(a, b):
        return ""
    return f"different lengths: {which} of {number(b)} tokens on average, not {number(a)}"


def _mean_length(g: Repeats, which: str) -> float | None:
    found: Sequence[Any] = [getattr(m.summary.overall.lengths, which).realised for m in g.runs]
    known = [d.mean for d in found if d is not None]
    return statistics.fmean(known) if known else None
