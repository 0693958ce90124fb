"""summary.json: the results of a load test. docs/reference/summary.md is generated from these models."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

SUMMARY_VERSION = 2  # what Summary.version is


class Part(BaseModel):
    """A part of the summary. It is immutable and refuses unknown fields."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Distribution(Part):
    """Percentiles are interpolated linearly between neighbouring values."""

    count: int = Field(description="The number of values.")
    mean: float
    p50: float
    p90: float
    p95: float
    p99: float
    min: float
    max: float


class Counts(Part):
    """Counts of requests in the measuring phase."""

    sent: int = Field(description="The number of requests sent.")
    ok: int = Field(description="Requests that were answered in full.")
    failed: int = Field(description="All other requests.")
    failed_by_kind: dict[str, int] = Field(description="Failed requests by kind: http, timeout, connection, stream, server, client.")


class Latency(Part):
    """Latencies of successful requests in milliseconds, measured by the client. null if no request has the value."""

    ttft_ms: Distribution | None = Field(
        description="Time to first token: from the time when the request was due (open loop, trace) or was sent (closed loop) to the "
        "first chunk with a token. One value per request."
    )
    itl_ms: Distribution | None = Field(
        description="Inter-token latency: all gaps between consecutive chunks with tokens, over all requests. A chunk may hold several "
        "tokens (speculative decoding, a loaded server, a slow reader). Then there are fewer gaps than tokens, and each gap is longer "
        "than the time per token. Read it together with chunks.tokens_per_chunk, and compare by tpot_ms."
    )
    tpot_ms: Distribution | None = Field(
        description="Time per output token after the first: (e2e - ttft) / (output tokens - 1). One value per request. It does not "
        "depend on the number of tokens per chunk."
    )
    e2e_ms: Distribution | None = Field(description="End-to-end time: from the same start as ttft_ms to the end. One value per request.")


class Rates(Part):
    """Rates of successful requests per second of the measured window (see `window`). null if token counts or GPUs are unknown."""

    requests_per_s: float | None
    output_tokens_per_s: float | None
    total_tokens_per_s: float | None = Field(description="Input and output tokens. Cached input tokens count.")
    output_tokens_per_s_per_gpu: float | None = Field(
        description="output_tokens_per_s per GPU that the plan assigns to nodes; null on a CPU."
    )
    output_tokens_per_s_per_user: float | None = Field(
        description="The rate at which one user receives tokens after the first: 1000 / tpot_ms.p50, the median over requests."
    )


class Slo(Part):
    """Limits in milliseconds. A good request meets all limits that are set."""

    ttft_ms: float | None = Field(default=None, gt=0, description="Limit of the request's TTFT.")
    itl_ms: float | None = Field(default=None, gt=0, description="Limit of the 95th percentile of the request's own gaps.")
    tpot_ms: float | None = Field(default=None, gt=0, description="Limit of the request's TPOT.")
    e2e_ms: float | None = Field(default=None, gt=0, description="Limit of the request's end-to-end time.")


class Goodput(Part):
    """Requests that succeeded and met the SLO. A request meets a limit if it does not have that value (one token has no TPOT)."""

    good: int
    fraction: float = Field(description="Good requests divided by all requests sent, including failed ones.")
    requests_per_s: float | None = Field(description="Good requests per second of the window.")


class Length(Part):
    """Requested and actual lengths in tokens, of successful requests that have both. The server counts the actual length."""

    asked: Distribution | None = Field(description="The length that the workload requested.")
    realised: Distribution | None = Field(description="The length that the server counted.")
    deviation: Distribution | None = Field(description="realised - asked, for each request.")
    outside: int = Field(description="Requests whose deviation is outside the tolerance.")
    unknown: int = Field(description="Requests whose actual length the server did not report.")


class Lengths(Part):
    """Lengths of prompts (input) and answers (output)."""

    input: Length
    output: Length
    cached_fraction: float | None = Field(
        description="Share of input tokens that came from a prefix cache; null if the server does not report it."
    )


class Chunks(Part):
    """The chunks of successful streamed requests."""

    per_request: Distribution | None = Field(description="Chunks with tokens.")
    tokens_per_chunk: Distribution | None = Field(
        description="One value per chunk if the server reports tokens per chunk; otherwise one mean per request."
    )
    at_once: float | None = Field(
        description="Share of gaps shorter than 0.1 ms: the client read both chunks together. Such gaps lower the low percentiles of ITL, "
        "and the gaps before them are longer than the time per token."
    )
    counted_by: Literal["server", "text"] | None = Field(
        description="server: the server reported the tokens of every chunk. text: for some answers it did not; "
        "their chunks with text count."
    )
    first_tokens: float | None = Field(
        description="Mean number of tokens in the first chunk of an answer; null if the server does not report it."
    )
    mismatched: int = Field(description="Answers whose chunks' token count differs from the server's usage.")


