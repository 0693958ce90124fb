"""summary.json: what came out of a load test. docs/reference/summary.md is generated from these models."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

SUMMARY_VERSION = 2  # what Summary.version is


class Part(BaseModel):
    """A part of the summary: immutable, and strict about the names of its fields."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Distribution(Part):
    """Percentiles are interpolated linearly between neighbouring values."""

    count: int = Field(description="How many values.")
    mean: float
    p50: float
    p90: float
    p95: float
    p99: float
    min: float
    max: float


class Counts(Part):
    """Requests of the measuring phase."""

    sent: int = Field(description="Requests sent.")
    ok: int = Field(description="Answered in full.")
    failed: int = Field(description="The others.")
    failed_by_kind: dict[str, int] = Field(description="Failed ones by kind of error: http, timeout, connection, stream, server, client.")


class Latency(Part):
    """Milliseconds, of requests that succeeded, as the client saw them. null where there is nothing to measure."""

    ttft_ms: Distribution | None = Field(
        description="Time to first token: until the first chunk that holds a token, since the request was due (open loop, trace) or, "
        "in a closed loop, sent. One value a request."
    )
    itl_ms: Distribution | None = Field(
        description="Inter-token latency: every gap between neighbouring chunks that hold tokens, of all requests together. A chunk may "
        "hold several tokens (bursts: speculative decoding, a loaded server, a slow reader): then gaps are fewer and longer than tokens "
        "are, so read it beside chunks.tokens_per_chunk, and compare by tpot_ms."
    )
    tpot_ms: Distribution | None = Field(
        description="Time per output token after the first: (e2e - ttft) / (output tokens - 1). One value a request, whatever the bursts."
    )
    e2e_ms: Distribution | None = Field(description="Until the end of the answer, since the same moment as ttft_ms. One value a request.")


class Rates(Part):
    """Per second of the measured window (see `window`), of requests that succeeded. null where token counts or GPUs are unknown."""

    requests_per_s: float | None
    output_tokens_per_s: float | None
    total_tokens_per_s: float | None = Field(description="Input and output tokens, cached input included.")
    output_tokens_per_s_per_gpu: float | None = Field(description="output_tokens_per_s / GPUs that the plan gives to nodes; null on a CPU.")
    output_tokens_per_s_per_user: float | None = Field(
        description="How fast one user sees tokens after the first: 1000 / tpot_ms.p50, the median over requests."
    )


class Slo(Part):
    """Limits in milliseconds that a good request keeps, all that are set."""

    ttft_ms: float | None = Field(default=None, gt=0, description="Of the request's TTFT.")
    itl_ms: float | None = Field(default=None, gt=0, description="Of the 95th percentile of the request's own gaps.")
    tpot_ms: float | None = Field(default=None, gt=0, description="Of the request's TPOT.")
    e2e_ms: float | None = Field(default=None, gt=0, description="Of the request's end-to-end time.")


class Goodput(Part):
    """Requests that succeeded and kept the SLO. A limit on a figure that a request does not have (TPOT of one token) is kept."""

    good: int
    fraction: float = Field(description="Of all requests sent, failed ones included.")
    requests_per_s: float | None = Field(description="Good requests per second of the window.")


class Length(Part):
    """Lengths that the server counted beside those that the workload wanted, in tokens, of requests that succeeded and have both."""

    asked: Distribution | None
    realised: Distribution | None
    deviation: Distribution | None = Field(description="realised - asked, request by request.")
    outside: int = Field(description="Requests whose deviation is outside the tolerance.")
    unknown: int = Field(description="Requests with an asked length whose realised one the server did not tell.")


class Lengths(Part):
    """Input and output."""

    input: Length
    output: Length
    cached_fraction: float | None = Field(description="Of input tokens, those from a prefix cache; null where servers do not tell.")


class Chunks(Part):
    """How answers came, of requests that succeeded and streamed."""

    per_request: Distribution | None = Field(description="Chunks that held tokens.")
    tokens_per_chunk: Distribution | None = Field(
        description="Where the server tells each chunk's tokens, of all chunks; else each request's mean."
    )
    at_once: float | None = Field(
        description="Of all gaps, those shorter than 0.1 ms: chunks that came together, however they were made. They pull ITL's low "
        "percentiles towards 0, and the gaps before them are longer than a token takes."
    )
    counted_by: Literal["server", "text"] | None = Field(
        description="server: it told the tokens of every chunk. text: of some answers it did not, and their chunks with text count."
    )
    first_tokens: float | None = Field(description="Tokens in an answer's first chunk, on average; null where the server does not tell.")
    mismatched: int = Field(description="Answers whose chunks hold another number of tokens than the server's usage says.")


