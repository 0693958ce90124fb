"""Prefill and decode workers in the graph: where they meet, what they wait for, and that every pair is tried."""

from __future__ import annotations

from pathlib import Path

import pytest

from armature.config.compose import compose
from armature.config.modelref import locate
from armature.errors import UserError
from armature.graph import rules
from armature.graph.node import Graph, Node


def graph(*words: str) -> Graph:
    deployment = compose(["model=tiny-qwen3", *words]).deployment
    return rules.build(deployment, locate(deployment.model, Path("/home/user")))


def node(of: Graph, name: str) -> Node:
    return next(n for n in of.nodes if n.name == name)


def test_every_prefill_worker_is_tried_with_every_decode_worker_before_the_frontend_starts() -> None:
    g = graph("topology=disagg_router", "topology.roles.decode.replicas=3")
    pairs = node(g, "pairs")
    assert set(pairs.needs) == {"prefill-0", "prefill-1", "decode-0", "decode-1", "decode-2"}
    assert [w for w in pairs.argv if w in ("--prefill", "--decode")] == ["--prefill"] * 2 + ["--decode"] * 3
    assert set(node(g, "frontend").needs) == {"pairs", *pairs.needs}


def test_only_prefill_workers_have_a_bootstrap_port() -> None:
    with_one = [n.name for n in graph("topology=disagg_router").nodes if any(p.name == "bootstrap" for p in n.ports)]
    assert with_one == ["prefill-0", "prefill-1"]


def test_limits_reach_both_legs() -> None:
    g = graph("topology=disagg", "disaggregation.bootstrap_timeout_s=7", "disaggregation.transfer_timeout_s=9")
    for name in ("prefill-0", "decode-0"):
        environment = node(g, name).env
        assert environment["SGLANG_DISAGGREGATION_BOOTSTRAP_TIMEOUT"] == "7"
        assert environment["SGLANG_DISAGGREGATION_WAITING_TIMEOUT"] == "9"


def test_the_meeting_place_is_what_was_named() -> None:
    g = graph("topology=disagg", "disaggregation.host=10.1.2.3")
    argv = node(g, "prefill-0").argv
    assert argv[argv.index("--host") + 1] == "10.1.2.3"
    assert next(p.host for p in node(g, "prefill-0").ports if p.name == "bootstrap") == "10.1.2.3"
    assert any(w.endswith(",${at:prefill-0.bootstrap}") for w in node(g, "pairs").argv)


def test_decode_shares_prefills_gpu_and_starts_after_it() -> None:
    g = graph("topology=disagg_same_gpu", "hardware=cuda")
    assert (node(g, "prefill-0").gpus, node(g, "decode-0").gpus, node(g, "decode-0").gpus_of) == (1, 0, "prefill-0")
    assert "prefill-0" in node(g, "decode-0").needs


def test_ranks_of_dp_attention_get_no_ports_to_talk_over() -> None:
    worker = node(graph("topology=dp_attention"), "worker-0")
    assert {p.name for p in worker.ports} == {"system", "nccl"}
    assert "--dist-init-addr" not in worker.argv


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["topology.roles.decode.role=prefill"], "no decode workers"),
        (["topology.roles.prefill.share_gpus_with=decode"], "expected: a group before prefill"),
        (["engine.args.disaggregation_mode=decode"], "disaggregation_mode"),
    ],
    ids=["half a pair", "sharing forwards", "the role's own flag"],
)
def test_what_cannot_work_is_refused(words: list[str], said: str) -> None:
    with pytest.raises(UserError) as caught:
        graph("topology=disagg", *words)
    assert said in str(caught.value)
