"""A pure function of the plan, printed."""

from __future__ import annotations

from armature.graph.plan import Plan
from armature.launch.base import Options


def memo(plan: Plan) -> str:
    return "\n".join(f"{node.name} on {node.host}" for node in plan.nodes)


async def run(plan: Plan, options: Options) -> int:
    print(memo(plan))
    return 0
