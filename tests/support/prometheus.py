"""What processes show at /metrics, and what a run's Prometheus knows."""

from __future__ import annotations

import json
import time
import urllib.parse
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from prometheus_client.parser import text_string_to_metric_families

from support.deployed import Served


@dataclass(frozen=True)
class Series:
    """What one /metrics shows: name of a sample -> (labels, value) of each."""

    samples: dict[str, list[tuple[dict[str, str], float]]]

    def __getitem__(self, name: str) -> list[tuple[dict[str, str], float]]:
        return self.samples.get(name, [])

    def labels(self, name: str, label: str) -> set[str]:
        """The values that a label of these samples has."""
        return {labels[label] for labels, _ in self[name] if label in labels}

    def total(self, name: str, **labels: str) -> float:
        """The sum of the samples that have these labels."""
        return sum(value for found, value in self[name] if labels.items() <= found.items())


def get(url: str) -> str:
    with urllib.request.urlopen(url, timeout=30) as answer:
        text: str = answer.read().decode()
    return text


def metrics(served: Served, node: str) -> Series:
    """`curl /metrics` of a node, read by Prometheus' parser."""
    samples: dict[str, list[tuple[dict[str, str], float]]] = {}
    for family in text_string_to_metric_families(get(f"http://127.0.0.1:{port(served, node)}/metrics")):
        for sample in family.samples:
            samples.setdefault(sample.name, []).append((sample.labels, sample.value))
    return Series(samples)


def port(served: Served, node: str) -> int:
    """Where a node has its /metrics, or its HTTP."""
    ports = next(n["ports"] for n in served.up.plan["nodes"] if n["name"] == node)
    first: int = next(ports[name]["first"] for name in ("system", "http", "client") if name in ports)
    return first


def ask(served: Served, path: str, **query: str) -> Any:
    """What the run's Prometheus answers."""
    answer = json.loads(get(f"http://127.0.0.1:{port(served, 'prometheus')}/api/v1/{path}?{urllib.parse.urlencode(query)}"))
    assert answer["status"] == "success"
    return answer["data"]


def eventually(holds: Callable[[], Any], within_s: float = 15.0) -> Any:
    """What `holds` gives once that is true, or the last that it gave."""
    deadline = time.monotonic() + within_s
    while not (got := holds()) and time.monotonic() < deadline:
        time.sleep(0.1)
    return got
