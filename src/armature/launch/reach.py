"""From where a node's listeners may be reached, as its plan and its environment say."""

from __future__ import annotations

from armature import env
from armature.confine.reach import EVERY, Reach, at
from armature.graph.plan import Plan, PlannedNode
from armature.launch.preflight import node_env


def reach_of(plan: Plan, node: PlannedNode) -> Reach:
    """At the addresses of its ports, and those that its environment names (`env.ADDRESSES`); at ports that the user wants on every
    interface, from everywhere. Raises OSError for a name that does not resolve.
    """
    environ, blocks = node_env(plan, node), node.ports.values()
    named = {environ[name] for name in env.ADDRESSES if environ.get(name)}
    everywhere = [port for block in blocks if block.host in EVERY for port in range(block.first, block.first + block.count)]
    return at(sorted(named | {block.host for block in blocks if block.host not in EVERY}), everywhere)
