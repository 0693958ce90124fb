"""What Prometheus reads: its targets and its rules, as files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from armature.telemetry import alerts

CONFIG, RULES = "prometheus.yml", "alerts.yml"


@dataclass(frozen=True, slots=True)
class Target:
    """A process with /metrics. node: its name in the plan. role: what it is there for. address: host:port."""

    node: str
    role: str
    address: str


def config(targets: Sequence[Target], interval_s: float) -> dict[str, Any]:
    """The configuration. Each series gets its target's node and role; a role that it has of its own stays."""
    interval = f"{round(interval_s * 1000)}ms"
    return {
        "global": {"scrape_interval": interval, "evaluation_interval": interval},
        "rule_files": [RULES],
        "scrape_configs": [
            {
                "job_name": "armature",
                "honor_labels": True,
                "static_configs": [{"targets": [t.address], "labels": {"node": t.node, "role": t.role}} for t in targets],
            }
        ],
    }


def write(folder: Path, targets: Sequence[Target], interval_s: float) -> None:
    """Write both files into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in ((RULES, alerts.rules()), (CONFIG, config(targets, interval_s))):
        (folder / name).write_text(yaml.safe_dump(content, sort_keys=False, width=140))
