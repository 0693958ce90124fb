"""What the roles that generate have in common: one engine behind one endpoint, tokens in, tokens out.

A request flows through `stream`: read and checked (400 for what cannot be had), given to the engine with its sampling
options, stop strings and grammar, and its chunks go out as they come. A client that goes away aborts it in the engine.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any
from uuid import uuid4

from armature.engine.types import RequestRefused, TokenEngine
from armature.messages.tokens import GenerateRequest, Sampling
from armature.roles.kind import RoleKind
from armature.runtime.egress import Context, on_cancel
from armature.runtime.errors import elsewhere, refusal
from armature.runtime.registration import ModelCard
from armature.runtime.wire import Unsupported, read_note
from armature.worker import warmup
from armature.worker.control import below
from armature.worker.echo import in_one_piece
from armature.worker.kv_events import KvEvents
from armature.worker.limits import Bounds
from armature.worker.metrics import Metrics
from armature.worker.reading import read
from armature.worker.roles.base import Companion, ControlRoute, WorkerSettings
from armature.worker.writer import ChunkWriter, EngineFailed, HandoffFailed, Writer

LOAD_ROUTE = "load"
KV_CHECK_ROUTE = "kv/check"
PROFILE_START_ROUTE, PROFILE_STOP_ROUTE = "profile/start", "profile/stop"
CANARY_TIMEOUT_S = 120.0  # the first token of a cold engine may compile kernels

logger = logging.getLogger(__name__)


class Generating:
    """One generating engine behind one endpoint. ROLE: what its class of workers is."""

    ROLE: RoleKind
    MAKES_FIRST_TOKEN = True  # otherwise another engine does
    MAKES_THE_REST = True  # otherwise another engine does

    def __init__(self, engine: TokenEngine, settings: WorkerSettings) -> None:
        self.engine = engine
        self._settings = settings
        self._bounds = Bounds(engine.info, settings.limits, first_token_only=not self.MAKES_THE_REST)
        sources = engine.kv_event_sources()
        self._profiling = 0  # orders to the profiler that are being carried out
        self._kv_events = KvEvents(sources, engine.info.block_size, settings.durable_events) if sources else None

    @property
    def card(self) -> ModelCard:
        """What the frontend is told of the model."""
        s, info = self._settings, self.engine.info
        return ModelCard(
            name=s.model_name,
            path=s.model_path,
            apis=self.ROLE.apis,
            worker=self.ROLE.name,
            needs=self.ROLE.partners,
            context_length=info.context_length,
            block_size=info.block_size,
            total_kv_blocks=info.total_kv_blocks,
            max_running_requests=info.max_running_requests,
            max_prefill_tokens=info.max_prefill_tokens,
            dp_size=info.dp_size,
            kv_events=self._kv_events is not None,
            tool_call_parser=s.tool_call_parser,
            reasoning_parser=s.reasoning_parser,
        )

    async def canary(self) -> None:
        """One token on every data-parallel rank. Raises RuntimeError when one does not come."""
        if not await self.engine.healthy():
            raise RuntimeError("its scheduler does not answer")
        await asyncio.gather(*(self._rank_canary(rank, CANARY_TIMEOUT_S) for rank in range(self.engine.info.dp_size)))

    async def warm_up(self) -> None:
        """Use once whatever a request can ask for, so that nothing is made later. Raises RuntimeError when the engine fails."""
        engine = self.engine

        async def ask(request: GenerateRequest) -> list[int]:
            return await self.one_token(self.alone(request), CANARY_TIMEOUT_S)

        await warmup.run(engine.info, self.MAKES_FIRST_TOKEN, ask, engine.held)
        await self.engine.settle()

    async def signs(self) -> dict[int, float] | None:
        """When each rank made its last report. None while the profiler is started or writes its traces: the ranks do nothing else then."""
        return None if self._profiling else {load.rank: load.reported_at for load in await self.engine.loads()}

    async def _rank_canary(self, rank: int, timeout_s: float) -> None:
        sampling = Sampling(max_tokens=1, temperature=0.0, ignore_eos=True)
        named = rank if self.engine.info.dp_size > 1 else None
        await self.one_token(self.alone(GenerateRequest(f"canary-{uuid4().hex}", [1], sampling, dp_rank=named)), timeout_s)

    def watch(self, on_death: Callable[[str], None]) -> None:
        """See `roles.base.Role.watch`."""
        self.engine.watch(on_death)

    def alone(self, request: GenerateRequest) -> GenerateRequest:
        """`request` as this engine can answer it without any other engine."""
        return request

    def read(self, request: Mapping[str, Any], request_id: str) -> GenerateRequest:
        """The engine's request for the runtime's. Raises what `worker.reading` does, and Unsupported for what this role does not do."""
        return read(request, request_id, self._bounds)

    def writer(self, wanted: GenerateRequest, request: Mapping[str, Any]) -> Writer:
        """What answers `request`, which was read as `wanted`."""
        return ChunkWriter(wanted, read_note(request))

    def _read(self, request: Mapping[str, Any], request_id: str) -> GenerateRequest:
        """`read`, with the runtime's error. The runtime keeps the last error: its frames and causes must not hold the whole prompt."""
        try:
            return self.read(request, request_id)
        except Unsupported as e:
            reason = str(e)
        raise refusal(reason)

    async def stream(self, request: dict[str, Any], context: Context) -> AsyncIterator[dict[str, Any]]:
        """Answer one request."""
        # Not the context's id alone: a request that migrates may come again while its first attempt still ends here.
        engine, request_id = self.engine, f"{context.id() or 'request'}/{uuid4().hex[:8]}"
        wanted = self._read(request, request_id)
        write = self.writer(wanted, request).write
        whole = False
        with on_cancel(context, lambda: engine.abort(request_id)):
            try:
                chunks = engine.generate(wanted)
                async for chunk in in_one_piece(chunks, wanted.sampling.stop_token_ids) if wanted.echo else chunks:
                    if chunk.finish is not None and context.is_stopped():
                        break  # nobody reads it any more
                    if (written := write(chunk)) is not None:
                        yield written
                whole = True
            except RequestRefused as e:
                raise refusal(str(e)) from None
            except EngineFailed as e:
                logger.error("request %s failed in the engine: %s", request_id, e)
                if isinstance(e, HandoffFailed):
                    raise elsewhere(str(e)) from None
                raise
            finally:
                if not whole:  # the runtime dropped this stream, or something broke: leave nothing running
                    engine.abort(request_id)

    def routes(self) -> dict[str, ControlRoute]:
        """The engine's load; its profiler; and whether the router knows its cache, where KV events are on."""
        events = {KV_CHECK_ROUTE: self._kv_events.check} if self._kv_events else {}
        return {LOAD_ROUTE: self._load, PROFILE_START_ROUTE: self._start_profile, PROFILE_STOP_ROUTE: self._stop_profile, **events}

    async def _start_profile(self, body: dict[str, Any]) -> dict[str, Any]:
        """{"folder", "gpus"} -> {}, or {"error"}. folder: where each rank's trace goes; gpus: whether to trace them, too."""
        folder = below(self._settings.commands_write, body.get("folder"))
        return await self._profile(self.engine.start_profile(folder, bool(body.get("gpus"))))

    async def _stop_profile(self, body: dict[str, Any]) -> dict[str, Any]:
        """{} -> {} when the traces are written, or {"error"}."""
        return await self._profile(self.engine.stop_profile())

    async def _profile(self, work: Awaitable[None]) -> dict[str, Any]:
        self._profiling += 1
        try:
            return await _done(work)
        finally:
            self._profiling -= 1

    async def _load(self, body: dict[str, Any]) -> dict[str, Any]:
        """{} -> {"ranks": [{"rank", "running", "waiting", "used_tokens", "total_tokens"}]}."""
        return {"ranks": [asdict(load) for load in await self.engine.loads()]}

    def companions(self) -> Sequence[Companion]:
        """See `roles.base.Role.companions`."""
        metrics = Metrics(self.engine, self._kv_events, self._settings.publish_load, self._labels)
        return (metrics.run, *((self._kv_events.run,) if self._kv_events else ()))

    @property
    def _labels(self) -> dict[str, str]:
        namespace, component, _ = self._settings.endpoint.split(".")
        card = self.card
        return {"model": card.name, "dynamo_namespace": namespace, "dynamo_component": component, "role": card.worker}

    def close(self) -> None:
        """End the engine."""
        self.engine.shutdown()

    async def one_token(self, request: GenerateRequest, timeout_s: float) -> list[int]:
        """The token ids that the engine gives for `request`. Raises RuntimeError when there are none, TimeoutError when late."""
        got: list[int] = []
        try:
            async with asyncio.timeout(timeout_s):
                async for chunk in self.engine.generate(request):
                    if chunk.finish is not None and chunk.finish.reason in ("error", "handoff"):
                        raise RuntimeError(f"the engine failed on its first token: {chunk.finish.message}")
                    got += chunk.token_ids
        except TimeoutError:
            self.engine.abort(request.request_id)
            raise
        if not got:
            raise RuntimeError("the engine generated no token")
        return got


async def _done(work: Awaitable[None]) -> dict[str, Any]:
    """{} when `work` succeeds, else why not."""
    try:
        await work
    except RuntimeError as e:
        return {"error": str(e)}
    return {}
