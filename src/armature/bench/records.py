"""The files that a load generator writes to the folder load/ of a run: version 1 of the contract with load generators.

requests.PROCESS.jsonl  one `Request` per line; if the generator was killed, the last line may be incomplete
client.PROCESS.json     one `Client`: the health of that generator process
load.json               one `Load`: the settings of the load, and the times of its phases
samples.jsonl           optional, one `Sample` per line: metrics of the servers and GPUs during the load

Times are seconds since 1970. Durations are milliseconds unless a name says otherwise. Unknown fields are ignored.
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
    """One request, as the client measured it.

    user: the API. cls: the request's class in the workload ("class" in the file).
    scheduled: the time when it was due (open loop, trace); None in a closed loop. started, ended: the times when it was sent and ended.
    ttft_ms: from `scheduled`, or from `started` if that is None, to the first token. e2e_ms: from the same origin to the end.
    gaps_ms: gaps between consecutive chunks with tokens. chunk_tokens: tokens of each such chunk, if the server reports them.
    chunks: number of chunks with tokens. asked_*: lengths that the workload requested. *_tokens: lengths that the server counted.
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
        """The time from which its latencies are measured."""
        return self.started if self.scheduled is None else self.scheduled

    @property
    def tpot_ms(self) -> float | None:
        """Time per output token after the first; None for failed requests and for requests with fewer than two tokens."""
        if not self.ok or self.ttft_ms is None or self.output_tokens is None or self.output_tokens < 2:
            return None
        return (self.e2e_ms - self.ttft_ms) / (self.output_tokens - 1)


class Lag(msgspec.Struct, frozen=True):
    """Delay of the wake-ups of the generator's event loop, in milliseconds."""

    p50: float
    p99: float
    max: float


class Cpu(msgspec.Struct, frozen=True):
    """The generator's CPU use as a share of one core: 1.0 is a fully used core."""

    mean: float
    max: float


class Client(msgspec.Struct, frozen=True, kw_only=True):
    """The health of one generator process. late: number of requests sent late. dropped: number of requests never sent.

    valid: whether its measurements are valid. reasons: why they are not.
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
    """The settings of a load, and how it ended. measure_started: None if the load ended during the warm-up.

    end_reason: `error` while the load runs, so that it remains `error` if the generator is killed.
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
