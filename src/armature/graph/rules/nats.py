"""The NATS server of a run that uses NATS and names no server."""

from __future__ import annotations

from armature.config.schema import Deployment
from armature.graph.node import OF_HOST, HttpProbe, Node, PortRequest, StopPolicy
from armature.graph.rules.common import port_of, restart_policy, url_at

NAME = "nats"


def nats_node(deployment: Deployment) -> Node | None:
    """The server, or None where there is no need of one. What JetStream keeps lies in the run directory, and outlives a restart."""
    if not deployment.runtime.uses_nats or deployment.runtime.nats_url:
        return None
    return Node(
        name=NAME,
        kind="service",
        label="NATS server",
        argv=(
            "${program:nats-server}",
            "--name",
            deployment.runtime.namespace,
            "--addr",
            OF_HOST,
            "--port",
            port_of(NAME, "client"),
            "--http_port",
            port_of(NAME, "monitor"),
            "--jetstream",
            "--store_dir",
            "${run}/nats",
        ),
        ports=(PortRequest(name="client"), PortRequest(name="monitor")),
        ready=HttpProbe(url=url_at(NAME, "monitor", "/healthz")),
        stop=StopPolicy(drain_s=10.0),
        restart=restart_policy(deployment),
    )
