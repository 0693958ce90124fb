"""Which promises a deployment did not keep, and a record that says so."""

from __future__ import annotations

import base64
import re
import statistics
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from .client import Answer, End
from .mix import Log, Sent, outcome
from .request import Manner, Request
from .watch import Watch, by_minute, growth

# A 5xx that a hostile request may get. Status and a pattern of the body -> why that is right, or whose fault it is.
KNOWN_FAILURES: tuple[tuple[int, str, str], ...] = (
    (501, "", "the runtime says that it does not implement a part of an API"),
    (503, "", "busy, or its worker is gone: the client is told to come again"),
    (529, "", "the frontend is overloaded, and says so"),
)


def cause(sent: Sent) -> str | None:
    """Why a 5xx is allowed; None when it is not."""
    answer = sent.answer
    assert answer is not None
    return next((why for status, body, why in KNOWN_FAILURES if answer.status == status and re.search(body, answer.text)), None)


def broken(log: Log, watch: Watch, memory: bool = True) -> list[str]:
    """One line for each promise that does not hold. memory: whether the attack was long enough to judge it."""
    found = [f"at {fault.at} s: {fault.what}" for fault in log.faults]
    unknown = [sent for sent in log.failures if cause(sent) is None]
    for (kind, status), count in Counter((s.request.kind, s.answer and s.answer.status) for s in unknown).items():
        found.append(f"{count} of {kind} got {status}, which no known cause explains")
    if not log.sent:
        found.append("no hostile request was sent")
    if len(log.beside_s) < 2:
        found.append("hardly an ordinary request was answered beside the hostile ones")
    for node, points in watch.memory.items() if memory and len(log.faults) == 0 else ():
        if not (moved := growth(points)).flat:
            found.append(
                f"memory of {node} grew from {moved.second_mib} to {moved.last_mib} MiB, {moved.slope_mib_per_minute} MiB a minute"
            )
    return found


def record(log: Log, watch: Watch, memory: bool = True) -> dict[str, Any]:
    """Everything of a run that is worth keeping, as JSON."""
    classes = Counter[str]()
    for counts in log.outcomes.values():
        classes.update(counts)
    return {
        "seed": log.attack.seed,
        "seconds": log.attack.seconds,
        "hostile_sent": log.sent,
        "outcomes": dict(classes.most_common()),
        "outcomes_by_kind": {kind: dict(counts) for kind, counts in sorted(log.outcomes.items())},
        "ordinary_right_in_quiet": len(log.quiet_s),
        "ordinary_right_beside": len(log.beside_s),
        "seconds_of_ordinary": {"quiet": _figures(log.quiet_s), "beside": _figures(log.beside_s), "worst": log.worst},
        "examples": {found: [_brief(sent) for sent in some] for found, some in log.examples.items()},
        "allowed_failures": dict(Counter(why for sent in log.failures if (why := cause(sent)))),
        "memory": {
            node: asdict(growth(points)) | {"flat": growth(points).flat} for node, points in watch.memory.items() if len(points) >= 8
        },
        "memory_by_minute": {name: by_minute(points) for name, points in (watch.memory | watch.each).items()},
        "broken": broken(log, watch, memory),
    }


def page(record: Mapping[str, Any]) -> str:
    """Markdown of a whole record: a table of topologies, one of their memory, and what was broken."""
    topologies: Mapping[str, Any] = record["topologies"]
    host = ", ".join(f"{name} {value}" for name, value in record["hardware"].items() if isinstance(value, str | int | float))
    beside = ", all at once" if record.get("at_once") else ""
    lines = [
        f"# Hostile requests beside ordinary ones, {record['minutes']:g} minutes for each topology{beside}",
        "",
        f"Host: {host}. Written by `python -m benchmarks.soak.hostile`. Left: the client did, on purpose; late: it did, at its deadline;",
        "dropped: the server closed the connection; seconds are those of ordinary requests.",
        "",
        "| topology | hostile | 2xx | 4xx | 5xx | left | late | dropped | ordinary right | s: p50/p99/max, beside | in quiet |",
        "|---|---|---|---|---|---|---|---|---|---|---|",
        *(_topology(name, found) for name, found in topologies.items()),
        "",
        "| node | MiB, second quarter | last quarter | MiB a minute | flat |",
        "|---|---|---|---|---|",
    ]
    for name, found in topologies.items():
        for node, m in found["memory"].items():
            figures = f"{m['second_mib']} | {m['last_mib']} | {m['slope_mib_per_minute']}"
            lines.append(f"| {name} {node} | {figures} | {'yes' if m['flat'] else 'no'} |")
    lines += ["", *(f"- {name}: {line}" for name, found in topologies.items() for line in found["broken"] or ["every promise held"])]
    return "\n".join(lines) + "\n"


def _topology(name: str, found: Mapping[str, Any]) -> str:
    classes: Mapping[str, int] = found["outcomes"]
    by_class = [sum(n for status, n in classes.items() if status[0] == first and status != "200 error") for first in "245"]
    ends = [classes.get(str(end), 0) for end in (End.LEFT, End.LATE, End.DROPPED)]
    beside, quiet = ("/".join(f"{v:g}" for v in found["seconds_of_ordinary"][when].values()) for when in ("beside", "quiet"))
    cells = [name, found["hostile_sent"], *by_class, *ends, found["ordinary_right_beside"], beside, quiet]
    return f"| {' | '.join(map(str, cells))} |"


def reproductions(log: Log) -> list[dict[str, Any]]:
    """What each fault and each unexplained 5xx can be reproduced from: seed, number, and the requests themselves."""
    faults = [{"fault": f.what, "at": f.at, "seed": log.attack.seed, "suspects": [described(s) for s in f.suspects]} for f in log.faults]
    failures = [
        {"fault": f"status {s.answer and s.answer.status}", "seed": log.attack.seed, "suspects": [described(s)]}
        for s in log.failures
        if not cause(s)
    ]
    return faults + failures


def described(sent: Sent) -> dict[str, Any]:
    """One request with its outcome, of which `again` makes the request."""
    made = sent.request
    try:
        body = {"body": made.body.decode()}
    except UnicodeDecodeError:
        body = {"body_base64": base64.b64encode(made.body).decode()}
    return {
        "number": sent.number,
        "at": sent.at,
        "kind": made.kind,
        "why": made.why,
        "method": made.method,
        "route": made.route,
        "manner": made.manner.name,
        "headers": dict(made.headers),
        **body,
        "outcome": None if sent.answer is None else _short(sent.answer),
    }


def again(told: Mapping[str, Any]) -> Request:
    """The request that `described` told of."""
    body = base64.b64decode(told["body_base64"]) if "body_base64" in told else told["body"].encode()
    return Request(told["kind"], told["why"], told["route"], body, told["method"], Manner[told["manner"]], told["headers"])


def _brief(sent: Sent) -> dict[str, Any]:
    whole = described(sent)
    return {name: str(whole[name])[:300] for name in ("number", "kind", "route", "body", "outcome") if name in whole}


def _short(answer: Answer) -> str:
    return f"{outcome(answer)} after {answer.whole_s:.2f} s: {answer.text[:300]}"


def _figures(seconds: list[float]) -> dict[str, float]:
    if len(seconds) < 2:
        return {}
    cuts = statistics.quantiles(seconds, n=100, method="inclusive")
    return {"p50": round(cuts[49], 3), "p99": round(cuts[98], 3), "max": round(max(seconds), 3)}
