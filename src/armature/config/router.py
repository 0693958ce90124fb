"""How the frontend spreads requests over workers."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from armature.config.section import Section

RouterMode = Literal["round_robin", "random", "least_loaded", "kv"]


class Router(Section):
    """How the frontend spreads requests over workers."""

    mode: RouterMode = Field(
        default="round_robin",
        description="kv: prefer the worker that has most of the prompt cached, weighed against load; "
        "workers then use blocks of engine.args.page_size tokens, 16 if not set.",
    )
    kv_events: bool = Field(
        default=True,
        description="For mode kv. true: workers publish what their prefix caches hold; false: the router infers it from its requests.",
    )
    overlap_weight: float = Field(
        default=4.0,
        ge=0,
        description="For mode kv: cost of each block of a prompt that a worker must compute, where each "
        "block of its running requests costs 1. Higher: less is computed twice, but load is less even. 0: caches do not matter.",
    )
    temperature: float = Field(
        default=0.0, ge=0, description="For mode kv. 0: always the best worker; higher: other workers more often, to spread the load."
    )
    busy_blocks: float | None = Field(
        default=None, gt=0, le=1, description="Stop routing to a worker that uses at least this share of its KV blocks; all busy: HTTP 503."
    )
    busy_prefill_tokens: int | None = Field(
        default=None, gt=0, description="Stop routing to a worker with this many queued prompt tokens; all busy: HTTP 503."
    )
    migration_limit: int = Field(
        default=1,
        ge=0,
        description="How often a request is sent to another worker when its own dies, cannot be reached, or leaves before it answers. "
        "Then it fails, so a request that kills workers kills at most this many plus one.",
    )
