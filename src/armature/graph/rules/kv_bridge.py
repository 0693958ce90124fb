"""The bridge from the durable stream of KV events to the router."""

from __future__ import annotations

from armature.config.schema import Deployment
from armature.graph.node import LogProbe, Node, PortRequest, Requires, StopPolicy
from armature.graph.rules.common import armature_argv, plane_env, restart_policy
from armature.graph.rules.workers import endpoint_of

NAME = "kv-bridge"


def kv_bridge_node(deployment: Deployment, needs: tuple[str, ...]) -> Node | None:
    """The bridge, or None where KV events are not durable, or nobody publishes any. It is there before workers begin to write."""
    groups = deployment.topology.roles
    publishing = {group.kind.component: group.kind for name, group in groups.items() if deployment.publishes_kv_events(name)}
    if not deployment.runtime.events_durable or not publishing:
        return None
    words = [word for _, kind in sorted(publishing.items()) for word in ("--endpoint", endpoint_of(deployment, kind))]
    return Node(
        name=NAME,
        kind="service",
        label="durable KV events",
        argv=armature_argv("kv-bridge", *words, "--system-port", f"${{port:{NAME}.system}}"),
        env=plane_env(deployment),
        needs=needs,
        ports=(PortRequest(name="system"),),
        ready=LogProbe(pattern="kv bridge ready"),
        stop=StopPolicy(drain_s=5.0),
        restart=restart_policy(deployment),
        requires=Requires(modules=("dynamo", "nats")),
    )
