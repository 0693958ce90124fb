"""Profiles: a task beside the load, or NVIDIA's tracer around workers."""

from __future__ import annotations

from collections.abc import Sequence

from armature.config.schema import Deployment
from armature.errors import UserError, did_you_mean, nearest
from armature.graph.node import Node, Requires, StopPolicy, TaskSpec
from armature.graph.rules.common import armature_argv, control_folder

FOLDER = "${run}/results/profile"
WRITE_S = 120.0  # a trace is written when its worker ends


def profile_task(deployment: Deployment, serving: Sequence[Node], needs: tuple[str, ...]) -> Node | None:
    """The task that takes profiles while the load runs; None where none is wanted. It changes what is measured, so it counts in
    the plan's hash."""
    profile = deployment.profile
    if profile.name not in ("torch", "pyspy"):
        return None
    nodes = _chosen(deployment, serving)
    words = [word for node in nodes for word in _words(profile.name, node)]
    words += ["--processes", "${tmp}"] if profile.name == "pyspy" else []
    words += ["--gpus"] if profile.name == "torch" and deployment.hardware.device == "cuda" else []
    when = ("--load", "${run}/load", "--after-s", f"{profile.after_s:g}", "--seconds", f"{profile.seconds:g}")
    return Node(
        name="profile",
        kind="task",
        label=profile.name,
        argv=armature_argv("profile", profile.name, *words, *when, "--out", FOLDER),
        needs=needs,
        task=TaskSpec(outputs=tuple(f"{FOLDER}/{node.name}" for node in nodes)),
        requires=Requires(programs=("py-spy",) if profile.name == "pyspy" else ()),
    )


def traced(deployment: Deployment, workers: Sequence[Node]) -> tuple[Node, ...]:
    """Workers under `nsys profile`, where that is asked for."""
    if deployment.profile.name != "nsys":
        return tuple(workers)
    chosen = {node.name for node in _chosen(deployment, workers)}
    return tuple(_under_nsys(node) if node.name in chosen else node for node in workers)


def _under_nsys(node: Node) -> Node:
    words = ("--trace", "cuda,nvtx,osrt", "--cuda-graph-trace", "node", "--trace-fork-before-exec", "true", "--force-overwrite", "true")
    # SIGTERM goes to nsys, which hands it on; it writes its report when the worker has drained.
    argv = ("${program:nsys}", "profile", *words, "--kill", "none", "--wait", "all", "--output", f"{FOLDER}/{node.name}.nsys", *node.argv)
    return node.model_copy(update={"argv": argv, "stop": StopPolicy(drain_s=node.stop.drain_s + WRITE_S)})


def _chosen(deployment: Deployment, nodes: Sequence[Node]) -> list[Node]:
    workers = [node for node in nodes if node.name.rpartition("-")[0] in deployment.topology.roles]
    torch = deployment.profile.name != "pyspy"
    services = {node.name: node for node in (workers if torch else nodes) if node.kind == "service"}
    for name in deployment.profile.nodes:
        if name not in services:
            guess = nearest(name, services)
            raise UserError(
                f"profile.nodes: there is no node {name!r} that {deployment.profile.name} can profile",
                expected=f"some of {', '.join(services)}",
                fix=did_you_mean(guess and f"profile.nodes=[{guess}]"),
            )
    return [services[name] for name in deployment.profile.nodes] or workers


def _words(kind: str, node: Node) -> tuple[str, ...]:
    return ("--target", f"{node.name}={control_folder(node.name)}") if kind == "torch" else ("--node", node.name)
