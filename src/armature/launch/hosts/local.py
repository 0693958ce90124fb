"""This machine as a host."""

from __future__ import annotations

from collections.abc import Callable

from armature.graph.plan import Plan, PlannedNode
from armature.launch import tree
from armature.launch.preflight import node_env, tmp_of
from armature.launch.process import NodeProcess
from armature.launch.reach import reach_of


class LocalHost:
    """Starts the nodes of one run as processes of this machine. What is in shared memory at first is not the run's."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._shm_before = sorted(tree.shm_names())

    def start(self, node: PlannedNode, log: int, unwritten: Callable[[bytes, str], object]) -> NodeProcess:
        reach, tmp = reach_of(self._plan, node), tmp_of(self._plan, node.name)
        return NodeProcess(node.argv, node_env(self._plan, node), tmp, self._shm_before, log, node.name, reach, unwritten)
