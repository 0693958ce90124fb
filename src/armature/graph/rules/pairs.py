"""The task that lets a real request go through every pair of prefill and decode workers, before anybody calls the run ready."""

from __future__ import annotations

from collections.abc import Sequence

from armature.config.schema import Deployment
from armature.graph.node import Node, TaskSpec
from armature.graph.rules.common import armature_argv


def pairs_task(deployment: Deployment, workers: Sequence[Node]) -> Node | None:
    """The task, or None where no two workers share a request. It runs in every run: what it found before says nothing now."""
    prefill = [w for w in workers if w.label == "prefill"]
    decode = [w for w in workers if w.label == "decode"]
    if not prefill:
        return None
    host = deployment.disaggregation.host
    words = [
        word for w in prefill for word in ("--prefill", f"{w.name}=127.0.0.1:${{port:{w.name}.system}},{host}:${{port:{w.name}.bootstrap}}")
    ]
    words += [word for w in decode for word in ("--decode", f"{w.name}=127.0.0.1:${{port:{w.name}.system}}")]
    out = "${run}/results/pairs.json"
    return Node(
        name="pairs",
        kind="task",
        label="probe every pair",
        argv=armature_argv("pairs", *words, "--timeout-s", f"{deployment.disaggregation.probe_timeout_s:g}", "--out", out),
        needs=tuple(w.name for w in (*prefill, *decode)),
        task=TaskSpec(outputs=(out,)),
    )
