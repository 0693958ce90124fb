"""The command that asks what each rank has to do."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from armature.engine.types import Engine
from armature.worker.control.route import Nothing, Route


def route(engine: Engine) -> Route:
    """It answers {"ranks": [{"rank", "running", "waiting", "used_tokens", "total_tokens", "reported_at"}]}."""

    async def answer(_: Nothing) -> dict[str, Any]:
        return {"ranks": [asdict(load) for load in await engine.loads()]}

    return Route("load", Nothing, answer)
