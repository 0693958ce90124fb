"""SGLang in this process: its scheduler runs beside it, its tokenizer manager on the caller's event loop.

Here is what all engines have in common: start, health, load, metrics, end. What they are asked is a module for each kind:
`engine.token_engine`, `engine.pooling_engine`.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import os
import time
from collections.abc import AsyncIterator, Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil

from armature.engine import arguments, cpu, handoff, local, processes, series, starting
from armature.engine.kv_events.config import sources as kv_event_sources
from armature.engine.types import EngineInfo, RankLoad

if TYPE_CHECKING:
    from prometheus_client import Metric

HEALTH_TIMEOUT_S = 10.0

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Launched:
    """SGLang's Engine once its schedulers have loaded the model. series_folder: of its Prometheus series."""

    engine: Any
    series_folder: Path
    load_seconds: float


def launch(
    model_path: str | Path, words: Sequence[str], given: Mapping[str, Any], start_beside: Callable[[Any], int] | None = None
) -> Launched:
    """Start SGLang from native flags.

    given: SGLang's fields that the caller decides, such as disaggregation_mode. start_beside: see `starting.engine_class`.

    Call it inside the event loop that will use it: SGLang's sockets belong to the loop that they were made in. On the CPU, call it
    before this process computes with several OpenMP threads: a fork of it would wait for them forever (`engine.forking`).
    Raises UserError for wrong flags, RuntimeError when the engine does not come up (its own log says why).
    """
    began = time.monotonic()
    folder = series.fresh_folder()
    try:
        server_args = arguments.parse(words, model_path=str(model_path), **given)
        handoff.check(server_args)
        kv_event_sources(server_args)  # refuses a wrong configuration before anything starts
        if cpu.is_active() and (ranks := max(server_args.tp_size, server_args.dp_size) * server_args.pp_size) > 1:
            cpu.bind_ranks(ranks)
        local.on_loopback(server_args, os.environ)
        with starting.meeting_in(folder, server_args):
            engine = starting.engine_class(start_beside)(server_args=server_args)
    except BaseException:
        series.remove(folder)
        raise
    return Launched(engine, folder, time.monotonic() - began)


class SGLangEngine:
    """The life of an engine, whatever it is asked. See `engine.types.Engine`."""

    def __init__(self, launched: Launched) -> None:
        self._engine = launched.engine
        self._series_folder = launched.series_folder
        self._load_seconds = launched.load_seconds
        self._manager = self._engine.tokenizer_manager
        self._resolved: dict[str, Any] = self._engine.server_args.resolved_dict()
        self._max_running: int | None = self._resolved.get("max_running_requests")
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
            width=self._manager.model_config.hidden_size,
        )

    def abort(self, request_id: str) -> None:
        """See `engine.types.Engine.abort`."""
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

    def watch(self, on_death: Callable[[str], None]) -> None:
        """See `engine.types.Engine.watch`. SGLang itself does not notice the death of a data-parallel rank."""
        loop = asyncio.get_running_loop()

        def died(fd: int, name: str) -> None:
            self._unwatch(loop, fd)
            if not self._ended:
                on_death(name)

        for process in processes.of(self._engine):
            with contextlib.suppress(psutil.NoSuchProcess, ProcessLookupError):
                if not (title := process.name()).startswith("sglang::") and process.pid not in self._beside():
                    continue  # helpers, such as compilers, come and go
                name = f"{title} (pid {process.pid})"
                fd = os.pidfd_open(process.pid)
                self._watched.add(fd)
                loop.add_reader(fd, died, fd, name)

    def _beside(self) -> Collection[int]:
        """The engine's own processes beside SGLang's."""
        return ()

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
        try:
            processes.end(self._engine)
        finally:
            series.remove(self._series_folder)
            processes.remove_files(self._engine)
