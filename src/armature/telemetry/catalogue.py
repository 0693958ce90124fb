"""Every Prometheus series that this project makes, charts or alerts on: the one list of their names.

Armature's own are made by `load`, `kv_events.counts` and `kv_events.bridge_process`. They have COMMON labels, by which they
fit the runtime's (`dynamo_component_*`) and, as `exposition` shows them, SGLang's; RANK where each data-parallel rank has one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

RANK = "dp_rank"
# worker_id: the runtime's id of the worker, in hexadecimal as in its own series. role: aggregated, prefill, decode.
COMMON = ("model", "worker_id", "dynamo_namespace", "dynamo_component", "role")


@dataclass(frozen=True, slots=True)
class Metric:
    """One series' name, kind and meaning. labels: those besides COMMON."""

    name: str
    kind: Literal["gauge", "counter", "histogram"]
    help: str
    labels: tuple[str, ...] = ()

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True, slots=True)
class Value:
    """What a series of ours is now. labels: values of `metric.labels`, in their order."""

    metric: Metric
    number: float
    labels: tuple[str, ...] = ()


def _ours(name: str, kind: Literal["gauge", "counter"], meaning: str, *labels: str) -> Metric:
    metric = Metric(f"armature_{name}", kind, meaning, labels)
    OURS.append(metric)
    return metric


OURS: list[Metric] = []

# A worker and its engine.
LOAD_SECONDS = _ours("model_load_seconds", "gauge", "Seconds that the engine took to start, including loading the model")

# Each rank, by its scheduler's own last report.
RUNNING = _ours("requests_running", "gauge", "Requests in the batch", RANK)
WAITING = _ours("requests_waiting", "gauge", "Queued requests, including those between prefill and decode", RANK)
BLOCKS_ACTIVE = _ours("kv_blocks_active", "gauge", "KV blocks that requests hold, without blocks that are only cached", RANK)
BLOCKS = _ours("kv_blocks", "gauge", "KV blocks in total", RANK)
CACHE_USE = _ours("kv_cache_use_ratio", "gauge", "Share of the KV blocks that requests hold, 0 to 1", RANK)
REPORTED = _ours("rank_last_report_timestamp_seconds", "gauge", "Unix time of the rank's last report", RANK)
UNREADABLE_REPORTS = _ours("rank_reports_unreadable_total", "counter", "Failed reads of a rank's load report", RANK)

# Each rank's KV events, where they are on.
EVENT_BATCHES = _ours("kv_events_batches_total", "counter", "Batches of KV events received", RANK)
EVENT_CHANGES = _ours("kv_events_changes_total", "counter", "Cache changes passed on to routers", RANK)
EVENT_GAPS = _ours("kv_events_gaps_total", "counter", "Gaps in the sequence of batches", RANK)
EVENT_REPLAYED = _ours("kv_events_batches_replayed_total", "counter", "Missing batches that the engine resent", RANK)
EVENT_LOST = _ours(
    "kv_events_batches_lost_total", "counter", "Missing batches that could not be resent; the whole state repairs them", RANK
)
EVENT_STATES = _ours("kv_events_states_total", "counter", "Whole states that repaired lost events", RANK)
EVENT_AWAITED = _ours("kv_events_state_awaited", "gauge", "1 while lost events have not been repaired", RANK)
EVENT_UNREADABLE = _ours("kv_events_batches_unreadable_total", "counter", "Batches that were unreadable or of another rank", RANK)
EVENT_WRONG = _ours(
    "kv_events_wrong_blocks_total",
    "counter",
    "Wrong blocks that a check found in the router's index: missing, stale",
    RANK,
    "kind",
)
EVENT_UNWRITTEN = _ours("kv_events_writes_failed_total", "counter", "Failed writes into the durable stream; the whole state follows", RANK)

# The bridge from the durable stream to the router.
BRIDGE_BLOCKS = _ours("kv_bridge_blocks", "gauge", "Blocks in the bridge, all ranks together")
BRIDGE_MISSED = _ours("kv_bridge_messages_missed_total", "counter", "Messages that the stream no longer held; the next state repairs them")

# The runtime's, of which charts and alerts make use.
MODEL_READY = Metric("dynamo_frontend_model_ready", "gauge", "Whether the frontend can route a request for the model")
FRONTEND_STARTED = Metric("dynamo_frontend_requests_started_total", "counter", "Requests that the frontend received")
FRONTEND_REQUESTS = Metric("dynamo_frontend_requests_total", "counter", "Requests that ended, by status")
FRONTEND_ACTIVE = Metric("dynamo_frontend_active_requests", "gauge", "Requests in the frontend now")
FRONTEND_TOKENS = Metric("dynamo_frontend_output_tokens_total", "counter", "Tokens sent to clients")
TTFT = Metric("dynamo_frontend_time_to_first_token_seconds", "histogram", "Time to first token")
ITL = Metric("dynamo_frontend_inter_token_latency_seconds", "histogram", "Inter-token latency")
WORKER_REQUESTS = Metric("dynamo_component_requests_total", "counter", "Requests that workers received")
WORKER_INFLIGHT = Metric("dynamo_component_inflight_requests", "gauge", "Requests at a worker now")

# SGLang's, where `--enable-metrics` is on.
ENGINE_THROUGHPUT = Metric("sglang:gen_throughput", "gauge", "Tokens per second of a rank, by its own count")
ENGINE_HIT_RATE = Metric("sglang:cache_hit_rate", "gauge", "Share of the last prefill's tokens that were cached")
ENGINE_EVICTABLE = Metric("sglang:kv_evictable_tokens", "gauge", "Cached tokens that no running request uses")
ENGINE_QUEUE = Metric("sglang:queue_time_seconds", "histogram", "Seconds that requests waited for their prefill")
ENGINE_CPU = Metric("sglang:scheduler_process_cpu_seconds_total", "counter", "CPU seconds of a rank's scheduler process")
