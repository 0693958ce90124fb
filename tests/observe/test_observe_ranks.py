"""A worker of two ranks, seen through its /metrics, the dashboard and Prometheus."""

from __future__ import annotations

import json
import os
import pickle
import re
import stat
import time
from pathlib import Path
from typing import Any

import psutil
import pytest

from armature.telemetry import catalogue
from armature.telemetry.alerts import ALERTS
from support.prometheus import ask, eventually, metrics, port

pytestmark = pytest.mark.engine

DASHBOARD = json.loads((Path(__file__).parents[2] / "docs" / "grafana" / "armature.json").read_text())
EXPRS = [
    pytest.param(target["expr"], id=f"{panel['title']} {target['refId']}")
    for panel in DASHBOARD["panels"]
    for target in panel.get("targets", ())
]
SERIES = re.compile(r"\b(?:armature|dynamo|sglang)[:_][a-z_:]+")
BRIDGE = {catalogue.BRIDGE_BLOCKS.name, catalogue.BRIDGE_MISSED.name}


@pytest.mark.parametrize("name", [m.name for m in catalogue.OURS if m.name not in BRIDGE])
def test_each_series_of_ours_is_there_and_each_rank_has_its_own(ranks: Any, name: str) -> None:
    found = metrics(ranks, "worker-0")
    assert found.labels(name, "role") == {"aggregated"} and found.labels(name, "model") == {ranks.model}
    if name != catalogue.LOAD_SECONDS.name:
        assert found.labels(name, "dp_rank") == {"0", "1"}


@pytest.mark.parametrize("name", ["sglang:num_running_reqs", "sglang:kv_used_tokens", "sglang:queue_time_seconds_count"])
def test_the_engines_series_have_our_labels_for_each_rank(ranks: Any, name: str) -> None:
    found = metrics(ranks, "worker-0")
    ours = dict(found[catalogue.LOAD_SECONDS.name][0][0])
    assert found.labels(name, "dp_rank") == {"0", "1"}
    assert all(ours.items() <= labels.items() for labels, _ in found[name])


def test_the_runtimes_series_name_the_same_worker(ranks: Any) -> None:
    found = metrics(ranks, "worker-0")
    assert found.labels("dynamo_component_inflight_requests", "worker_id") == found.labels(catalogue.RUNNING.name, "worker_id")


def test_the_bridge_tells_of_what_it_carries(ranks: Any) -> None:
    assert eventually(lambda: metrics(ranks, "kv-bridge").total(catalogue.BRIDGE_BLOCKS.name) > 0)


def test_the_frontend_says_that_the_model_is_served(ranks: Any) -> None:
    assert metrics(ranks, "frontend").total(catalogue.MODEL_READY.name, model=ranks.model) == 1


def test_a_request_shows_in_the_figures_while_it_runs_and_not_after(ranks: Any) -> None:
    def running() -> float:
        return metrics(ranks, "worker-0").total(catalogue.RUNNING.name)

    def blocks() -> float:
        return metrics(ranks, "worker-0").total(catalogue.BLOCKS_ACTIVE.name)

    long: dict[str, Any] = {"prompt": [7] * 400, "max_tokens": 3000, "temperature": 0, "extra_body": {"ignore_eos": True}}
    with ranks.client.completions.create(model=ranks.model, stream=True, **long) as stream:  # left as soon as it has been seen
        next(iter(stream))
        assert eventually(lambda: running() == 1 and blocks() >= 25)
    assert eventually(lambda: running() == 0 and blocks() == 0, within_s=5)


def test_prometheus_reaches_every_process(ranks: Any) -> None:
    def targets() -> dict[str, str]:
        return {t["labels"]["node"]: t["health"] for t in ask(ranks, "targets")["activeTargets"]}

    eventually(lambda: set(targets().values()) == {"up"})
    assert targets() == dict.fromkeys(("etcd", "kv-bridge", "worker-0", "frontend"), "up")


@pytest.mark.parametrize("expr", EXPRS)
def test_a_panel_asks_for_series_that_exist(ranks: Any, expr: str) -> None:
    expr = expr.replace("$__rate_interval", "1m")
    names = set(SERIES.findall(expr))
    assert names
    eventually(lambda: all(ask(ranks, "series", **{"match[]": name}) for name in names))
    assert {name for name in names if not ask(ranks, "series", **{"match[]": name})} == set()
    assert eventually(lambda: ask(ranks, "query", query=expr)["result"])


def test_prometheus_has_the_alerts_and_none_fires(ranks: Any) -> None:
    rules = [rule for group in ask(ranks, "rules")["groups"] for rule in group["rules"]]
    assert {rule["name"]: rule["health"] for rule in rules} == {alert.name: "ok" for alert in ALERTS}
    assert [alert["labels"] for alert in ask(ranks, "alerts")["alerts"] if alert["state"] == "firing"] == []


def test_prometheus_listens_on_loopback_and_keeps_its_data_in_the_run(ranks: Any) -> None:
    flags = ask(ranks, "status/flags")
    assert flags["web.listen-address"] == f"127.0.0.1:{port(ranks, 'prometheus')}"
    assert Path(flags["storage.tsdb.path"]).parent == ranks.up.run_dir / "prometheus"


def test_nobody_else_may_read_where_the_engine_keeps_series_and_load(ranks: Any) -> None:
    folders = list(Path(ranks.up.plan["tmp_dir"]).glob("worker-0/prometheus-*"))
    assert [stat.S_IMODE(f.stat().st_mode) for f in folders] == [0o700]
    assert [stat.S_IMODE(f.stat().st_mode) & 0o077 for f in reports(ranks)] == [0]


class Bomb:
    """Unpickled, it makes a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mknod, (str(self.path),)


def test_a_pickle_in_place_of_a_report_is_refused_and_counted_and_the_worker_lives_on(ranks: Any, tmp_path: Path) -> None:
    """A rank's slot is [length (4 bytes, little-endian), report] after a header of 12 bytes."""
    (report,), bomb = reports(ranks), pickle.dumps(Bomb(tmp_path / "boom"))
    before = metrics(ranks, "worker-0").total(catalogue.UNREADABLE_REPORTS.name)

    def counted() -> bool:
        with report.open("r+b", buffering=0) as file:  # the scheduler writes its own again, at the latest a second later
            file.seek(12)
            file.write(len(bomb).to_bytes(4, "little") + bomb)
        time.sleep(0.1)
        return metrics(ranks, "worker-0").total(catalogue.UNREADABLE_REPORTS.name) > before

    assert eventually(counted)
    assert not (tmp_path / "boom").exists()
    assert ranks.client.completions.create(model=ranks.model, prompt=[5] * 20, max_tokens=2).usage.completion_tokens == 2
    assert eventually(lambda: time.time() - min(v for _, v in metrics(ranks, "worker-0")[catalogue.REPORTED.name]) < 5)


def reports(served: Any) -> list[Path]:
    """The files in shared memory in which a worker's ranks report their load."""
    pid = next(e["pid"] for e in served.up.events() if e["event"] == "started" and e["node"] == "worker-0")
    processes = [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]
    maps = {m.path for p in processes for m in p.memory_maps() if "sglang_loads_" in m.path}
    return [Path(path) for path in sorted(maps)]
