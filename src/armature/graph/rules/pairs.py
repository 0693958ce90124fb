"""The task that lets a real request go through every pair of prefill and decode workers, before anybody calls the run ready."""

from __future__ import annotations

from collections.abc import Sequence

from armature import roles
from armature.config.schema import Deployment
from armature.graph.node import Node, TaskSpec
from armature.graph.rules.common import armature_argv, at, control_folder


def pairs_task(deployment: Deployment, workers: Sequence[Node]) -> Node | None:
    """The task, or None where no two workers share a request. It runs in every run: what it found before says nothing now."""
    prefill = [w for w in workers if roles.get(w.label).handover == "sends"]
    decode = [w for w in workers if roles.get(w.label).handover == "receives"]
    if not prefill:
        return None
    words = [word for w in prefill for word in ("--prefill", f"{w.name}={control_folder(w.name)},{at(w.name, 'bootstrap')}")]
    words += [word for w in decode for word in ("--decode", f"{w.name}={control_folder(w.name)}")]
    out = "${run}/results/pairs.json"
    return Node(
        name="pairs",
        kind="task",
        label="probe every pair",
        argv=armature_argv("pairs", *words, "--timeout-s", f"{deployment.disaggregation.probe_timeout_s:g}", "--out", out),
        needs=tuple(w.name for w in (*prefill, *decode)),
        task=TaskSpec(outputs=(out,)),
    )
