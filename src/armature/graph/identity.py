"""The plan's hash: what serves, and nothing of where it serves, who looks at it, or how it is started and ended.

The hash decides which runs are repeats of each other, so it must differ whenever what serves differs, and must not differ for
anything else. Of the symbolic graph these are left out:

- nodes that only measure, and what ends the run
- the graph's name, and nodes' labels
- ports that the user chose: in the graph they are placeholders wherever they are used
- addresses: of what listens on this host, and of NATS and etcd servers. The address of an OpenAI server of others stays: it is
  all that is known of what serves
- readiness probes, stop and restart policies
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Mapping
from typing import Any

from armature.address import LOOPBACK
from armature.graph.node import OF_HOST, Graph, Node

HASH_VERSION = 2  # of what goes into the hash
_NODE = frozenset({"name", "kind", "argv", "env", "needs", "gpus_of", "task"})
_PORT = frozenset({"name", "count"})


def digest(graph: Graph, where: Mapping[str, Any]) -> str:
    """The hash of what `graph` serves. where: which GPUs of which hosts placement gave to each node, as JSON."""
    serving = [node for node in graph.nodes if not node.measures]
    blind = _without_addresses(graph)
    content = {
        "version": HASH_VERSION,
        "nodes": [_content(node, where[node.name], blind) for node in serving],
        "servers": [{"field": s.field, "url": blind(s.url), "model": s.model} for s in graph.servers],
    }
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]


def _content(node: Node, where: Any, blind: Callable[[str], str]) -> dict[str, Any]:
    ports = [p.model_dump(mode="json", include=set(_PORT)) for p in node.ports]
    found: dict[str, Any] = _mapped(node.model_dump(mode="json", include=set(_NODE)), blind)
    return found | {"ports": ports, "gpus": where}


def _without_addresses(graph: Graph) -> Callable[[str], str]:
    """Replaces the addresses of the graph's own listeners and plane servers, wherever they stand in a text."""
    planes = {s.url: "${" + s.field + "}" for s in graph.servers if s.kind == "plane"}
    hosts = {LOOPBACK, *(p.host for node in graph.nodes for p in node.ports if p.host != OF_HOST)}
    words = [rf"(?<![\w.:-])\[?{re.escape(host)}\]?(?![\w.-])" for host in sorted(hosts, key=len, reverse=True)]
    pattern = re.compile("|".join([*(re.escape(url) for url in sorted(planes, key=len, reverse=True)), *words]))
    return lambda text: pattern.sub(lambda m: planes.get(m[0], "${host}"), text)


def _mapped(value: Any, change: Callable[[str], str]) -> Any:
    """`value` with `change` applied to every text in it."""
    if isinstance(value, str):
        return change(value)
    if isinstance(value, Mapping):
        return {k: _mapped(v, change) for k, v in value.items()}
    return [_mapped(v, change) for v in value] if isinstance(value, list | tuple) else value
