"""Runs a plan as processes of this machine, supervised by this process."""

from __future__ import annotations

from collections.abc import Mapping

from armature.graph.plan import Plan
from armature.launch.base import Options
from armature.launch.hosts.base import HostAgent
from armature.launch.hosts.local import LocalHost
from armature.launch.supervised import run_supervised


async def run(plan: Plan, options: Options) -> int:
    return await run_supervised(plan, options, _this_machine)


def _this_machine(plan: Plan) -> Mapping[str, HostAgent]:
    return {host.name: LocalHost(plan) for host in plan.hosts}
