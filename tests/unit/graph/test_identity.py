"""The plan's hash changes with what serves, and with nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from armature.config.compose import compose
from armature.config.modelref import locate
from armature.graph import rules
from armature.graph.hosts import Host
from armature.graph.place import Site, place
from armature.graph.ports import CountingPorts

BASE = ("topology=agg_router", "model=tiny-qwen3")
PAIR = ("topology=disagg", "model=tiny-qwen3")
NATS = ("topology=agg", "model=tiny-qwen3", "runtime=nats")
SERVERS = (*NATS, "runtime.nats_url=nats://10.0.0.5:4222", "runtime.etcd_url=http://10.0.0.5:2379")
OBSERVED = (*BASE, "observe=prometheus")
THEIRS = ("topology=external", "load=closed", "url=http://10.0.0.5:80")


def hash_of(*words: str, first_port: int = 20000, root: str = "/home/me", name: str = "ID") -> str:
    deployment = compose(list(words)).deployment
    graph = rules.build(deployment, locate(deployment.model, Path("/models")))
    site = Site(
        run_dir=Path(root) / "runs" / name,
        cache_dir=Path(root) / "cache",
        tmp_dir=Path(root) / "tmp" / name,
        hosts=(Host(CountingPorts(first_port), gpus=deployment.hardware.gpus),),
        python=(f"{root}/bin/python",),
        env={"PYTHONPATH": f"{root}/src"},
        program=lambda program: f"{root}/bin/{program}",
    )
    return place(graph, site).hash


@settings(max_examples=15, deadline=None)
@given(
    port=st.integers(0, 19_999),
    first_port=st.integers(20_000, 50_000),
    root=st.sampled_from(["/home/you", "/srv/a b", "/"]),
    name=st.from_regex(r"[a-z0-9][a-z0-9-]{0,20}", fullmatch=True),
)
def test_neither_ports_nor_paths_nor_a_run_s_name_change_it(port: int, first_port: int, root: str, name: str) -> None:
    assert hash_of(*BASE, f"frontend.port={port}", first_port=first_port, root=root, name=name) == hash_of(*BASE)


@pytest.mark.parametrize(
    ("base", "words"),
    [
        (BASE, ["frontend.host=0.0.0.0"]),
        (BASE, ["frontend.host=10.1.2.3", "frontend.port=80"]),
        (BASE, ["frontend.host='::'"]),
        (PAIR, ["disaggregation.host=10.1.2.3"]),
        (SERVERS, ["runtime.nats_url=nats://other.example:4333", "runtime.etcd_url=https://etcd.example:2380"]),
        (OBSERVED, ["observe.port=9090"]),
        (OBSERVED, ["observe.scrape_s=1"]),
        (BASE, ["worker.start_timeout_s=5"]),
        (BASE, ["launcher.restarts=0"]),
        (BASE, ["launcher.restart_window_s=5"]),
        (BASE, ["load=closed", "load.seed=7"]),
        (THEIRS, ["load.concurrency=3"]),
    ],
    ids=" ".join,
)
def test_where_it_serves_and_who_looks_is_no_part_of_it(base: tuple[str, ...], words: list[str]) -> None:
    assert hash_of(*base, *words) == hash_of(*base)


CHANGES = {
    BASE: [
        *("model=tiny-llama", "model.shape.seed=1", "model.shape.hidden_size=256", "model.context_length=1024", "model.name=other"),
        *("topology=agg", "topology.roles.worker.replicas=3", "topology.router.mode=random", "topology.router.kv_events=false"),
        *("topology.router.overlap_weight=2", "topology.router.temperature=0.5", "topology.router.busy_blocks=0.5"),
        *("topology.router.busy_prefill_tokens=9", "topology.router.migration_limit=0"),
        *("+engine.args.max_running_requests=4", "+topology.roles.worker.engine.args.chunked_prefill_size=64", "+hardware.env.A=b"),
        *("+topology.roles.worker.env.A=c", "worker.egress=pull", "worker.check_s=7", "runtime=nats", "observe=prometheus"),
        *("profile=pyspy load=closed",),
    ],
    PAIR: [
        *("topology.roles.decode.replicas=2", "disaggregation.heartbeat_s=2", "disaggregation.heartbeat_failures=9"),
        *("disaggregation.transfer_timeout_s=7", "disaggregation.bootstrap_timeout_s=7"),
    ],
    NATS: ["runtime.requests=nats", "runtime.events=zmq", "runtime.discovery=file", "runtime.nats_url=nats://10.0.0.5:4222"],
    THEIRS: ["url=http://10.0.0.5:81", "url=http://10.0.0.6:80"],
}


@pytest.mark.parametrize("base", CHANGES, ids=" ".join)
def test_whatever_changes_what_serves_changes_it(base: tuple[str, ...]) -> None:
    """Each change by itself, and no two of them alike."""
    hashes = {"": hash_of(*base)} | {words: hash_of(*base, *words.split()) for words in CHANGES[base]}
    by_hash: dict[str, list[str]] = {}
    for words, digest in hashes.items():
        by_hash.setdefault(digest, []).append(words)
    assert [same for same in by_hash.values() if len(same) > 1] == []
