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
        description="kv: where most of the prompt is cached already, weighed against load; "
        "workers' blocks then have engine.args.page_size tokens, 16 if not set.",
    )
    kv_events: bool = Field(
        default=True,
        description="For mode kv. true: workers publish what their prefix caches hold; false: the router guesses from what it sent where.",
    )
    overlap_weight: float = Field(
        default=4.0,
        ge=0,
        description="For mode kv: what each block of a prompt that a worker would have to compute counts against it, where each "
        "block of its running requests counts 1. Greater: less is computed twice, and load is less even. 0: caches do not matter.",
    )
    temperature: float = Field(
        default=0.0, ge=0, description="For mode kv. 0: always the best worker; greater: more often another one, to spread the load."
    )
    busy_blocks: float | None = Field(
        default=None, gt=0, le=1, description="Stop routing to a worker that uses at least this part of its KV blocks; all busy: HTTP 503."
    )
    busy_prefill_tokens: int | None = Field(
        default=None, gt=0, description="Stop routing to a worker with this many queued prompt tokens; all busy: HTTP 503."
    )
    migration_limit: int = Field(
        default=1,
        ge=0,
        description="How often a request is sent to another worker when its own dies, cannot be reached, or leaves before it answers. "
        "Then it fails: a request that ends its workers costs this many and one.",
    )
