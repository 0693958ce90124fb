"""Profiles: a task beside the load, or a program around workers."""

from __future__ import annotations

from collections.abc import Sequence

from armature.config.schema import Deployment
from armature.errors import UserError, did_you_mean, nearest
from armature.graph.node import Node, Requires, StopPolicy, TaskSpec
from armature.graph.rules.common import armature_argv
from armature.profiles.kind import ProfileKind

FOLDER = "${run}/results/profile"


def profile_task(deployment: Deployment, serving: Sequence[Node], needs: tuple[str, ...]) -> Node | None:
    """The task that takes profiles while the load runs; None where none is wanted. It changes what is measured, so it counts in
    the plan's hash."""
    profile, kind = deployment.profile, deployment.profile.kind
    if kind is None or not kind.beside_load:
        return None
    nodes = _chosen(deployment, kind, serving)
    words = [word for node in nodes for word in ("--node", node.name)]
    words += ["--gpus"] if deployment.hardware.device == "cuda" else []
    when = ("--load", "${run}/load", "--after-s", f"{profile.after_s:g}", "--seconds", f"{profile.seconds:g}")
    return Node(
        name="profile",
        kind="task",
        label=kind.name,
        argv=armature_argv("profile", kind.name, *words, "--tmp", "${tmp}", *when, "--out", FOLDER),
        needs=needs,
        task=TaskSpec(outputs=tuple(f"{FOLDER}/{node.name}" for node in nodes)),
        requires=Requires(programs=kind.programs),
    )


def wrapped(deployment: Deployment, workers: Sequence[Node]) -> tuple[Node, ...]:
    """Workers, those to be profiled under the profile's program if it is one that goes around commands."""
    kind = deployment.profile.kind
    if kind is None or kind.wrap is None:
        return tuple(workers)
    chosen = {node.name for node in _chosen(deployment, kind, workers)}
    return tuple(_wrapped(node, kind) if node.name in chosen else node for node in workers)


def _wrapped(node: Node, kind: ProfileKind) -> Node:
    assert kind.wrap is not None
    argv = (*kind.wrap(f"{FOLDER}/{node.name}"), *node.argv)
    return node.model_copy(update={"argv": argv, "stop": StopPolicy(drain_s=node.stop.drain_s + kind.write_s)})


def _chosen(deployment: Deployment, kind: ProfileKind, nodes: Sequence[Node]) -> list[Node]:
    workers = [node for node in nodes if node.name.rpartition("-")[0] in deployment.topology.roles]
    services = {node.name: node for node in (workers if kind.nodes == "workers" else nodes) if node.kind == "service"}
    for name in deployment.profile.nodes:
        if name not in services:
            guess = nearest(name, services)
            raise UserError(
                f"profile.nodes: there is no node {name!r} that {kind.name} can profile",
                expected=f"some of {', '.join(services)}",
                fix=did_you_mean(guess and f"profile.nodes=[{guess}]"),
            )
    return [services[name] for name in deployment.profile.nodes] or workers
