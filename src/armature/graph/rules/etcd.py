"""The etcd server of a run that discovers by etcd and names no server."""

from __future__ import annotations

from armature.config.schema import Deployment
from armature.graph.node import HttpProbe, Node, PortRequest, StopPolicy
from armature.graph.rules.common import restart_policy, url_at

NAME = "etcd"


def etcd_node(deployment: Deployment) -> Node | None:
    """The server, a cluster of one, or None where there is no need of one. Its data lies in the run directory, and outlives a restart."""
    if not deployment.runtime.uses_etcd or deployment.runtime.etcd_url:
        return None
    client, peer = (url_at(NAME, port) for port in ("client", "peer"))
    member = deployment.runtime.namespace
    return Node(
        name=NAME,
        kind="service",
        label="etcd",
        argv=(
            "${program:etcd}",
            "--name",
            member,
            "--data-dir",
            "${run}/etcd",
            "--listen-client-urls",
            client,
            "--advertise-client-urls",
            client,
            "--listen-peer-urls",
            peer,
            "--initial-advertise-peer-urls",
            peer,
            "--initial-cluster",
            f"{member}={peer}",
            "--initial-cluster-token",
            "${run}",  # no server of another run joins by mistake
            # A few keys that change rarely: neither their history nor a log of many entries is worth memory.
            "--snapshot-count",
            "1000",
            "--auto-compaction-mode",
            "revision",
            "--auto-compaction-retention",
            "1000",
            "--logger",
            "zap",
            "--log-level",
            "warn",
        ),
        ports=(PortRequest(name="client"), PortRequest(name="peer")),
        ready=HttpProbe(url=f"{client}/health"),
        stop=StopPolicy(drain_s=10.0),
        restart=restart_policy(deployment),
    )
