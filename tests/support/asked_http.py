"""Token ids through HTTP: what a served deployment answers to a prompt of token ids."""

from __future__ import annotations

from typing import Any

IDS = {"nvext": {"extra_fields": ["completion_token_ids"]}}  # the runtime then returns token ids beside the text


def unary(served: Any, prompt: list[int], count: int, **more: Any) -> list[int]:
    answer = served.client.completions.create(model=served.model, prompt=prompt, max_tokens=count, temperature=0, extra_body=IDS | more)
    return list(answer.nvext["completion_token_ids"])  # type: ignore[attr-defined]


def streamed(served: Any, prompt: list[int], count: int, **more: Any) -> list[int]:
    stream = served.client.completions.create(
        model=served.model, prompt=prompt, max_tokens=count, temperature=0, stream=True, extra_body=IDS | more
    )
    return [t for chunk in stream if getattr(chunk, "nvext", None) for t in chunk.nvext.get("completion_token_ids") or []]
