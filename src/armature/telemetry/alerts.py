"""When somebody should look: Prometheus' alerting rules."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from armature import roles
from armature.telemetry import catalogue as c

SILENT_S = 30  # a rank that works or waits reports several times a second
WORKERS = f'role=~"{"|".join(roles.names())}"'


@dataclass(frozen=True, slots=True)
class Alert:
    """Fires when `expr` has held for `held`. summary: one line, with the labels of what `expr` gives. todo: what to do."""

    name: str
    expr: str
    held: str
    severity: Literal["critical", "warning"]
    summary: str
    todo: str


ALERTS = (
    Alert(
        name="ModelNotServed",
        expr=f'{c.MODEL_READY} == 0 or up{{role="frontend"}} == 0',
        held="1m",
        severity="critical",
        summary="{{ $labels.model }}{{ $labels.node }}: requests cannot be answered",
        todo="check which workers are missing, and the end of their logs",
    ),
    Alert(
        name="NoReadyWorker",
        expr=f"max by (role) (up{{{WORKERS}}}) == 0",
        held="30s",
        severity="critical",
        summary="no {{ $labels.role }} worker answers, so no request can be completed",
        todo="check the logs of these workers in the run directory",
    ),
    Alert(
        name="WorkerDown",
        expr=f"up{{{WORKERS}}} == 0",
        held="1m",
        severity="warning",
        summary="{{ $labels.node }} does not answer",
        todo="check its log; a worker is down while it loads its model",
    ),
    Alert(
        name="RankSilent",
        expr=f"time() - {c.REPORTED} > {SILENT_S}",
        held="15s",
        severity="critical",
        summary="{{ $labels.node }} rank {{ $labels.dp_rank }} has reported nothing for {{ $value | humanizeDuration }}",
        todo="a hung rank ends its worker within worker.check_s; a compiling rank is silent for a while",
    ),
    Alert(
        name="QueueGrows",
        expr=f"min_over_time({c.WAITING}[2m]) > 0 and deriv({c.WAITING}[2m]) > 0",
        held="2m",
        severity="warning",
        summary="{{ $labels.node }} rank {{ $labels.dp_rank }}: the queue grows",
        todo="add replicas, or set topology.router.busy_blocks so that clients get 503",
    ),
    Alert(
        name="CacheExhausted",
        expr=f"{c.CACHE_USE} > 0.95",
        held="1m",
        severity="warning",
        summary="{{ $labels.node }} rank {{ $labels.dp_rank }}: running requests hold {{ $value | humanizePercentage }} of the KV cache",
        todo="requests are retracted and recomputed: lower engine.args.max_running_requests, or add replicas",
    ),
    Alert(
        name="KvEventGaps",
        expr=f"increase({c.EVENT_LOST}[5m]) > 0 or increase({c.EVENT_GAPS}[5m]) > 10",
        held="0s",
        severity="warning",
        summary="{{ $labels.node }} rank {{ $labels.dp_rank }}: KV events are lost in transit",
        todo="the router misses some cache hits until they are repaired; check for workers short of CPU time",
    ),
    Alert(
        name="KvEventsUnrepaired",
        expr=f"{c.EVENT_AWAITED} == 1",
        held="30s",
        severity="critical",
        summary="{{ $labels.node }} rank {{ $labels.dp_rank }}: lost KV events have not been repaired",
        todo="its engine does not send its whole state; `armature control RUN NODE kv/check` asks again",
    ),
    Alert(
        name="KvIndexWrong",
        expr=f"sum by (node, dp_rank) (increase({c.EVENT_WRONG}[10m])) > 0",
        held="0s",
        severity="warning",
        summary="{{ $labels.node }} rank {{ $labels.dp_rank }}: the router's index had {{ $value | humanize }} wrong blocks "
        "although no event was missed",
        todo="the check has repaired it; report it, because this should not happen",
    ),
)


def rules() -> dict[str, Any]:
    """What a rules file holds."""
    return {"groups": [{"name": "armature", "rules": [_rule(alert) for alert in ALERTS]}]}


def _rule(alert: Alert) -> dict[str, Any]:
    return {
        "alert": alert.name,
        "expr": alert.expr,
        "for": alert.held,
        "labels": {"severity": alert.severity},
        "annotations": {"summary": alert.summary, "todo": alert.todo},
    }
