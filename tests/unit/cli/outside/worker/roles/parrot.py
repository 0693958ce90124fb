"""What its workers do."""

from __future__ import annotations

from armature.roles import get
from armature.worker.control.route import Nothing, Route
from armature.worker.generating import Generating
from armature.worker.roles.base import WorkerSettings


class Parrot(Generating):
    """Also takes a command of its own."""

    ROLE = get("parrot")

    def routes(self) -> tuple[Route, ...]:
        async def squawk(_: Nothing) -> dict[str, str]:
            return {"says": "squawk"}

        return (*super().routes(), Route("squawk", Nothing, squawk))


def open_role(settings: WorkerSettings) -> Parrot:
    raise NotImplementedError(f"{settings.model_name}: this fixture has no engine")
