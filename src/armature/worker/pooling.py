"""What a role does that makes one vector of each input."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

from armature.engine.types import PoolingEngine, RequestRefused
from armature.messages.pooling import PoolingRequest
from armature.runtime import embedding_wire
from armature.runtime.egress import Context, on_cancel
from armature.runtime.errors import or_refuse, refusal
from armature.worker import warmup
from armature.worker.engine_role import CANARY_TIMEOUT_S, EngineRole, request_id_of
from armature.worker.limits import Bounds, check_embedding
from armature.worker.roles.base import WorkerSettings

logger = logging.getLogger(__name__)


class Pooling(EngineRole):
    """One pooling engine behind one endpoint."""

    engine: PoolingEngine

    def __init__(self, engine: PoolingEngine, settings: WorkerSettings) -> None:
        super().__init__(engine, settings)
        self._bounds = Bounds(engine.info, settings.limits)

    async def canary(self) -> None:
        """One vector. Raises RuntimeError when it does not come."""
        await super().canary()
        await self._embed([1])

    async def warm_up(self) -> None:
        """On a GPU, inputs of every length and batches of every kind that selects other kernels."""
        began, info, done = time.monotonic(), self.engine.info, 0
        if info.device != "cpu":
            for length in warmup.lengths(info):
                await self._embed([(length + i) % info.vocab_size for i in range(length)])
                done += 1
            for _, inputs in warmup.batches(info):
                await warmup.in_one_batch(self._embed(*map(list, inputs)), self.engine.held)
                done += 1
        logger.info("warm-up: %d kinds of requests in %.1f s", done, time.monotonic() - began)
        await self.engine.settle()

    async def _embed(self, *inputs: list[int]) -> None:
        try:
            async with asyncio.timeout(CANARY_TIMEOUT_S):
                await self.engine.embed(PoolingRequest(f"canary-{uuid4().hex}", list(inputs)))
        except RequestRefused as e:
            raise RuntimeError(f"the engine failed on its first input: {e}") from e

    async def stream(self, request: dict[str, Any], context: Context) -> AsyncIterator[dict[str, Any]]:
        """Answer one request, by a single chunk."""
        engine, request_id = self.engine, request_id_of(context)
        wanted = or_refuse(lambda: self.read(request, request_id))
        reason = ""
        with on_cancel(context, lambda: engine.abort(request_id)):
            try:
                pooled = await engine.embed(wanted)
            except RequestRefused as e:
                reason = str(e)
            except BaseException:
                engine.abort(request_id)
                raise
        if not reason:
            yield embedding_wire.answer(pooled)
        elif not context.is_stopped():  # else nobody reads it any more
            raise refusal(reason)

    def read(self, request: dict[str, Any], request_id: str) -> PoolingRequest:
        """The engine's request for the runtime's. Raises Unsupported for what no engine of ours does, and beyond its limits."""
        return check_embedding(embedding_wire.read_request(request, request_id), self._bounds)
