"""What starts, signals and watches the nodes of one host."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Protocol

from armature.graph.plan import PlannedNode
from armature.launch.ending import Ending


class RunningNode(Protocol):
    """A node that was started.

    pid: of the main process on its host; None until it runs. running: done with it. ended: how it ended, as soon as it did.
    facts: what else was said before it ran; unconfined: why the kernel does not confine its listeners.
    gone: done when nothing of the node is left.
    """

    @property
    def pid(self) -> int | None: ...

    @property
    def facts(self) -> Mapping[str, str]: ...

    @property
    def running(self) -> asyncio.Future[int]: ...

    @property
    def ended(self) -> asyncio.Future[Ending]: ...

    @property
    def gone(self) -> asyncio.Task[None]: ...

    async def stop(self, drain_s: float) -> bool:
        """SIGTERM, `drain_s` seconds to end, then SIGKILL to all. Returns whether it ended by itself."""
        ...

    def kill(self) -> None:
        """SIGKILL to everything of the node."""
        ...


class HostAgent(Protocol):
    """Starts nodes on one host."""

    def start(self, node: PlannedNode, log: int, unwritten: Callable[[bytes, str], object]) -> RunningNode:
        """Start `node`, with its output to the descriptor `log`. unwritten: called with output that `log` did not take, and why.

        Raises OSError.
        """
        ...
