"""What runs plans: each module has the name of a launcher (`armature.launchers`)."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, cast

from armature import launchers
from armature.errors import UserError
from armature.plugins import extended

if TYPE_CHECKING:
    from armature.graph.plan import Plan
    from armature.launch.base import LauncherModule, Options

__path__ = extended(__path__, __name__)


async def launch(name: str, plan: Plan, options: Options) -> int:
    """Run `plan` with the launcher `name`; the exit code. Raises UserError before anything starts when it cannot work."""
    kind = launchers.get(name)
    if len(plan.hosts) > 1 and not kind.several_hosts:
        able = [other.name for other in launchers.every() if other.several_hosts]
        hosts = ", ".join(host.name for host in plan.hosts)
        raise UserError(
            f"launcher={name} runs plans of one host, and this plan has {len(plan.hosts)}: {hosts}",
            fix=" or ".join(f"launcher={other}" for other in able) or "use one host",
        )
    module = cast("LauncherModule", importlib.import_module(f"{__name__}.{kind.name}"))
    return await module.run(plan, options)
