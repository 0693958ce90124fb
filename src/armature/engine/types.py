"""What a worker's role sees of its engine, and never an engine's own dicts. What it asks and is answered: `armature.messages`."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from armature.messages.pooling import Pooled, PoolingRequest
from armature.messages.tokens import Chunk, GenerateRequest

if TYPE_CHECKING:
    from prometheus_client import Metric


@dataclass(frozen=True, slots=True)
class EngineInfo:
    """What an engine can hold. total_kv_blocks counts blocks of `block_size` tokens, per data-parallel rank.

    vocab_size: token ids are 0 .. vocab_size - 1. truncates: what exceeds the context is cut, not refused. prefill_chunk:
    at most this many tokens of one prompt are computed in one step; None: all of them. device: cpu | cuda. width: of a vector.
    """

    context_length: int
    block_size: int
    total_kv_blocks: int
    max_running_requests: int
    max_prefill_tokens: int
    dp_size: int
    load_seconds: float
    vocab_size: int
    truncates: bool = False
    prefill_chunk: int | None = None
    device: str = "cpu"
    width: int = 0


@dataclass(frozen=True, slots=True)
class RankLoad:
    """What one data-parallel rank has to do, by its scheduler's own last report.

    running: requests in the batch. waiting: requests in any queue, those between prefill and decode included.
    used_tokens: tokens whose KV cache a request holds; what is kept only because it may be asked for again is not counted.
    total_tokens: how many there is room for. reported_at: Unix time of the report; a busy scheduler makes one every few steps.
    """

    rank: int
    running: int
    waiting: int
    used_tokens: int
    total_tokens: int
    reported_at: float


# The name of our publisher in --kv-events-config, and the start of a replay by which a subscriber asks for the whole state.
KV_PUBLISHER = "armature"
KV_RESEND = b"\xff" * 7 + b"\xfe"


@dataclass(frozen=True, slots=True)
class KvEventSource:
    """Where one data-parallel rank publishes what its prefix cache stores and removes.

    events: the ZMQ address of its PUB socket: [topic, sequence number (8 bytes, big-endian), batch in msgpack].
    replay: that of its ROUTER socket: [empty, first sequence number] is answered by what it remembers from there on, then
        by the sequence number -1; KV_RESEND has the whole state published as the next batch.
    """

    rank: int
    events: str
    replay: str


class Engine(Protocol):
    """The life of one engine, whatever it is asked. It is ready when its starting function has returned it."""

    @property
    def info(self) -> EngineInfo: ...

    def abort(self, request_id: str) -> None:
        """Stop working on a request. What waits for its answer ends. Unknown ids are ignored."""
        ...

    async def healthy(self) -> bool:
        """Whether the scheduler answers now."""
        ...

    def held(self) -> AbstractAsyncContextManager[None]:
        """Inside, requests are taken and nothing is computed; what was sent is computed together afterwards. For the warm-up."""
        ...

    async def settle(self) -> None:
        """Exempt all objects that exist now from garbage collection, in each process of the engine. Call it once, after the warm-up."""
        ...

    async def loads(self) -> list[RankLoad]:
        """What each data-parallel rank has to do. A rank whose report cannot be read is left out."""
        ...

    async def start_profile(self, folder: Path, gpus: bool) -> None:
        """Begin to trace every rank with torch's profiler; the traces will go into `folder`. gpus: also what GPUs do.

        Raises RuntimeError when it cannot.
        """
        ...

    async def stop_profile(self) -> None:
        """Return when the traces are written. Raises RuntimeError when there are none to write."""
        ...

    def series(self) -> Iterable[Metric]:
        """The engine's own Prometheus series as they are now; none unless its flags ask for them. Safe to call in any thread."""
        ...

    def watch(self, on_death: Callable[[str], None]) -> None:
        """Have `on_death` called, on the event loop, with the name of the first process of the engine that dies by itself."""
        ...

    def shutdown(self) -> None:
        """End every process that the engine started. Safe to call twice."""
        ...


class TokenEngine(Engine, Protocol):
    """An engine that generates tokens."""

    def generate(self, request: GenerateRequest) -> AsyncIterator[Chunk]:
        """Chunks of all outputs as they come; of an aborted request, the last has the finish `cancelled`.

        Raises RequestRefused before the first chunk for what it cannot do.
        """
        ...

    def kv_event_sources(self) -> list[KvEventSource]:
        """One for each data-parallel rank on this host; none when KV events are off."""
        ...


class PoolingEngine(Engine, Protocol):
    """An engine that makes one vector of each input."""

    async def embed(self, request: PoolingRequest) -> Pooled:
        """The vectors. Raises RequestRefused for what it cannot do, and for a request that was aborted."""
        ...


class RequestRefused(ValueError):
    """The engine cannot serve this request as asked: the client's mistake (HTTP 400), with the reason for the client."""


class GuidesUnavailable(RequestRefused):
    """The engine was started without a compiler of guides: no request with one can be served."""
