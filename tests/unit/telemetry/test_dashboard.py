"""The dashboard asks only for series of the catalogue."""

from __future__ import annotations

import re

import pytest

from armature.telemetry import alerts, catalogue
from armature.telemetry.catalogue import Metric
from armature.telemetry.dashboard import ROWS, dashboard

KNOWN = {m.name for m in vars(catalogue).values() if isinstance(m, Metric)} | {"up"}
SERIES = re.compile(r"\b(?:armature|dynamo|sglang|etcd)[:_][a-z_:]+|\bup\b")
EXPRS = [line.expr for row in ROWS.values() for panel in row for line in panel.lines] + [alert.expr for alert in alerts.ALERTS]


@pytest.mark.parametrize("expr", EXPRS)
def test_an_expression_asks_for_known_series(expr: str) -> None:
    found = {name.removesuffix("_bucket") for name in SERIES.findall(expr)}
    assert found and found <= KNOWN


def test_every_series_of_a_worker_is_charted() -> None:
    asked = {name for expr in EXPRS for name in SERIES.findall(expr)}
    assert {m.name for m in catalogue.OURS} - asked == {catalogue.BRIDGE_BLOCKS.name, catalogue.BRIDGE_MISSED.name}


def test_panels_do_not_lie_over_each_other() -> None:
    taken = [
        (x, y)
        for panel in dashboard()["panels"]
        for p in [panel["gridPos"]]
        for x in range(p["x"], p["x"] + p["w"])
        for y in range(p["y"], p["y"] + p["h"])
    ]
    assert len(taken) == len(set(taken))
