"""Rules: how a deployment becomes a graph. One module for each kind of node."""

from __future__ import annotations

from armature.config.modelref import ModelSource
from armature.config.schema import Deployment
from armature.graph.node import Graph
from armature.graph.rules.frontend import frontend_node
from armature.graph.rules.model import model_task
from armature.graph.rules.pairs import pairs_task
from armature.graph.rules.workers import worker_nodes


def build(deployment: Deployment, source: ModelSource) -> Graph:
    """The graph of a deployment whose model's files come from `source`."""
    task = model_task(deployment, source)
    workers = worker_nodes(deployment, source, needs=(task.name,) if task else ())
    pairs = pairs_task(deployment, workers)
    frontend = frontend_node(deployment, needs=(pairs.name,) if pairs else tuple(w.name for w in workers))
    nodes = (*([task] if task else []), *workers, *([pairs] if pairs else []), frontend)
    return Graph(name=f"{deployment.topology.name}-{deployment.model.served_name}", nodes=nodes)
