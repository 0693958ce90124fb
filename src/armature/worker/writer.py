"""From the engine's chunks to the runtime's."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from armature.messages.tokens import Bootstrap, Chunk, Finish, GenerateRequest, PromptChunk, Usage
from armature.runtime import wire
from armature.worker import replay


class Writer(Protocol):
    """Writes the chunks of one request."""

    def write(self, chunk: Chunk) -> dict[str, Any] | None:
        """The runtime's dict for `chunk`; None: nothing is sent for it. Raises EngineFailed when the chunk says that the engine failed."""
        ...


class ChunkWriter:
    """Makes the runtime's chunks of one request from the engine's.

    The frontend keeps one usage per request, the last that it is given; so the outputs' usages are summed up here and
    go out with the chunk that ends the last output. The first chunk carries a note to the next attempt, see `worker.replay`.
    """

    __slots__ = ("_earlier", "_n", "_open", "_prompt_tokens", "_usages")

    def __init__(self, request: GenerateRequest, earlier: wire.Note | None = None) -> None:
        """earlier: the note of the attempt before this one."""
        self._n = self._open = request.sampling.n
        self._prompt_tokens = len(request.token_ids) - request.sent
        self._earlier = earlier
        self._usages: list[Usage] = []

    def write(self, chunk: Chunk) -> dict[str, Any]:
        """The runtime's dict for `chunk`. Raises EngineFailed when the chunk says that the engine failed."""
        if chunk.finish is None and chunk.logprobs is None and chunk.cached_tokens is None:  # nearly every chunk
            return {"token_ids": chunk.token_ids, "index": chunk.index}
        written = self._write(chunk)
        if chunk.cached_tokens is None or self._n > 1:  # several outputs cannot go on elsewhere
            return written
        return wire.with_note(written, self._earlier or wire.Note(self._prompt_tokens, chunk.cached_tokens))

    def _write(self, chunk: Chunk) -> dict[str, Any]:
        if (finish := chunk.finish) is None:
            text = chunk.text if isinstance(chunk, PromptChunk) else None
            return wire.token_chunk(chunk.index, chunk.token_ids, log_probs=chunk.logprobs, top_logprobs=_tops(chunk), text=text)
        check(finish)
        self._open -= 1
        if chunk.usage is not None:
            self._usages.append(replay.whole(chunk.usage, self._earlier))
        return wire.token_chunk(
            chunk.index,
            chunk.token_ids,
            log_probs=chunk.logprobs,
            top_logprobs=_tops(chunk),
            finish_reason=finish.reason,
            stop_reason=finish.matched,
            usage=total(self._usages) if self._open <= 0 else None,
        )


class HandoverWriter:
    """The same for a leg whose tokens nobody reads: a single chunk, once the KV cache has gone over."""

    __slots__ = ("_earlier", "_meet")

    def __init__(self, meet: Bootstrap, earlier: wire.Note | None = None) -> None:
        """earlier: the note of the attempt before this one."""
        self._meet, self._earlier = meet, earlier

    def write(self, chunk: Chunk) -> dict[str, Any] | None:
        """The runtime's dict for the chunk that ends the leg; None for others. Raises as `ChunkWriter.write` does."""
        if (finish := chunk.finish) is None:
            return None
        check(finish)
        if finish.reason == "cancelled":
            return None
        return wire.handed_over(self._meet, total([replay.whole(chunk.usage, self._earlier)] if chunk.usage else []))


def check(finish: Finish) -> None:
    """Raise EngineFailed, or HandoffFailed, for an output that ended so."""
    if finish.reason in ("error", "handoff"):
        raise (EngineFailed if finish.reason == "error" else HandoffFailed)(finish.message or "the engine gave no reason")


def total(usages: Sequence[Usage]) -> dict[str, Any] | None:
    """What a request cost with all its outputs. The prompt counts once, however many there are; so do its cached tokens."""
    if not usages:
        return None
    return wire.usage(
        prompt_tokens=max(u.prompt_tokens for u in usages),
        completion_tokens=sum(u.completion_tokens for u in usages),
        cached_tokens=min(u.cached_tokens for u in usages),
    )


class EngineFailed(RuntimeError):
    """The engine gave up on a request: HTTP 500, with this reason in the logs."""


class HandoffFailed(EngineFailed):
    """The KV cache did not get from prefill to decode within the limits: another pair may try, else HTTP 504."""


def _tops(chunk: Chunk) -> list[list[dict[str, Any]]] | None:
    if chunk.top_logprobs is None:
        return None
    return [[wire.top_logprob(t.token_id, t.logprob, t.rank) for t in position] for position in chunk.top_logprobs]