CaveatKind = Literal["few_samples", "short_window", "failed", "client_lag", "busy_host", "chunks", "tokens"]


class Caveat(Part):
    """A reason to doubt figures. `armature compare` does not rank a figure with a caveat."""

    kind: CaveatKind
    figures: list[str] = Field(description="The affected figures, by their names in `armature compare`.")
    text: str


class Group(Part):
    """The figures of all requests, or of one class of requests."""

    counts: Counts
    latency: Latency
    rates: Rates
    goodput: Goodput | None = Field(description="null without an SLO.")
    lengths: Lengths
    chunks: Chunks
    caveats: list[Caveat] = Field(description="Reasons to doubt figures of this group (armature.bench.trust).")


class Window(Part):
    """The measured time: from the end of the warm-up to the end of the last measured request. It includes the ramp-down."""

    started: float | None = Field(description="Seconds since 1970.")
    ended: float | None = Field(description="Seconds since 1970.")
    seconds: float | None
    end_reason: Literal["count", "time", "known", "stopped", "error"] | None = Field(
        description="Why the load ended; null: the generator was killed before it could record the reason."
    )


class ClientHealth(Part):
    """The load generator's own health: the worst value over its processes. An invalid client measured itself, not the server."""

    valid: bool
    reasons: list[str] = Field(description="Why the client is invalid. Each reason names the process.")
    processes: int
    lag_p50_ms: float | None = Field(description="Median delay of the event loop's wake-ups.")
    lag_p99_ms: float | None = Field(description="99th percentile of the same delay.")
    lag_max_ms: float | None = Field(description="The longest such delay.")
    cpu_mean: float | None = Field(description="CPU use as a share of one core.")
    cpu_max: float | None = Field(description="The maximum of the same share.")
    late: int = Field(description="Requests sent late (more than 10 ms after they were due), summed over all processes.")
    dropped: int = Field(description="Requests never sent, summed over all processes.")
    cut_off_files: int = Field(description="Record files that end in an incomplete line because their writer was killed.")


class HostLoad(Part):
    """Mean load of the host in the measured window. null if the host was not sampled."""

    others: float | None = Field(description="Share of all cores used by processes outside the run.")
    steal: float | None = Field(description="Share of the cores' time that the hypervisor took (steal).")
    runnable_per_core: float | None = Field(description="Number of running or waiting processes per core.")


class Tolerance(Part):
    """The accepted deviation of actual from requested lengths. A run is invalid if more than `share` of its requests exceed it."""

    relative: float = Field(default=0.05, ge=0, description="Accepted deviation as a share of the requested length.")
    input_tokens: int = Field(
        default=16, ge=0, description="Deviation in tokens that is always accepted for a prompt: a chat template adds tokens."
    )
    output_tokens: int = Field(default=1, ge=0, description="Deviation in tokens that is always accepted for an answer.")
    share: float = Field(default=0.01, ge=0, le=1, description="Share of requests that may exceed the deviation.")


class ServerSeries(Part):
    """One metric of one node with one set of labels, sampled over the measured window."""

    node: str
    name: str
    labels: dict[str, str]
    count: int
    mean: float
    p50: float
    p99: float
    min: float
    max: float
    increase_per_s: float | None = Field(description="Increase per second, only of counters (names that end in _total, _sum or _count).")


class Failure(Part):
    """Why a run is invalid. `armature summarize` exits with 1 if a run has a failure."""

    kind: Literal["no_requests", "client", "input_length", "output_length", "load"]
    text: str


class Summary(Part):
    """The results of a run. Only requests of the measuring phase count."""

    version: Literal[2] = 2
    run: str = Field(description="<name>/<id>")
    plan_hash: str | None = Field(description="Hash of the configuration: equal configurations have equal hashes; null without a plan.")
    model: str | None
    seed: int | None = Field(description="The workload's seed.")
    settings: dict[str, Any] = Field(description="The load's settings, as its generator wrote them.")
    window: Window
    overall: Group
    classes: dict[str, Group] = Field(description="The figures of each class of the workload.")
    slo: Slo | None
    tolerance: Tolerance
    client: ClientHealth
    host: HostLoad
    server: list[ServerSeries] = Field(description="Metrics of the servers and GPUs, sampled during the measured window.")
    gpus: int | None = Field(description="The number of GPUs that the plan assigns to nodes; null without a plan.")
    hardware: dict[str, Any] = Field(description="The host's processor, cores, memory and GPUs.")
    versions: dict[str, str] = Field(description="Versions of the serving software; client.*: versions of the load generator.")
    failures: list[Failure] = Field(description="Why the run is invalid; empty if it is valid.")
    notes: list[str] = Field(description="Remarks for readers of the figures.")
