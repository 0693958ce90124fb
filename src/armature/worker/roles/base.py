"""What a role is. A role joins one engine to the runtime; the life cycle (`worker.lifecycle`) runs any of them.

What is known of a role before it runs is a module of `armature.roles`. What its workers do is a module of this package with the same
name. It has

    def open_role(settings: WorkerSettings) -> Role     starts the engine and returns when it answers

so adding a role is adding two files.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from armature.limits import DEFAULT_LIMITS, RequestLimits
from armature.runtime.egress import Context
from armature.runtime.registration import ModelCard
from armature.worker.control.route import Route
from armature.worker.kv_events import DurableEvents

if TYPE_CHECKING:
    from dynamo.runtime import Endpoint


@dataclass(frozen=True, slots=True)
class WorkerSettings:
    """What every role is told.

    model_path: the model's folder. model_name: what clients ask for. engine_args: native SGLang flags, as words.
    endpoint: namespace.component.endpoint under which the worker is found. publish_load: routers are told how full its ranks are.
    durable_events: where KV events are kept; None: they go to the router at once. limits: what one request may ask for.
    commands_write: the folder below which commands may write; None: nowhere.
    """

    model_path: Path
    model_name: str
    engine_args: tuple[str, ...] = ()
    endpoint: str = "dynamo.backend.generate"
    publish_load: bool = False
    tool_call_parser: str | None = None
    reasoning_parser: str | None = None
    durable_events: DurableEvents | None = None
    limits: RequestLimits = DEFAULT_LIMITS
    commands_write: Path | None = None


# Works beside a served endpoint until it is cancelled, such as a publisher of events. What it raises ends the worker.
Companion = Callable[["Endpoint"], Awaitable[None]]


class Role(Protocol):
    """One engine at work, seen from the life cycle."""

    @property
    def card(self) -> ModelCard:
        """What the frontend is told of the model."""
        ...

    async def canary(self) -> None:
        """Have the engine do one small piece of real work; raises when it fails."""
        ...

    async def warm_up(self) -> None:
        """Have the engine do once whatever takes longer the first time; raises when it fails."""
        ...

    async def signs(self) -> Mapping[int, float] | None:
        """The last sign of life of each of the engine's ranks, see `worker.liveness.keep_watch`. It must cost next to nothing."""
        ...

    def watch(self, on_death: Callable[[str], None]) -> None:
        """Have `on_death` called with the name of a process of the engine when it dies by itself."""
        ...

    def stream(self, request: dict[str, Any], context: Context) -> AsyncIterator[dict[str, Any]]:
        """Answer one request in chunks of the runtime's shape."""
        ...

    def routes(self) -> Sequence[Route]:
        """The commands that it can be given (`worker.control`). Off unless asked for."""
        ...

    def companions(self) -> Sequence[Companion]:
        """What works beside the endpoint for as long as it is served. None by default."""
        ...

    def close(self) -> None:
        """End the engine and every process that it started. Safe to call twice."""
        ...


class RoleModule(Protocol):
    """The module of a role."""

    def open_role(self, settings: WorkerSettings) -> Role: ...
