"""What all roles have in common: one engine behind one endpoint, whatever it is asked."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from uuid import uuid4

from armature.engine.types import Engine
from armature.roles.kind import RoleKind
from armature.runtime.egress import Context
from armature.runtime.registration import ModelCard
from armature.worker.control import load
from armature.worker.control.profile import Profiler
from armature.worker.control.route import Route
from armature.worker.kv_events import KvEvents
from armature.worker.metrics import Metrics
from armature.worker.roles.base import Companion, WorkerSettings

CANARY_TIMEOUT_S = 120.0  # the first answer of a cold engine may compile kernels


def request_id_of(context: Context) -> str:
    """An id for the engine. Not the context's alone: a request that migrates may come again while its first attempt still ends here."""
    return f"{context.id() or 'request'}/{uuid4().hex[:8]}"


class EngineRole:
    """The life of a role, apart from how it answers. ROLE: what its class of workers is."""

    ROLE: RoleKind

    def __init__(self, engine: Engine, settings: WorkerSettings) -> None:
        self.engine = engine
        self.settings = settings
        self._profiler = Profiler(engine, settings.commands_write)

    @property
    def card(self) -> ModelCard:
        """What the frontend is told of the model."""
        s, info = self.settings, self.engine.info
        return ModelCard(
            name=s.model_name,
            path=s.model_path,
            apis=self.ROLE.apis,
            worker=self.ROLE.worker_type,
            needs=self.ROLE.partners,
            context_length=info.context_length,
            block_size=info.block_size,
            total_kv_blocks=info.total_kv_blocks,
            max_running_requests=info.max_running_requests,
            max_prefill_tokens=info.max_prefill_tokens,
            dp_size=info.dp_size,
            tool_call_parser=s.tool_call_parser,
            reasoning_parser=s.reasoning_parser,
        )

    async def canary(self) -> None:
        """Raises RuntimeError when the scheduler does not answer. Roles add a small piece of their own work."""
        if not await self.engine.healthy():
            raise RuntimeError("its scheduler does not answer")

    async def signs(self) -> dict[int, float] | None:
        """When each rank made its last report. None while the profiler holds the ranks up."""
        return None if self._profiler.busy else {load.rank: load.reported_at for load in await self.engine.loads()}

    def watch(self, on_death: Callable[[str], None]) -> None:
        """See `roles.base.Role.watch`."""
        self.engine.watch(on_death)

    def routes(self) -> tuple[Route, ...]:
        """The engine's load, and its profiler."""
        return (load.route(self.engine), *self._profiler.routes())

    def companions(self) -> Sequence[Companion]:
        """See `roles.base.Role.companions`."""
        return (self.metrics().run,)

    def metrics(self, kv_events: KvEvents | None = None) -> Metrics:
        """What it tells of itself, and of its KV events where it has any."""
        namespace, component, _ = self.settings.endpoint.split(".")
        labels = {"model": self.settings.model_name, "dynamo_namespace": namespace, "dynamo_component": component, "role": self.ROLE.name}
        return Metrics(self.engine, self.settings.publish_load, labels, kv_events)

    def close(self) -> None:
        """End the engine."""
        self.engine.shutdown()
