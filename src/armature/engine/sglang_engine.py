"""SGLang in this process: its scheduler runs beside it, its tokenizer manager on the caller's event loop.

The way of a token: scheduler process -> one ZMQ socket -> tokenizer manager -> `Chunk`. SGLang's detokenizer process is
left out, because nobody here wants text: the frontend detokenizes. The scheduler keeps its tokenizer, which stop strings
and grammars need (docs/decisions/0003-token-path.md).
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import os
import time
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import aclosing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil

from armature import env
from armature.engine import arguments, cpu, handoff, local, processes, series, starting
from armature.engine.chunks import chunk as to_chunk
from armature.engine.chunks import prompt_chunk
from armature.engine.guides.choices import with_grammar
from armature.engine.guides.trials import Trials
from armature.engine.kv_events.config import sources as kv_event_sources
from armature.engine.sampling import sampling_params
from armature.engine.types import EngineInfo, KvEventSource, RankLoad, RequestRefused
from armature.limits import DEFAULT_LIMITS, RequestLimits
from armature.messages.tokens import Chunk, GenerateRequest, Guide

if TYPE_CHECKING:
    from prometheus_client import Metric

HEALTH_TIMEOUT_S = 10.0

logger = logging.getLogger(__name__)


def start(model_path: str | Path, words: Sequence[str] = (), limits: RequestLimits = DEFAULT_LIMITS, **given: Any) -> SGLangEngine:
    """Start an engine from native flags and return it when its scheduler has loaded the model.

    limits: of the guides that requests may have. given: SGLang's fields that the caller decides, such as disaggregation_mode.

    Call it inside the event loop that will use it: SGLang's sockets belong to the loop that they were made in. On the CPU, call it
    before this process computes with several OpenMP threads: a fork of it would wait for them forever (`engine.forking`).
    Raises UserError for wrong flags, RuntimeError when the engine does not come up (its own log says why).
    """
    began = time.monotonic()
    folder = series.fresh_folder()
    try:
        return _start(model_path, words, limits, given, folder, began)
    except BaseException:
        series.remove(folder)
        raise


def _start(
    model_path: str | Path, words: Sequence[str], limits: RequestLimits, given: dict[str, Any], folder: Path, began: float
) -> SGLangEngine:
    server_args = arguments.parse(words, model_path=str(model_path), **given)
    handoff.check(server_args)
    kv_event_sources(server_args)  # refuses a wrong configuration before anything starts
    if cpu.is_active() and (ranks := max(server_args.tp_size, server_args.dp_size) * server_args.pp_size) > 1:
        cpu.bind_ranks(ranks)
    trials = Trials(limits)
    os.environ |= {env.GUIDE_CACHE_MB: str(limits.guide_cache_mb), env.GUIDE_STEP_MS: str(limits.guide_step_ms)}
    local.on_loopback(server_args, os.environ)
    with starting.meeting_in(folder, server_args):
        engine = starting.token_engine(trials.start)(server_args=server_args)
    return SGLangEngine(engine, trials, folder, load_seconds=time.monotonic() - began)


class SGLangEngine:
    """An engine that generates. See `engine.types.Engine`."""

    def __init__(self, engine: Any, trials: Trials, series_folder: Path, load_seconds: float) -> None:
        self._engine = engine
        self._trials = trials
        self._series_folder = series_folder
        self._manager = engine.tokenizer_manager
        self._outputs: dict[str, int] = {}  # requests with n > 1 -> n: each output has a request of its own in SGLang
        self._resolved: dict[str, Any] = engine.server_args.resolved_dict()
        self._max_running: int | None = self._resolved.get("max_running_requests")
        self._load_seconds = load_seconds
        self._ended = False
        self._loop = asyncio.get_running_loop()
        self._watched: set[int] = set()  # pidfds

    @property
    def info(self) -> EngineInfo:
        """Figures of the engine as it runs. max_running_requests is known for certain once `healthy` has answered."""
        from sglang.srt.entrypoints.engine import get_parallel

        scheduler = self._engine._scheduler_init_result.scheduler_infos[0]
        tokens, block = scheduler["max_total_num_tokens"], self._resolved["page_size"] or 1
        return EngineInfo(
            context_length=self._manager.model_config.context_len,
            block_size=block,
            total_kv_blocks=tokens // block,
            max_running_requests=self._max_running or tokens,
            max_prefill_tokens=self._resolved["max_prefill_tokens"],
            dp_size=get_parallel().dp_size,
            load_seconds=self._load_seconds,
            vocab_size=self._manager.model_config.vocab_size,
            truncates=bool(self._resolved["allow_auto_truncate"]),
            prefill_chunk=chunk if (chunk := self._resolved["chunked_prefill_size"]) and chunk > 0 else None,
            device=self._resolved["device"],
        )

    @property
    def bootstrap(self) -> tuple[str, int]:
        """Host and port of a prefill engine's bootstrap server."""
        return self._resolved["host"], self._resolved["disaggregation_bootstrap_port"]

    def generate(self, request: GenerateRequest) -> AsyncIterator[Chunk]:
        """Chunks of all outputs as they come. See `engine.types.Engine.generate`."""
        request = with_grammar(request)
        chunks = self._one(request, request.request_id, 0) if request.sampling.n == 1 else self._many(request)
        return chunks if request.sampling.guide is None else self._guided(request.sampling.guide, chunks)

    async def _guided(self, guide: Guide, chunks: AsyncIterator[Chunk]) -> AsyncIterator[Chunk]:
        async with self._trials.admitted(guide), aclosing(chunks):  # type: ignore[type-var]
            async for chunk in chunks:
                yield chunk

    def abort(self, request_id: str) -> None:
        """See `engine.types.Engine.abort`."""
        for output in range(self._outputs.get(request_id, 0)):
            self._manager.abort_request(rid=_output_id(request_id, output))
        if request_id not in self._outputs:
            self._manager.abort_request(rid=request_id)

    @contextlib.asynccontextmanager
    async def held(self) -> AsyncIterator[None]:
        """See `engine.types.Engine.held`. The manager's own pause would hold the requests back here, not in the schedulers."""
        from sglang.srt.managers.io_struct import ContinueGenerationReqInput, PauseGenerationReqInput

        await self._manager._async_dispatch_to_scheduler(PauseGenerationReqInput(mode="in_place"))
        try:
            yield
            await self.healthy()  # its answer comes after every request that was sent before has arrived
        finally:
            await self._manager._async_dispatch_to_scheduler(ContinueGenerationReqInput())

    async def settle(self) -> None:
        """See `engine.types.Engine.settle`. Schedulers do it before the next request that they are sent."""
        gc.collect()
        await self._manager.freeze_gc()

    async def healthy(self) -> bool:
        """Whether every scheduler answers within HEALTH_TIMEOUT_S."""
        try:
            async with asyncio.timeout(HEALTH_TIMEOUT_S):
                states = await self._manager.get_internal_state()
        except TimeoutError:
            return False
        running = states[0].get("effective_max_running_requests_per_dp") if states else None
        self._max_running = running or self._max_running
        return bool(states)

    async def loads(self) -> list[RankLoad]:
        """See `engine.types.Engine.loads`."""
        return [
            RankLoad(
                rank=load.dp_rank,
                running=load.num_running_reqs,
                # A prefill engine's requests whose cache is on its way are in no waiting queue of SGLang's count.
                waiting=load.num_waiting_reqs + (load.disaggregation.prefill_inflight_queue_reqs if load.disaggregation else 0),
                used_tokens=load.num_used_tokens,
                total_tokens=load.max_total_num_tokens,
                reported_at=load.timestamp,
            )
            for load in await self._manager.get_loads()
        ]

    async def start_profile(self, folder: Path, gpus: bool) -> None:
        """See `engine.types.Engine.start_profile`."""
        from sglang.srt.managers.io_struct import ProfileReq

        # Without stacks and shapes: they make a trace several times as large, and the engine slower while it is taken.
        activities = ["CPU", "GPU"] if gpus else ["CPU"]
        await self._manager.start_profile(ProfileReq(output_dir=str(folder), activities=activities, with_stack=False, record_shapes=False))

    async def stop_profile(self) -> None:
        """See `engine.types.Engine.stop_profile`."""
        await self._manager.stop_profile()

    def series(self) -> Iterable[Metric]:
        """See `engine.types.Engine.series`."""
        return series.gather(self._series_folder) if self._resolved["enable_metrics"] else ()

    def kv_event_sources(self) -> list[KvEventSource]:
        """See `engine.types.Engine.kv_event_sources`."""
        return kv_event_sources(self._engine.server_args)

    def watch(self, on_death: Callable[[str], None]) -> None:
        """See `engine.types.Engine.watch`. SGLang itself does not notice the death of a data-parallel rank."""
        loop = asyncio.get_running_loop()

        def died(fd: int, name: str) -> None:
            self._unwatch(loop, fd)
            if not self._ended:
                on_death(name)

        for process in processes.of(self._engine):
            with contextlib.suppress(psutil.NoSuchProcess, ProcessLookupError):
                if not (title := process.name()).startswith("sglang::") and process.pid != self._trials.pid:
                    continue  # helpers, such as compilers, come and go
                name = f"{title} (pid {process.pid})"
                fd = os.pidfd_open(process.pid)
                self._watched.add(fd)
                loop.add_reader(fd, died, fd, name)

    def _unwatch(self, loop: asyncio.AbstractEventLoop, fd: int) -> None:
        if fd in self._watched:
            self._watched.discard(fd)
            loop.remove_reader(fd)
            os.close(fd)

    def shutdown(self) -> None:
        """End SGLang's processes and remove what they left behind."""
        if self._ended:
            return
        self._ended = True
        for fd in list(self._watched):
            self._unwatch(self._loop, fd)
        for task in self._manager.asyncio_tasks:
            task.cancel()
        self._trials.close()
        try:
            processes.end(self._engine)
        finally:
            self._remove_files()

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

    def _remove_files(self) -> None:
        series.remove(self._series_folder)
        processes.remove_files(self._engine)


def _output_id(request_id: str, output: int) -> str:
    return f"{request_id}-{output}"
