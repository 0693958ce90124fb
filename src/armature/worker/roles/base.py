"""What a role is. A role joins one engine to the runtime; the life cycle (`worker.lifecycle`) runs any of them.

A role is a module of this package, found by its name. It has

    SUMMARY: str                                        one line for --help
    def open_role(settings: WorkerSettings) -> Role     starts the engine and returns when it answers

so adding a role is adding a file.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from armature.runtime.egress import Context
from armature.runtime.registration import ModelCard
from armature.worker.kv_events import DurableEvents

if TYPE_CHECKING:
    from dynamo.runtime import Endpoint

# Takes a JSON object and returns one.
ControlRoute = Callable[[dict[str, Any]], Awaitable[dict[str, Any]]]


@dataclass(frozen=True, slots=True)
class WorkerSettings:
    """What every role is told.

    model_path: the model's folder. model_name: what clients ask for. engine_args: native SGLang flags, as words.
    endpoint: namespace.component.endpoint under which the worker is found. publish_load: routers are told how full its ranks are.
    durable_events: where KV events are kept; None: they go to the router at once.
    """

    model_path: Path
    model_name: str
    engine_args: tuple[str, ...] = ()
    endpoint: str = "dynamo.backend.generate"
    publish_load: bool = False
    tool_call_parser: str | None = None
    reasoning_parser: str | None = None
    durable_events: DurableEvents | None = None


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

    async def check(self, timeout_s: float) -> None:
        """Look whether every part of the engine still works, as cheaply as that can be known; raises RuntimeError when one does not."""
        ...

    def watch(self, on_death: Callable[[str], None]) -> None:
        """Have `on_death` called with the name of a process of the engine when it dies by itself."""
        ...

    def stream(self, request: dict[str, Any], context: Context) -> AsyncIterator[dict[str, Any]]:
        """Answer one request in chunks of the runtime's shape."""
        ...

    def routes(self) -> Mapping[str, ControlRoute]:
        """What the worker's system server offers beside /health: name -> function, at POST /engine/NAME. None by default."""
        ...

    def companions(self) -> Sequence[Companion]:
        """What works beside the endpoint for as long as it is served. None by default."""
        ...

    def close(self) -> None:
        """End the engine and every process that it started. Safe to call twice."""
        ...


class RoleModule(Protocol):
    """The module of a role."""

    SUMMARY: str

    def open_role(self, settings: WorkerSettings) -> Role: ...
