"""From SGLang's output dicts to `Chunk`. Pure functions, and nothing else in the project reads those dicts."""

from __future__ import annotations

import math
from typing import Any

from armature.engine.guides import DEAD_END, TOO_SLOW
from armature.engine.types import RequestRefused
from armature.messages.tokens import Chunk, Finish, PromptChunk, TopLogprob, Usage

_NOT_ACCEPTED = "Grammar accept_token failed"  # of a prefill or decode engine, for a dead end: see `engine.scheduler.dead_ends`
_HANDOFF = "KVTransferError"  # SGLang names its exception in the message, and nothing else tells this failure from others


def chunk(out: dict[str, Any], index: int, logprobs: int | None, first: bool = False) -> Chunk:
    """One incremental output of SGLang as a chunk of output `index`.

    logprobs: what the request asked for, see `GenerateRequest`. first: it is this output's first.
    Raises RequestRefused when SGLang ended the request because of what was asked.
    """
    meta = out["meta_info"]
    finish = meta["finish_reason"]
    ids = out["output_ids"]
    if finish is None and logprobs is None and not first:  # nearly every chunk
        return Chunk(index, ids)
    return Chunk(
        index,
        ids,
        logprobs=None if logprobs is None else [entry[0] for entry in meta["output_token_logprobs"]],
        top_logprobs=_top_logprobs(meta["output_top_logprobs"]) if logprobs else None,
        finish=None if finish is None else _finish(finish),
        usage=None if finish is None else Usage(meta["prompt_tokens"], meta["completion_tokens"], meta["cached_tokens"]),
        cached_tokens=meta["cached_tokens"] if first else None,
    )


def prompt_chunk(out: dict[str, Any], index: int, logprobs: int) -> PromptChunk:
    """The prompt, as it comes with the first output of a request that asked for its log probabilities (logprob_start_len=0)."""
    meta = out["meta_info"]
    entries = meta["input_token_logprobs"]
    return PromptChunk(
        index,
        [entry[1] for entry in entries],
        logprobs=[math.nan if entry[0] is None else entry[0] for entry in entries],
        top_logprobs=_top_logprobs(meta["input_top_logprobs"]) if logprobs else None,
    )


def _top_logprobs(positions: list[Any]) -> list[list[TopLogprob]]:
    """SGLang gives (logprob, token id, text) per candidate, most likely first, or None where there is no candidate."""
    return [
        [TopLogprob(token_id, logprob, rank) for rank, (logprob, token_id, *_) in enumerate(position or (), 1)] for position in positions
    ]


def _finish(reason: dict[str, Any]) -> Finish:
    """SGLang's finish reason: {"type": stop | length | abort, "matched": ..., "message": ..., "status_code": ...}."""
    kind = reason["type"]
    if kind == "stop":
        return Finish("stop", matched=reason.get("matched"))
    if kind == "length":
        return Finish("length")
    status = reason.get("status_code")
    message = reason.get("message") or "the engine gave no reason"
    if message.startswith(_NOT_ACCEPTED):
        raise RequestRefused(DEAD_END)
    if status == 400 or message == TOO_SLOW:
        raise RequestRefused(message)
    if status is None:  # asked for by abort()
        return Finish("cancelled", message=message)
    return Finish("handoff" if _HANDOFF in message else "error", message=message)
