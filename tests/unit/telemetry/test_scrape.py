"""Prometheus' files, as its own promtool reads them."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from armature.cli.observe import main, read_target
from armature.errors import UserError
from armature.telemetry.alerts import ALERTS
from armature.telemetry.scrape import Target, config

HERE = Path(__file__).parent
TARGETS = ["worker-0=aggregated,127.0.0.1:20000", "frontend=frontend,127.0.0.1:8000"]


@pytest.fixture
def written(tmp_path: Path) -> Path:
    """The folder that the task of a plan leaves."""
    assert main([*(word for t in TARGETS for word in ("--target", t)), "--scrape-s", "0.5", "--out", str(tmp_path / "out")]) == 0
    return tmp_path / "out"


def promtool(*words: str, cwd: Path) -> str:
    program = shutil.which("promtool")
    assert program, "promtool is not installed: apt-get install prometheus"
    done = subprocess.run([program, *words], cwd=cwd, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_prometheus_accepts_both_files(written: Path) -> None:
    assert f"{len(ALERTS)} rules found" in promtool("check", "config", "prometheus.yml", cwd=written)


def test_the_alerts_fire_when_they_should_and_only_then(written: Path) -> None:
    shutil.copy(HERE / "alerts_test.yml", written)
    promtool("test", "rules", "alerts_test.yml", cwd=written)


def test_every_alert_is_seen_to_fire_and_not_to_fire() -> None:
    cases = [case for test in yaml.safe_load((HERE / "alerts_test.yml").read_text())["tests"] for case in test["alert_rule_test"]]
    for fires in (True, False):
        assert {case["alertname"] for case in cases if bool(case.get("exp_alerts")) is fires} == {alert.name for alert in ALERTS}


def test_each_target_has_its_node_and_role() -> None:
    made = config([Target("worker-0", "decode", "127.0.0.1:1")], 0.5)
    assert made["global"]["scrape_interval"] == "500ms"
    assert made["scrape_configs"][0]["static_configs"] == [{"targets": ["127.0.0.1:1"], "labels": {"node": "worker-0", "role": "decode"}}]


@pytest.mark.parametrize("text", ["worker-0", "worker-0=decode", "=decode,h:1", "worker-0=,h:1", "worker-0=decode,h"])
def test_a_target_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(UserError, match="NODE=ROLE,HOST:PORT"):
        read_target(text)
