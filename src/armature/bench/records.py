"""What a load generator writes into the folder load/ of a run: version 1 of the contract between it and everything here.

requests.PROCESS.jsonl  one `Request` a line; a killed generator may have cut the last line off
client.PROCESS.json     one `Client`: how well that generator process kept up
load.json               one `Load`: what was asked for, and when it was measured
samples.jsonl           optionally, one `Sample` a line: what the servers and GPUs said meanwhile

Times are seconds since 1970, durations are milliseconds unless a name says otherwise. Fields that are not listed here are ignored.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import msgspec

VERSION = 1

User = Literal["chat", "completions", "embeddings", "images", "multimodal"]
Phase = Literal["warmup", "measure"]
ErrorKind = Literal["http", "timeout", "connection", "stream", "server", "client"]
EndReason = Literal["count", "time", "known", "stopped", "error"]


class RequestError(msgspec.Struct, frozen=True):
    """Why a request failed."""

    kind: ErrorKind
    text: str


class Request(msgspec.Struct, frozen=True, kw_only=True, rename={"cls": "class"}):
    """One request, as its client saw it.

    user: the API. cls: the class of the workload it belongs to ("class" in the file).
    scheduled: when it was due, in an open loop or a trace; None in a closed loop. started, ended: when it was sent, and over.
    ttft_ms: until the first token, since `scheduled` if that is set, else since `started`. e2e_ms: until the end, since the same.
    gaps_ms: between neighbouring chunks that hold tokens. chunk_tokens: tokens of each of these chunks, where the server says so.
    chunks: how many chunks held tokens. asked_*: the lengths that the workload wanted; *_tokens: those that the server counted.
    """

    v: int
    id: str
    process: int
    user: User
    cls: str
    phase: Phase
    scheduled: float | None = None
    started: float
    ended: float
    ok: bool
    status: int | None = None
    error: RequestError | None = None
    ttft_ms: float | None = None
    e2e_ms: float
    connect_ms: float | None = None
    gaps_ms: list[float] = []
    chunk_tokens: list[int] | None = None
    chunks: int = 0
    asked_input: int | None = None
    asked_output: int | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    cached_tokens: int | None = None
    session: str | None = None
    turn: int | None = None
    prompt_seed: int | None = None

    @property
    def begun(self) -> float:
        """From when on its latencies count."""
        return self.started if self.scheduled is None else self.scheduled

    @property
    def tpot_ms(self) -> float | None:
        """Time per output token after the first; None for failed requests and those with fewer than two tokens."""
        if not self.ok or self.ttft_ms is None or self.output_tokens is None or self.output_tokens < 2:
            return None
        return (self.e2e_ms - self.ttft_ms) / (self.output_tokens - 1)


class Lag(msgspec.Struct, frozen=True):
    """How late the generator's event loop woke up, in milliseconds."""

    p50: float
    p99: float
    max: float


class Cpu(msgspec.Struct, frozen=True):
    """The generator's share of one core: 1.0 is a core that never rests."""

    mean: float
    max: float


class Client(msgspec.Struct, frozen=True, kw_only=True):
    """How one generator process kept up. late: requests sent after they were due; dropped: never sent.

    valid: whether its measurements can be trusted; reasons: why not.
    """

    v: int
    process: int
    pid: int | None = None
    lag_ms: Lag | None = None
    cpu: Cpu | None = None
    valid: bool
    reasons: list[str] = []
    late: int = 0
    dropped: int = 0
    cpu_s_per_request: float | None = None
    cpu_us_per_chunk: float | None = None


class Load(msgspec.Struct, frozen=True, kw_only=True):
    """What load was asked for, and how it went. measure_started: None when it ended while it warmed up.

    end_reason: `error` also stands there while the load runs: nobody else can say it when the generator is killed.
    """

    v: int
    settings: Mapping[str, Any] = {}
    host: str | None = None
    model: str | None = None
    seed: int | None = None
    started: float
    measure_started: float | None = None
    ended: float
    end_reason: EndReason
    versions: Mapping[str, str] = {}


class Sample(msgspec.Struct, frozen=True):
    """One value of one metric of one node. labels: Prometheus' labels."""

    t: float
    node: str
    name: str
    value: float
    labels: Mapping[str, str] = {}
