"""Rules: how a deployment becomes a graph. One module for each kind of node."""

from __future__ import annotations

from armature.config.modelref import ModelSource
from armature.config.schema import Deployment
from armature.graph.node import Graph, Node
from armature.graph.rules.common import named_servers
from armature.graph.rules.etcd import etcd_node
from armature.graph.rules.frontend import URL, frontend_node
from armature.graph.rules.kv_bridge import kv_bridge_node
from armature.graph.rules.load import load_nodes, report_node
from armature.graph.rules.model import model_task
from armature.graph.rules.nats import nats_node
from armature.graph.rules.pairs import pairs_task
from armature.graph.rules.profile import profile_task, wrapped
from armature.graph.rules.prometheus import prometheus_nodes
from armature.graph.rules.workers import worker_nodes


def build(deployment: Deployment, source: ModelSource) -> Graph:
    """The graph of a deployment whose model's files come from `source`."""
    serving = () if deployment.external else _serving(deployment, source)
    measured = [node for node in serving if node.kind == "service" and node.name != "prometheus"]
    url = deployment.url or URL
    measuring = load_nodes(deployment, url, measured, needs=() if deployment.external else ("frontend",))
    profile = profile_task(deployment, serving, needs=("frontend",))
    tasks = tuple(node.name for node in (*measuring, profile) if node and node.kind == "task")
    report = (report_node(tasks),) if measuring else ()
    return Graph(
        name="-".join(filter(None, (deployment.topology.name, deployment.model.served_name))),
        nodes=(*serving, *measuring, *((profile,) if profile else ()), *report),
        until=tuple(node.name for node in report if not deployment.load.keep),
        servers=named_servers(deployment),
    )


def _serving(deployment: Deployment, source: ModelSource) -> tuple[Node, ...]:
    """The nodes that serve, and those that watch the run as long as it serves."""
    task = model_task(deployment, source)
    servers = tuple(node for node in (nats_node(deployment), etcd_node(deployment)) if node)
    served = tuple(node.name for node in servers)
    workers = wrapped(deployment, worker_nodes(deployment, source, needs=(*((task.name,) if task else ()), *served)))
    pairs = pairs_task(deployment, workers)
    bridge = kv_bridge_node(deployment, needs=served)
    # Workers, also where a task between has asked them: a service that nothing needs any more ends while load runs.
    behind = tuple(node.name for node in (bridge, *workers, pairs) if node)
    frontend = frontend_node(deployment, source, needs=behind + served)
    observer = prometheus_nodes(deployment, [node for node in (*servers, bridge, *workers, frontend) if node])
    return tuple(node for node in (*observer, task, *servers, bridge, *workers, pairs, frontend) if node)