CaveatKind = Literal["few_samples", "short_window", "failed", "client_lag", "busy_host", "chunks", "tokens"]


class Caveat(Part):
    """Why figures do not mean what they seem to. `armature compare` ranks no figure that has one."""

    kind: CaveatKind
    figures: list[str] = Field(description="The figures that it holds for, by their names in `armature compare`.")
    text: str


class Group(Part):
    """The figures of some requests: of all, or of one class."""

    counts: Counts
    latency: Latency
    rates: Rates
    goodput: Goodput | None = Field(description="null without an SLO.")
    lengths: Lengths
    chunks: Chunks
    caveats: list[Caveat] = Field(description="What lessens the figures of this group (armature.bench.trust).")


class Window(Part):
    """The measured time: from the end of the warm-up to the end of the last measured request. Its ramp-down is part of it."""

    started: float | None = Field(description="Seconds since 1970.")
    ended: float | None = Field(description="Seconds since 1970.")
    seconds: float | None
    end_reason: Literal["count", "time", "known", "stopped", "error"] | None = Field(
        description="Why the load ended; null: the generator was killed before it could say."
    )


class ClientHealth(Part):
    """The load generator's own health, the worst of its processes. What a client measured that is not valid is itself, not the server."""

    valid: bool
    reasons: list[str] = Field(description="Why it is not valid, with the process.")
    processes: int
    lag_p50_ms: float | None = Field(description="How late the event loop woke up.")
    lag_p99_ms: float | None
    lag_max_ms: float | None
    cpu_mean: float | None = Field(description="Share of one core.")
    cpu_max: float | None
    late: int = Field(description="Requests sent after they were due, of all processes.")
    dropped: int = Field(description="Requests never sent, of all processes.")
    cut_off_files: int = Field(description="Files of records that end in half a line, because their writer was killed.")


class HostLoad(Part):
    """How busy the host was in the measured window, on average. null where nobody sampled it."""

    others: float | None = Field(description="Share of all cores that processes used which are no part of the run.")
    steal: float | None = Field(description="Share of the cores' time that the hypervisor gave to other machines.")
    runnable_per_core: float | None = Field(description="Processes that ran or waited for a core, per core.")


class Tolerance(Part):
    """When a realised length counts as asked. A run fails when more than `share` of its requests miss."""

    relative: float = Field(default=0.05, ge=0, description="Part of the asked length by which a request may miss it.")
    input_tokens: int = Field(default=16, ge=0, description="Tokens that a prompt may always differ by: a chat template adds some.")
    output_tokens: int = Field(default=1, ge=0, description="Tokens that an answer may always differ by.")
    share: float = Field(default=0.01, ge=0, le=1, description="Part of the requests that may miss.")


class ServerSeries(Part):
    """One metric of one node with one set of labels, over the measured window."""

    node: str
    name: str
    labels: dict[str, str]
    count: int
    mean: float
    p50: float
    p99: float
    min: float
    max: float
    increase_per_s: float | None = Field(description="For counters (names that end in _total, _sum or _count): growth per second.")


class Failure(Part):
    """Why a run is invalid. `armature summarize` exits with 1 when there is any."""

    kind: Literal["no_requests", "client", "input_length", "output_length", "load"]
    text: str


class Summary(Part):
    """A run in figures. Only requests of the measuring phase count."""

    version: Literal[2] = 2
    run: str = Field(description="<name>/<id>")
    plan_hash: str | None = Field(description="The same configuration has the same hash; null without a plan.")
    model: str | None
    seed: int | None = Field(description="The workload's.")
    settings: dict[str, Any] = Field(description="The load's, as its generator wrote them.")
    window: Window
    overall: Group
    classes: dict[str, Group] = Field(description="The same per class of the workload.")
    slo: Slo | None
    tolerance: Tolerance
    client: ClientHealth
    host: HostLoad
    server: list[ServerSeries] = Field(description="What was sampled on the servers and GPUs meanwhile.")
    gpus: int | None = Field(description="GPUs that the plan gives to nodes; null without a plan.")
    hardware: dict[str, Any] = Field(description="The host's processor, cores, memory and GPUs.")
    versions: dict[str, str] = Field(description="What served; client.*: what put load on it.")
    failures: list[Failure] = Field(description="Why the run is invalid; empty for a valid one.")
    notes: list[str] = Field(description="What a reader of the figures should know.")
