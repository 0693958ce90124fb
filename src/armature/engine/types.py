"""What passes between a worker's role and its engine. Roles see these values and never an engine's own dicts."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol

if TYPE_CHECKING:
    from prometheus_client import Metric


@dataclass(frozen=True, slots=True)
class Guide:
    """A constraint on the output. Exactly one grammar: a JSON schema, a regular expression, an EBNF or a structural tag, as text."""

    kind: Literal["json_schema", "regex", "ebnf", "structural_tag"]
    text: str


@dataclass(frozen=True, slots=True)
class Sampling:
    """How tokens are chosen and when to stop. None means: the engine's default.

    max_new_tokens: at most this many tokens are generated; None: as many as the context has room for.
    n: how many independent outputs for one prompt; each chunk's `index` says which one it belongs to.
    """

    max_new_tokens: int | None = None
    min_new_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    min_p: float | None = None
    frequency_penalty: float | None = None
    presence_penalty: float | None = None
    repetition_penalty: float | None = None
    seed: int | None = None
    n: int = 1
    stop: tuple[str, ...] = ()
    stop_token_ids: tuple[int, ...] = ()
    ignore_eos: bool = False
    guide: Guide | None = None


# The host of a Bootstrap whose other leg does not exist: the engine works alone, and no KV cache goes anywhere.
NOBODY = "2.2.2.2"  # SGLang's own value


@dataclass(frozen=True, slots=True)
class Bootstrap:
    """Where a prompt's KV cache changes hands: the bootstrap server of the prefill engine, and the room in which the two
    legs of one request meet (63 bits, chosen once for each request).
    """

    host: str
    port: int
    room: int


@dataclass(frozen=True, slots=True)
class GenerateRequest:
    """One prompt, as token ids.

    logprobs: None for none; 0 for the chosen token's only; k > 0 for the k most likely tokens beside it.
    dp_rank: the data-parallel rank that must serve it; None lets the engine choose.
    priority: greater is sooner, as far as the engine's scheduling policy goes; None: the default.
    bootstrap: where the KV cache changes hands; for engines that only prefill or only decode.
    prefill_dp_rank: on a decode engine, the data-parallel rank of the prefill engine that has the request's other leg.
    sent: how many of the last of token_ids are output that the client has already, from an engine that died. They come in no chunk,
        and count as output: in usage, stop strings, penalties. `sampling` speaks of the tokens that are still to come.
    echo: the prompt comes before each output, as one chunk with its own log probabilities. Needs `logprobs`.
    """

    request_id: str
    token_ids: list[int]
    sampling: Sampling = field(default_factory=Sampling)
    logprobs: int | None = None
    dp_rank: int | None = None
    priority: int | None = None
    bootstrap: Bootstrap | None = None
    prefill_dp_rank: int | None = None
    sent: int = 0
    echo: bool = False


@dataclass(frozen=True, slots=True)
class TopLogprob:
    """One likely token at one position. logprob: natural logarithm of its probability. rank: 1 is the most likely."""

    token_id: int
    logprob: float
    rank: int


@dataclass(frozen=True, slots=True)
class Finish:
    """Why an output ended. `matched` is the stop string or stop token id that ended it, if one did.

    handoff: the KV cache did not get from prefill to decode; another pair of engines may have more luck.
    """

    reason: Literal["stop", "length", "cancelled", "error", "handoff"]
    matched: str | int | None = None
    message: str | None = None


@dataclass(frozen=True, slots=True)
class Usage:
    """Token counts of one output. cached_tokens: how many of the prompt's tokens came from the prefix cache."""

    prompt_tokens: int
    completion_tokens: int
    cached_tokens: int


@dataclass(frozen=True, slots=True)
class Chunk:
    """What one output gained since the last chunk.

    index: which of the n outputs. token_ids: the new tokens only. logprobs and top_logprobs: one entry per new
    token, or None when they were not asked for. finish and usage: on an output's last chunk only. cached_tokens: on its first
    chunk only, as in Usage.
    """

    index: int
    token_ids: list[int]
    logprobs: list[float] | None = None
    top_logprobs: list[list[TopLogprob]] | None = None
    finish: Finish | None = None
    usage: Usage | None = None
    cached_tokens: int | None = None


@dataclass(frozen=True, slots=True)
class PromptChunk(Chunk):
    """Tokens of the prompt (`GenerateRequest.echo`). Its first token, which nothing precedes, has the log probability NaN.

    text: what the tokens read, where the frontend must not find that out from their ids; None: it does.
    """

    text: str | None = None


@dataclass(frozen=True, slots=True)
class EngineInfo:
    """What an engine can hold. total_kv_blocks counts blocks of `block_size` tokens, per data-parallel rank.

    vocab_size: token ids are 0 .. vocab_size - 1. truncates: what exceeds the context is cut, not refused. prefill_chunk:
    at most this many tokens of one prompt are computed in one step; None: all of them. device: cpu | cuda.
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
    """One generating engine. It is ready when its constructor's helper has returned it."""

    @property
    def info(self) -> EngineInfo: ...

    def generate(self, request: GenerateRequest) -> AsyncIterator[Chunk]:
        """Chunks of all outputs as they come. Raises RequestRefused before the first chunk for what it cannot do."""
        ...

    def abort(self, request_id: str) -> None:
        """Stop working on a request. Its stream ends with a `cancelled` finish. Unknown ids are ignored."""
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

    def kv_event_sources(self) -> list[KvEventSource]:
        """One for each data-parallel rank on this host; none when KV events are off."""
        ...

    def watch(self, on_death: Callable[[str], None]) -> None:
        """Have `on_death` called, on the event loop, with the name of the first process of the engine that dies by itself."""
        ...

    def shutdown(self) -> None:
        """End every process that the engine started. Safe to call twice."""
        ...


class RequestRefused(ValueError):
    """The engine cannot serve this request as asked: the client's mistake (HTTP 400), with the reason for the client."""


class GuidesUnavailable(RequestRefused):
    """The engine was started without a compiler of guides: no request with one can be served."""
