"""The Grafana dashboard: which series are charted, and how. docs/grafana/armature.json is generated from it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from armature.telemetry import catalogue as c
from armature.telemetry.catalogue import Metric

WIDTH, HEIGHT = 8, 7  # of a panel, where a row has 24 columns
UID = "armature"


@dataclass(frozen=True, slots=True)
class Line:
    """One query of a panel. legend: Grafana's format of a line's name."""

    expr: str
    legend: str


@dataclass(frozen=True, slots=True)
class Panel:
    """One chart. unit: Grafana's name of it."""

    title: str
    unit: str
    lines: tuple[Line, ...]


def _rate(metric: Metric, by: str) -> str:
    return f"sum by ({by}) (rate({metric}[$__rate_interval]))"


def _quantiles(metric: Metric, by: str, *quantiles: float) -> tuple[Line, ...]:
    buckets = f"sum by (le, {by}) (rate({metric}_bucket[$__rate_interval]))"
    return tuple(Line(f"histogram_quantile({q:g}, {buckets})", f"p{q * 100:g} {{{{{by}}}}}") for q in quantiles)


def _each(metric: Metric) -> tuple[Line, ...]:
    return (Line(str(metric), "{{node}} rank {{dp_rank}}"),)


ROWS: dict[str, tuple[Panel, ...]] = {
    "Clients": (
        Panel(
            "Requests",
            "reqps",
            (Line(_rate(c.FRONTEND_REQUESTS, "status"), "{{status}}"), Line(_rate(c.FRONTEND_STARTED, "model"), "taken")),
        ),
        Panel("Time to first token", "s", _quantiles(c.TTFT, "model", 0.5, 0.99)),
        Panel("Inter-token latency", "s", _quantiles(c.ITL, "model", 0.5, 0.99)),
        Panel("Output tokens", "short", (Line(_rate(c.FRONTEND_TOKENS, "model"), "{{model}} tokens/s"),)),
        Panel("Requests in the frontend", "short", (Line(str(c.FRONTEND_ACTIVE), "{{model}}"),)),
        Panel("Model served", "bool_yes_no", (Line(str(c.MODEL_READY), "{{model}}"),)),
    ),
    "Workers": (
        Panel("Running requests", "short", _each(c.RUNNING)),
        Panel("Waiting requests", "short", _each(c.WAITING)),
        Panel("KV cache in use", "percentunit", _each(c.CACHE_USE)),
        Panel(
            "KV blocks",
            "short",
            (Line(str(c.BLOCKS_ACTIVE), "{{node}} rank {{dp_rank}} active"), Line(str(c.BLOCKS), "{{node}} rank {{dp_rank}} all")),
        ),
        Panel("Since the last report", "s", (Line(f"time() - {c.REPORTED}", "{{node}} rank {{dp_rank}}"),)),
        Panel("Engine start time", "s", (Line(str(c.LOAD_SECONDS), "{{node}}"),)),
        Panel("Requests to workers", "reqps", (Line(_rate(c.WORKER_REQUESTS, "node"), "{{node}}"),)),
        Panel("Requests at workers", "short", (Line(f"sum by (node) ({c.WORKER_INFLIGHT})", "{{node}}"),)),
        Panel("Unreadable reports", "short", (Line(_rate(c.UNREADABLE_REPORTS, "node"), "{{node}}"),)),
    ),
    "KV events": (
        Panel(
            "Batches and changes",
            "short",
            (Line(_rate(c.EVENT_BATCHES, "node"), "{{node}} batches/s"), Line(_rate(c.EVENT_CHANGES, "node"), "{{node}} changes/s")),
        ),
        Panel(
            "Gaps and repairs",
            "short",
            (
                Line(_rate(c.EVENT_GAPS, "node"), "{{node}} gaps/s"),
                Line(_rate(c.EVENT_REPLAYED, "node"), "{{node}} batches replayed/s"),
                Line(_rate(c.EVENT_LOST, "node"), "{{node}} batches lost/s"),
                Line(_rate(c.EVENT_STATES, "node"), "{{node}} whole states/s"),
            ),
        ),
        Panel(
            "Problems",
            "short",
            (
                Line(str(c.EVENT_AWAITED), "{{node}} rank {{dp_rank}} waits for its state"),
                Line(_rate(c.EVENT_UNREADABLE, "node"), "{{node}} unreadable/s"),
                Line(_rate(c.EVENT_WRONG, "node, kind"), "{{node}} {{kind}} blocks/s"),
                Line(_rate(c.EVENT_UNWRITTEN, "node"), "{{node}} failed writes/s"),
            ),
        ),
    ),
    "SGLang": (
        Panel("Generated tokens", "short", _each(c.ENGINE_THROUGHPUT)),
        Panel("Prefix cache hit rate", "percentunit", _each(c.ENGINE_HIT_RATE)),
        Panel("Cached, unused tokens", "short", _each(c.ENGINE_EVICTABLE)),
        Panel("Queue time", "s", _quantiles(c.ENGINE_QUEUE, "node", 0.5, 0.99)),
        Panel("CPU of schedulers", "percentunit", (Line(_rate(c.ENGINE_CPU, "node, dp_rank"), "{{node}} rank {{dp_rank}}"),)),
    ),
}


def dashboard() -> dict[str, Any]:
    """The dashboard in Grafana's JSON model."""
    panels: list[dict[str, Any]] = []
    y = 0
    for title, row in ROWS.items():
        panels.append({"id": len(panels) + 1, "type": "row", "title": title, "gridPos": {"h": 1, "w": 24, "x": 0, "y": y}, "panels": []})
        y += 1
        for i, panel in enumerate(row):
            place = {"h": HEIGHT, "w": WIDTH, "x": i % 3 * WIDTH, "y": y + i // 3 * HEIGHT}
            panels.append({"id": len(panels) + 1, **_panel(panel), "gridPos": place})
        y += -(-len(row) // 3) * HEIGHT
    return {
        "uid": UID,
        "title": "Armature",
        "schemaVersion": 39,
        "editable": True,
        "refresh": "10s",
        "time": {"from": "now-30m", "to": "now"},
        "templating": {"list": [{"name": "datasource", "type": "datasource", "query": "prometheus", "label": "Prometheus"}]},
        "panels": panels,
    }


def _panel(panel: Panel) -> dict[str, Any]:
    source = {"type": "prometheus", "uid": "${datasource}"}
    return {
        "type": "timeseries",
        "title": panel.title,
        "datasource": source,
        "fieldConfig": {"defaults": {"unit": panel.unit, "min": 0}, "overrides": []},
        "targets": [
            {"refId": chr(ord("A") + i), "datasource": source, "expr": line.expr, "legendFormat": line.legend}
            for i, line in enumerate(panel.lines)
        ],
    }
