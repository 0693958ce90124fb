"""The routes of the OpenAI API that workers answer, as data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Api = Literal["chat", "completions", "embedding", "rerank", "images", "videos", "prefill"]
Input = Literal["tokens", "text"]


@dataclass(frozen=True, slots=True)
class ApiKind:
    """One route. runtime: the runtime's name of it. path: where clients ask; None: clients do not.

    input: `tokens`: the frontend renders and tokenizes; `text`: the request's body arrives as it is.
    probe: a small request that any model of this kind can answer, without its name; None: there is none.
    """

    runtime: str
    path: str | None = None
    input: Input = "tokens"
    probe: Mapping[str, Any] | None = field(default=None, hash=False)


TEXT: tuple[Api, ...] = ("chat", "completions")  # what engines that generate text answer

APIS: Mapping[Api, ApiKind] = {
    "chat": ApiKind("Chat", "/v1/chat/completions"),  # no probe: base models have no chat template
    "completions": ApiKind("Completions", "/v1/completions", probe={"prompt": "ready?", "max_tokens": 1}),
    "embedding": ApiKind("Embedding", "/v1/embeddings", probe={"input": "ready?"}),
    "rerank": ApiKind("Rerank", "/v1/rerank", "text", probe={"query": "ready?", "documents": ["ready!"]}),
    "images": ApiKind("Images", "/v1/images/generations", "text"),
    "videos": ApiKind("Videos", "/v1/videos", "text"),
    "prefill": ApiKind("Prefill"),
}
