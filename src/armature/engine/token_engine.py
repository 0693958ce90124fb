"""SGLang as an engine that generates tokens.

The way of a token: scheduler process -> one ZMQ socket -> tokenizer manager -> `Chunk`. SGLang's detokenizer process is
left out, because nobody here wants text: the frontend detokenizes. The scheduler keeps its tokenizer, which stop strings
and grammars need (docs/decisions/0003-token-path.md).
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import aclosing
from pathlib import Path
from typing import Any

from armature import env
from armature.engine.chunks import chunk as to_chunk
from armature.engine.chunks import prompt_chunk
from armature.engine.guides.choices import with_grammar
from armature.engine.guides.trials import Trials
from armature.engine.kv_events.config import sources as kv_event_sources
from armature.engine.sampling import sampling_params
from armature.engine.sglang_engine import Launched, SGLangEngine, launch
from armature.engine.types import KvEventSource, RequestRefused
from armature.limits import DEFAULT_LIMITS, RequestLimits
from armature.messages.tokens import Chunk, GenerateRequest, Guide


def start(model_path: str | Path, words: Sequence[str] = (), limits: RequestLimits = DEFAULT_LIMITS, **given: Any) -> SGLangTokenEngine:
    """Start an engine from native flags and return it when its scheduler has loaded the model.

    limits: of the guides that requests may have. given, and what it raises: see `sglang_engine.launch`.
    """
    trials = Trials(limits)
    os.environ |= {env.GUIDE_CACHE_MB: str(limits.guide_cache_mb), env.GUIDE_STEP_MS: str(limits.guide_step_ms)}
    return SGLangTokenEngine(launch(model_path, words, given, trials.start), trials)


class SGLangTokenEngine(SGLangEngine):
    """See `engine.types.TokenEngine`."""

    def __init__(self, launched: Launched, trials: Trials) -> None:
        super().__init__(launched)
        self._trials = trials
        self._outputs: dict[str, int] = {}  # requests with n > 1 -> n

    @property
    def bootstrap(self) -> tuple[str, int]:
        """Host and port of a prefill engine's bootstrap server."""
        return self._resolved["host"], self._resolved["disaggregation_bootstrap_port"]

    def generate(self, request: GenerateRequest) -> AsyncIterator[Chunk]:
        """Chunks of all outputs as they come. See `engine.types.TokenEngine.generate`."""
        request = with_grammar(request)
        chunks = self._one(request, request.request_id, 0) if request.sampling.n == 1 else self._many(request)
        return chunks if request.sampling.guide is None else self._guided(request.sampling.guide, chunks)

    async def _guided(self, guide: Guide, chunks: AsyncIterator[Chunk]) -> AsyncIterator[Chunk]:
        async with self._trials.admitted(guide), aclosing(chunks):  # type: ignore[type-var]
            async for chunk in chunks:
                yield chunk

    def abort(self, request_id: str) -> None:
        """See `engine.types.Engine.abort`. Each of several outputs is a request of its own in SGLang."""
        for output in range(self._outputs.get(request_id, 0)):
            self._manager.abort_request(rid=_output_id(request_id, output))
        if request_id not in self._outputs:
            super().abort(request_id)

    def kv_event_sources(self) -> list[KvEventSource]:
        """See `engine.types.TokenEngine.kv_event_sources`."""
        return kv_event_sources(self._engine.server_args)

    def shutdown(self) -> None:
        """End the trials of guides, then the engine."""
        self._trials.close()
        super().shutdown()

    def _beside(self) -> Collection[int]:
        return (self._trials.pid,)

    async def _one(self, request: GenerateRequest, request_id: str, output: int) -> AsyncIterator[Chunk]:
        from sglang.srt.managers.io_struct import GenerateReqInput

        logprobs = request.logprobs
        native = GenerateReqInput(
            input_ids=request.token_ids,
            sampling_params=sampling_params(request.sampling, output, request.sent),
            return_logprob=logprobs is not None,
            top_logprobs_num=logprobs or 0,
            stream=True,
            rid=request_id,
            routed_dp_rank=request.dp_rank,
            priority=request.priority,
        )
        if request.echo:
            native.logprob_start_len = 0
        if handoff := request.bootstrap:
            native.bootstrap_host, native.bootstrap_port, native.bootstrap_room = handoff.host, handoff.port, handoff.room
            native.disagg_prefill_dp_rank = request.prefill_dp_rank
        # Closing SGLang's generator, on whatever way out, aborts what its scheduler still works on.
        async with aclosing(self._manager.generate_request(native, None)) as outs:
            try:
                if (start := await anext(outs, None)) is not None:
                    first = to_chunk(start, output, logprobs, first=True)
                    if request.echo and first.token_ids:  # a request that is aborted before its first token has no prompt to show, either
                        yield prompt_chunk(start, output, logprobs or 0)
                    yield first
                async for out in outs:
                    yield to_chunk(out, output, logprobs)
            except ValueError as e:  # SGLang's word for a request that cannot be served
                raise e if isinstance(e, RequestRefused) else RequestRefused(str(e)) from None

    async def _many(self, request: GenerateRequest) -> AsyncIterator[Chunk]:
        """n outputs: one task for each, not one for each chunk as SGLang's own merging does."""
        n = request.sampling.n
        merged: asyncio.Queue[Chunk | BaseException | None] = asyncio.Queue()

        async def pump(output: int) -> None:
            try:
                async with aclosing(self._one(request, _output_id(request.request_id, output), output)) as chunks:  # type: ignore[type-var]
                    async for chunk in chunks:
                        merged.put_nowait(chunk)
            except Exception as e:
                merged.put_nowait(e)
            else:
                merged.put_nowait(None)

        self._outputs[request.request_id] = n
        tasks = [asyncio.create_task(pump(output)) for output in range(n)]
        try:
            while n:
                item = await merged.get()
                if isinstance(item, BaseException):
                    raise item
                if item is None:
                    n -= 1
                else:
                    yield item
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            del self._outputs[request.request_id]


def _output_id(request_id: str, output: int) -> str:
    return f"{request_id}-{output}"
