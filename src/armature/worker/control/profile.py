"""Commands to SGLang's profiler: start a trace of every rank, and have the traces written."""

from __future__ import annotations

from collections.abc import Awaitable
from pathlib import Path
from typing import Any

from pydantic import Field

from armature.engine.types import Engine
from armature.worker.control.route import Body, Nothing, Route

START, STOP = "profile/start", "profile/stop"


class Start(Body):
    """folder: where each rank's trace goes. gpus: whether to trace them, too."""

    folder: str = Field(min_length=1)
    gpus: bool = False


class Profiler:
    """The engine's profiler. root: the folder below which traces may be written; None: nowhere."""

    def __init__(self, engine: Engine, root: Path | None) -> None:
        self._engine, self._root = engine, root
        self._orders = 0  # that are being carried out

    @property
    def busy(self) -> bool:
        """Whether it is started or writes its traces: the ranks do nothing else then."""
        return self._orders > 0

    def routes(self) -> tuple[Route, ...]:
        """Both answer {}, or {"error"} with the reason."""
        return Route(START, Start, self._start), Route(STOP, Nothing, self._stop)

    async def _start(self, body: Start) -> dict[str, Any]:
        return await self._do(self._engine.start_profile(below(self._root, body.folder), body.gpus))

    async def _stop(self, _: Nothing) -> dict[str, Any]:
        return await self._do(self._engine.stop_profile())

    async def _do(self, work: Awaitable[None]) -> dict[str, Any]:
        self._orders += 1
        try:
            await work
        except RuntimeError as e:
            return {"error": str(e)}
        finally:
            self._orders -= 1
        return {}


def below(root: Path | None, folder: str) -> Path:
    """`folder`, which a command names, if it lies below `root`, where alone commands may write. A relative one is taken from there.

    Links are followed first. Raises ValueError.
    """
    if root is None:
        raise ValueError("this worker has no folder that commands may write to (--control-writes)")
    if not folder or "\0" in folder:
        raise ValueError("folder: expected the path of a folder")
    home = root.resolve()
    wanted = (home / folder).resolve()
    if wanted == home or not wanted.is_relative_to(home):
        raise ValueError(f"folder: expected a folder below {root}")
    return wanted
