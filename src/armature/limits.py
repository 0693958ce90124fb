"""What one request may ask of a worker: the one list of limits, for the config, for `armature worker` and for its checks."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field, model_validator

BODY_MB = 4  # megabytes of a request's body: room for the text of a million tokens, or for half a million ids


class RequestLimits(BaseModel):
    """Limits of one request. A request beyond a limit gets HTTP 400 with the field's name and the limit.

    The model and the engine set further limits (vocabulary, context, ranks): docs/reference/limits.md lists all.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    outputs: int = Field(default=128, ge=1, le=1024, description="`n`: independent outputs of one request.")
    top_logprobs: int = Field(default=20, ge=0, le=1024, description="`top_logprobs`, and `logprobs` of a completion.")
    stop_strings: int = Field(default=32, ge=0, le=32, description="`stop`: number of strings. SGLang takes at most 32.")
    stop_bytes: int = Field(
        default=256,
        ge=1,
        description="`stop`: UTF-8 bytes of each string. The scheduler decodes this many tokens after each token of the request.",
    )
    stop_token_ids: int = Field(default=256, ge=0, description="`stop_token_ids`: number of ids.")
    inputs: int = Field(default=2048, ge=1, description="`input` of an embedding request: number of texts.")
    guide_bytes: int = Field(
        default=32768, ge=1, description="UTF-8 bytes of a JSON schema, a regular expression, a grammar, a structural tag or all choices."
    )
    guide_nesting: int = Field(default=64, ge=1, le=256, description="Maximum nesting depth of a guide's brackets.")
    guide_choices: int = Field(default=1024, ge=1, description="`guided_choice`: number of choices.")
    guide_compile_s: int = Field(
        default=5, ge=1, description="CPU seconds that compiling a guide may take. A trial in a separate process is killed after this time."
    )
    guide_compile_mb: int = Field(default=256, ge=16, description="MiB of memory that compiling a guide may take in that process.")
    guide_mb: int = Field(default=32, ge=1, description="Maximum size of a compiled guide in MiB.")
    guide_step_ms: int = Field(
        default=5,
        ge=1,
        description="CPU milliseconds per token that a guide may cost the scheduler, on average after the first half second. "
        "A request beyond that ends.",
    )
    guide_cache_mb: int = Field(
        default=128,
        ge=1,
        description="MiB of the most recently used compiled guides that each scheduler keeps for later requests. The guides of requests in "
        "flight may use the same amount again; further requests wait.",
    )

    @model_validator(mode="after")
    def _a_guide_fits(self) -> RequestLimits:
        if self.guide_mb > self.guide_cache_mb:
            raise ValueError(f"guide_mb={self.guide_mb} is more than guide_cache_mb={self.guide_cache_mb}: such a guide would never fit")
        return self

    def changed(self) -> dict[str, Any]:
        """The limits that differ from the defaults."""
        return self.model_dump(exclude_defaults=True)


DEFAULT_LIMITS = RequestLimits()
