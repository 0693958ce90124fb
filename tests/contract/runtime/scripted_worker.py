"""A worker process with our life cycle, our role and the real runtime, around an engine that follows a script.

    python scripted_worker.py RECORD [options of `armature worker`]

RECORD is a file to which each raw request and each event of the engine is appended as a line of JSON.
The request's seed chooses what the engine does; see ScriptedEngine.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import math
import os
import signal
import struct
import sys
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

from armature.cli.worker import read
from armature.engine.types import EngineInfo, KvEventSource, RankLoad, RequestRefused
from armature.messages.tokens import Chunk, Finish, GenerateRequest, PromptChunk, TopLogprob, Usage
from armature.runtime.egress import Context
from armature.runtime.logs import configure
from armature.runtime.wire import read_token_ids
from armature.worker.main import run_role
from armature.worker.roles.aggregated import Aggregated
from armature.worker.roles.base import WorkerSettings

REFUSE, BREAK, BREAK_LATER, SILENT, DIE, HANG, APART = 1001, 1002, 1003, 1004, 1005, 1006, 1007
ECHOED = float(struct.unpack("f", struct.pack("f", -2.461235))[0])  # the log probability of a token that is echoed
PACE_S = float(os.environ.get("SCRIPT_PACE_S", "0.01"))
USED = Path(os.environ["SCRIPT_USED"]) if "SCRIPT_USED" in os.environ else None  # a file with the tokens that it reports as used
STALL = Path(os.environ["SCRIPT_STALL"]) if "SCRIPT_STALL" in os.environ else None  # while this file is there, it reports nothing
CACHED = int(os.environ.get("SCRIPT_CACHED", "3"))
CANARY_FAILS = os.environ.get("SCRIPT_CANARY_FAILS") == "1"


class ScriptedEngine:
    """Gives the tokens 70, 71, ... (the letters d, e, ... in the tests' tokenizer), one each PACE_S seconds.

    By seed: REFUSE it refuses; BREAK it raises before the first token; BREAK_LATER it gives up after two tokens;
    SILENT it gives nothing until it is aborted; DIE the process gets SIGQUIT, as SGLang sends it when a scheduler died;
    HANG from now on it gives nothing to anybody, and reports nothing; APART the KV cache did not arrive, where SCRIPT_APART is 1.
    """

    info = EngineInfo(
        context_length=4096,
        block_size=16,
        total_kv_blocks=1024,
        max_running_requests=64,
        max_prefill_tokens=4096,
        dp_size=1,
        load_seconds=0.0,
        vocab_size=32000,
    )

    def __init__(self, record: Record) -> None:
        self._record = record
        self._aborted: dict[str, asyncio.Event] = {}
        self._hangs = False
        self._reported_at = 0.0

    async def generate(self, request: GenerateRequest) -> AsyncIterator[Chunk]:
        if request.request_id.startswith("warm-up-"):
            yield Chunk(0, [70], finish=Finish("length"))
            return
        canary = request.request_id.startswith("canary-")
        if canary and CANARY_FAILS:
            raise RuntimeError("no canary today")
        s = request.sampling
        if s.seed == REFUSE:
            raise RequestRefused("the script refuses this")
        if s.seed == BREAK:
            raise RuntimeError("the script breaks")
        if s.seed == DIE:
            os.kill(os.getpid(), signal.SIGQUIT)
        self._hangs |= s.seed == HANG
        if self._hangs:
            await asyncio.Event().wait()
        if s.seed == APART and os.environ.get("SCRIPT_APART") == "1":
            yield Chunk(0, [], finish=Finish("handoff", message="the cache did not arrive"))
            return
        aborted = self._aborted.setdefault(request.request_id, asyncio.Event())
        try:
            async for chunk in self._tokens(request, aborted):
                self._record.line(event="token", id=request.request_id)
                yield chunk
        finally:
            del self._aborted[request.request_id]
            self._record.line(event="end", id=request.request_id, aborted=aborted.is_set())

    async def _tokens(self, request: GenerateRequest, aborted: asyncio.Event) -> AsyncIterator[Chunk]:
        s, total = request.sampling, request.sent + (request.sampling.max_tokens or 5)
        for index in range(s.n if request.echo else 0):
            own = [[], *([TopLogprob(token, ECHOED, 1)] for token in request.token_ids[1:])]
            logprobs = [math.nan, *(ECHOED for _ in request.token_ids[1:])]
            yield PromptChunk(index, request.token_ids, logprobs=logprobs, top_logprobs=own if request.logprobs else None)
        for i in range(request.sent, total):
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(aborted.wait(), None if s.seed == SILENT else PACE_S)
            for index in range(s.n):
                last = aborted.is_set() or i == total - 1
                finish = Finish("cancelled") if aborted.is_set() else Finish("length") if last else None
                if s.seed == BREAK_LATER and i == 2:
                    finish, last = Finish("error", message="the script breaks later"), True
                k = request.logprobs
                yield Chunk(
                    index=index,
                    token_ids=[] if aborted.is_set() else [70 + i % 20],
                    logprobs=None if k is None else [-0.25],
                    top_logprobs=[[TopLogprob(70 + r, -0.25 - r, r + 1) for r in range(k)]] if k else None,
                    finish=finish,
                    usage=Usage(len(request.token_ids) - request.sent, i + 1, CACHED) if last else None,
                    cached_tokens=CACHED if i == request.sent else None,
                )
            if last:
                return

    def abort(self, request_id: str) -> None:
        self._record.line(event="abort", id=request_id)
        if request_id in self._aborted:
            self._aborted[request_id].set()

    async def healthy(self) -> bool:
        return True

    @contextlib.asynccontextmanager
    async def held(self) -> AsyncIterator[None]:
        yield

    async def settle(self) -> None:
        pass

    def kv_event_sources(self) -> list[KvEventSource]:
        return []

    async def loads(self) -> list[RankLoad]:
        used = int(USED.read_text()) if USED and USED.exists() else 0
        if not self._hangs and not (STALL and STALL.exists()):
            self._reported_at = time.time()
        return [RankLoad(0, len(self._aborted), 0, used, 1024 * 16, reported_at=self._reported_at)]

    def series(self) -> tuple[()]:
        return ()

    def watch(self, on_death: Callable[[str], None]) -> None:
        pass

    def shutdown(self) -> None:
        self._record.line(event="shutdown")


class Record:
    """The file of what happened."""

    def __init__(self, path: str) -> None:
        self._file = open(path, "a", buffering=1, encoding="utf-8")  # noqa: SIM115  (open as long as the process)

    def line(self, **what: Any) -> None:
        self._file.write(json.dumps(what) + "\n")


class Recorded(Aggregated):
    """The real role, with its raw requests written down."""

    def __init__(self, record: Record, settings: WorkerSettings) -> None:
        super().__init__(ScriptedEngine(record), settings)
        self._record = record

    async def stream(self, request: dict[str, Any], context: Context) -> AsyncIterator[dict[str, Any]]:
        packed = isinstance(ids := request["token_ids"], bytes)
        self._record.line(event="request", id=context.id(), packed=packed, raw=request | {"token_ids": read_token_ids(ids)})
        async for chunk in super().stream(request, context):
            yield chunk


def main() -> int:
    record = Record(sys.argv[1])
    settings, options, _ = read(["scripted", *sys.argv[2:]])
    configure()
    return run_role(lambda: Recorded(record, settings), settings, options)


if __name__ == "__main__":
    sys.exit(main())
