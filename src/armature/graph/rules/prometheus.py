"""The run's own Prometheus: a task that writes its configuration, and the server."""

from __future__ import annotations

from collections.abc import Sequence

from armature.config.schema import Deployment
from armature.graph.node import HttpProbe, Node, PortRequest, StopPolicy, TaskSpec
from armature.graph.rules.common import armature_argv, at, metrics_address, restart_policy, url_at

NAME = "prometheus"
FOLDER = "${run}/prometheus"
OTHERS = {"frontend": "frontend", "etcd": "etcd", "kv-bridge": "kv-bridge"}


def prometheus_nodes(deployment: Deployment, others: Sequence[Node]) -> tuple[Node, ...]:
    """Both nodes, or none where the run does not watch itself. Nothing waits for the server: it is there while the others start."""
    if deployment.observe.name != "prometheus":
        return ()
    words = [word for node in others for word in _target(node)]
    config = Node(
        name=f"{NAME}-config",
        kind="task",
        label="targets and alerts",
        argv=armature_argv("observe", *words, "--scrape-s", f"{deployment.observe.scrape_s:g}", "--out", FOLDER),
        task=TaskSpec(outputs=(f"{FOLDER}/prometheus.yml", f"{FOLDER}/alerts.yml")),
        measures=True,
    )
    listens = at(NAME, "http")
    server = Node(
        name=NAME,
        kind="service",
        label="Prometheus",
        argv=(
            "${program:prometheus}",
            "--config.file",
            f"{FOLDER}/prometheus.yml",
            "--storage.tsdb.path",
            f"{FOLDER}/data",
            "--web.listen-address",
            listens,
            "--log.level",
            "warn",
        ),
        needs=(config.name,),
        ports=(PortRequest(name="http", fixed=deployment.observe.port or None),),
        ready=HttpProbe(url=url_at(NAME, "http", "/-/ready")),
        stop=StopPolicy(drain_s=10.0),
        restart=restart_policy(deployment),
        measures=True,
    )
    return config, server


def _target(node: Node) -> tuple[str, ...]:
    """How the task is told of a node's /metrics, if it has any."""
    at = metrics_address(node)
    return ("--target", f"{node.name}={OTHERS.get(node.name, node.label)},{at}") if at else ()
