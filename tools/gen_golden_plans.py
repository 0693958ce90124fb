"""Writes the golden plans under tests/unit/graph/golden/: what each topology becomes, as reviewers see it in a diff.

`python tools/gen_golden_plans.py` rewrites them; `--check` fails with a diff when one is stale.
"""

from __future__ import annotations

import difflib
import sys
from pathlib import Path

from armature.config.compose import compose
from armature.config.modelref import locate
from armature.graph import rules
from armature.graph.hosts import Host
from armature.graph.place import Site, place
from armature.graph.ports import CountingPorts

GOLDEN = Path(__file__).absolute().parents[1] / "tests" / "unit" / "graph" / "golden"

CASES = {
    "agg-cpu": ["topology=agg", "model=tiny-qwen3"],
    "agg-cpu-two-workers": ["topology=agg", "model=tiny-llama", "experiment=two_workers", "frontend.port=0"],
    "agg-cpu-nats": ["topology=agg", "model=tiny-qwen3", "runtime=nats"],
    "agg-cpu-own-servers": [
        *("topology=agg", "model=tiny-qwen3", "runtime=nats"),
        *("runtime.nats_url=nats://10.0.0.5:4222", "runtime.etcd_url=http://10.0.0.5:2379"),
    ],
    "agg-h200-fetched": ["topology=agg", "model=qwen3-8b", "hardware=h200", "topology.roles.worker.gpus=2", "+engine.args.tp_size=2"],
    "agg-h200-dummy": ["topology=agg", "model=llama-3.1-8b", "hardware=h200", "model.weights=dummy"],
    "agg_router-cpu": ["topology=agg_router", "model=tiny-qwen3"],
    "agg_router-cpu-durable": ["topology=agg_router", "model=tiny-qwen3", "runtime=nats", "runtime.events_durable=true"],
    "disagg-cpu": ["topology=disagg", "model=tiny-qwen3"],
    "disagg-h200": ["topology=disagg", "model=qwen3-8b", "hardware=h200", "hardware.gpus=2", "model.weights=dummy"],
    "disagg_router-cpu": ["topology=disagg_router", "model=tiny-qwen3"],
    "disagg_same_gpu-h200": ["topology=disagg_same_gpu", "model=qwen3-0.6b", "hardware=h200"],
    "agg_router-cpu-observed": [
        *("topology=agg_router", "model=tiny-qwen3", "runtime=nats", "runtime.events_durable=true"),
        *("observe=prometheus", "observe.port=9090"),
    ],
    "disagg-cpu-observed": ["topology=disagg", "model=tiny-qwen3", "observe=prometheus"],
    "agg-cpu-load": ["topology=agg", "model=tiny-qwen3", "load=closed", "load.slo.ttft_ms=200"],
    "external": ["topology=external", "url=http://10.0.0.5:8000", "load=poisson", "model.name=theirs"],
    "embedding-cpu": ["topology=embedding", "model=tiny-embedding"],
    "embedding-h200": ["topology=embedding", "model=qwen3-embedding-0.6b", "hardware=h200"],
    "dp-cpu": ["topology=dp", "model=tiny-qwen3"],
    "dp_attention-cpu": ["topology=dp_attention", "model=tiny-qwen3"],
}


def render(name: str) -> str:
    """The plan of one case, placed on a site that is the same everywhere."""
    composed = compose(CASES[name])
    deployment = composed.deployment
    graph = rules.build(deployment, locate(deployment.model, Path("/home/user")))
    site = Site(
        run_dir=Path("/home/user/runs") / graph.name / "ID",
        cache_dir=Path("/home/user/.cache/armature"),
        tmp_dir=Path("/tmp/armature-ID"),
        hosts=(Host(CountingPorts(), gpus=deployment.hardware.gpus),),
    )
    return place(graph, site).model_dump_json(indent=2) + "\n"


def main() -> int:
    stale = False
    for name in CASES:
        file, want = GOLDEN / f"{name}.json", render(name)
        have = file.read_text() if file.exists() else ""
        if "--check" in sys.argv:
            sys.stdout.writelines(difflib.unified_diff(have.splitlines(True), want.splitlines(True), str(file.name), "now"))
            stale |= have != want
        else:
            file.parent.mkdir(exist_ok=True)
            file.write_text(want)
    if stale:
        print("golden plans differ: look at the diff, then run python tools/gen_golden_plans.py")
    return int(stale)


if __name__ == "__main__":
    sys.exit(main())
