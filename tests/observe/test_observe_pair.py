"""Prefill and decode, each with its own /metrics; and what stays of a worker that is started again."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import pytest

from armature.telemetry import catalogue
from support.prometheus import ask, eventually, metrics
from support.serving import CLEAN, leftovers

pytestmark = pytest.mark.engine

ROLES = [("prefill", "prefill"), ("decode", "backend")]


@pytest.mark.parametrize(("role", "component"), ROLES)
def test_each_role_shows_the_series_of_all_three(pair: Any, role: str, component: str) -> None:
    found = metrics(pair, f"{role}-0")
    for name in (catalogue.BLOCKS.name, "sglang:num_running_reqs", "dynamo_component_inflight_requests"):
        assert found.labels(name, "dynamo_component") == {component}
        assert found.labels(name, "model") == {pair.model}
    assert found.labels(catalogue.BLOCKS.name, "role") == found.labels("sglang:num_running_reqs", "role") == {role}


@pytest.mark.parametrize("role", [role for role, _ in ROLES])
def test_prometheus_knows_all_of_a_role_by_one_label(pair: Any, role: str) -> None:
    found = eventually(lambda: ask(pair, "query", query=f'count by (__name__) ({{role="{role}"}})')["result"])
    prefixes = {result["metric"]["__name__"].replace(":", "_").split("_")[0] for result in found}
    assert {"armature", "dynamo", "sglang", "up"} <= prefixes


def test_a_second_launch_shows_no_series_of_the_first(pair: Any) -> None:
    """The engine's counters begin again; nothing is left of the first one's files."""
    count = "sglang:num_requests_total"
    before, folder = metrics(pair, "decode-0").total(count), folders(pair)
    assert before >= 10 and len(folder) == 1
    pid = next(e["pid"] for e in pair.up.events() if e["event"] == "started" and e["node"] == "decode-0")
    ready = pair.up.times_ready("decode-0")
    os.kill(pid, signal.SIGKILL)
    assert eventually(lambda: pair.up.times_ready("decode-0") > ready, within_s=90)
    assert 0 < metrics(pair, "decode-0").total(count) < before
    assert len(folders(pair)) == 1 and folders(pair) != folder


def folders(served: Any) -> list[Path]:
    return list(Path(served.up.plan["tmp_dir"]).glob("decode-0/prometheus-*"))


def test_nothing_is_left_after_the_end(pair: Any) -> None:
    assert pair.up.end() == 0
    assert leftovers(pair.up) == CLEAN
