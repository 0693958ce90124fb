"""What the roles that generate have in common: one engine behind one endpoint, tokens in, tokens out.

A request flows through `stream`: read and checked (400 for what cannot be had), given to the engine with its sampling
options, stop strings and grammar, and its chunks go out as they come. A client that goes away aborts it in the engine.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import replace
from typing import Any
from uuid import uuid4

from armature.engine.types import RequestRefused, TokenEngine
from armature.messages.tokens import GenerateRequest, Sampling
from armature.runtime.egress import Context, on_cancel
from armature.runtime.errors import elsewhere, or_refuse, refusal
from armature.runtime.registration import ModelCard
from armature.runtime.wire import read_note
from armature.worker import warmup
from armature.worker.control import kv_check
from armature.worker.control.route import Route
from armature.worker.echo import in_one_piece
from armature.worker.engine_role import CANARY_TIMEOUT_S, EngineRole, request_id_of
from armature.worker.kv_events import KvEvents
from armature.worker.limits import Bounds
from armature.worker.reading import read
from armature.worker.roles.base import Companion, WorkerSettings
from armature.worker.writer import ChunkWriter, EngineFailed, HandoffFailed, Writer

logger = logging.getLogger(__name__)


class Generating(EngineRole):
    """One generating engine behind one endpoint."""

    MAKES_FIRST_TOKEN = True  # otherwise another engine does
    MAKES_THE_REST = True  # otherwise another engine does
    engine: TokenEngine

    def __init__(self, engine: TokenEngine, settings: WorkerSettings) -> None:
        super().__init__(engine, settings)
        self._bounds = Bounds(engine.info, settings.limits, first_token_only=not self.MAKES_THE_REST)
        sources = engine.kv_event_sources()
        self._kv_events = KvEvents(sources, engine.info.block_size, settings.durable_events) if sources else None

    @property
    def card(self) -> ModelCard:
        """Also whether routers hear of its prefix cache."""
        return replace(super().card, kv_events=self._kv_events is not None)

    async def canary(self) -> None:
        """One token on every data-parallel rank. Raises RuntimeError when one does not come."""
        await super().canary()
        await asyncio.gather(*(self._rank_canary(rank, CANARY_TIMEOUT_S) for rank in range(self.engine.info.dp_size)))

    async def warm_up(self) -> None:
        """Use once whatever a request can ask for, so that nothing is made later. Raises RuntimeError when the engine fails."""
        engine = self.engine

        async def ask(request: GenerateRequest) -> list[int]:
            return await self.one_token(self.alone(request), CANARY_TIMEOUT_S)

        await warmup.run(engine.info, self.MAKES_FIRST_TOKEN, ask, engine.held)
        await self.engine.settle()

    async def _rank_canary(self, rank: int, timeout_s: float) -> None:
        sampling = Sampling(max_tokens=1, temperature=0.0, ignore_eos=True)
        named = rank if self.engine.info.dp_size > 1 else None
        await self.one_token(self.alone(GenerateRequest(f"canary-{uuid4().hex}", [1], sampling, dp_rank=named)), timeout_s)

    def alone(self, request: GenerateRequest) -> GenerateRequest:
        """`request` as this engine can answer it without any other engine."""
        return request

    def read(self, request: Mapping[str, Any], request_id: str) -> GenerateRequest:
        """The engine's request for the runtime's. Raises what `worker.reading` does, and Unsupported for what this role does not do."""
        return read(request, request_id, self._bounds)

    def writer(self, wanted: GenerateRequest, request: Mapping[str, Any]) -> Writer:
        """What answers `request`, which was read as `wanted`."""
        return ChunkWriter(wanted, read_note(request))

    async def stream(self, request: dict[str, Any], context: Context) -> AsyncIterator[dict[str, Any]]:
        """Answer one request."""
        engine, request_id = self.engine, request_id_of(context)
        wanted = or_refuse(lambda: self.read(request, request_id))
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

    def routes(self) -> tuple[Route, ...]:
        """Also whether the router knows its cache, where KV events are on."""
        return (*super().routes(), *((kv_check.route(self._kv_events),) if self._kv_events else ()))

    def companions(self) -> Sequence[Companion]:
        """Also the way of its KV events."""
        return (self.metrics(self._kv_events).run, *((self._kv_events.run,) if self._kv_events else ()))

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
