"""Every kind of load that a config names goes through the graph: it is put on, summed up and reported."""

from __future__ import annotations

import json
from typing import Any

import pytest

from armature.config.folder import conf_dir, groups
from support.measuring import LENIENT, Place
from support.scripted_server import ScriptedServer

TRACE = [{"timestamp": 100 * i, "input_length": 600, "output_length": 4, "hash_ids": [0, i + 1]} for i in range(12)]
# kind: what makes it short, and how many requests come of it; None: as many as fit into its time.
KINDS: dict[str, tuple[tuple[str, ...], int | None]] = {
    "poisson": (("load.rate=20", "load.time_s=2"), None),
    "constant": (("load.rate=20", "load.time_s=2"), 40),
    "ramp": (("load.rate=20", "load.ramp.seconds=2", "load.time_s=2"), None),
    "steps": (("load.steps=[[1,1],[1,4]]", "load.time_s=2"), None),
    "shared_prefix": (("load.count=24",), 24),
    "multi_turn": (("load.count=24", "load.think_s=0.01"), 24),
    "mixed": (("load.count=24",), 24),
    "trace": (("load.trace={trace}",), len(TRACE)),
}


@pytest.mark.parametrize("kind", KINDS)
def test_it_goes_through_the_graph(kind: str, place: Place, server: ScriptedServer) -> None:
    trace = place.root / "trace.jsonl"
    trace.write_text("".join(json.dumps(line) + "\n" for line in TRACE))
    settings, count = KINDS[kind]
    words = [word.format(trace=trace) if "{trace}" in word else word for word in settings]
    code, output = place.run(["up", "external", f"url={server.url}", f"load={kind}", *words, "load.warmup.count=2", *LENIENT])
    assert code == 0, output
    (summary,) = (json.loads(file.read_text()) for file in place.runs.glob("*/*/results/summary.json"))
    counts: dict[str, Any] = summary["overall"]["counts"]
    assert counts["failed"] == 0 and counts["ok"] == (count or counts["ok"]) > 5, counts
    assert [path for path in place.runs.glob("*/*/report.html") if path.stat().st_size > 10_000]


def test_every_kind_is_tried() -> None:
    assert set(groups(conf_dir())["load"]) == {*KINDS, "closed", "none"}
