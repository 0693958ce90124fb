"""Between the runtime's values (`runtime.wire`) and the engine's (`engine.types`). Pure functions.

Not passed on, and therefore refused in `runtime.wire`: see `wire.REFUSED`, and docs/reference/requests.md for every field.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from armature.engine.types import Bootstrap, Chunk, GenerateRequest, Guide, PromptChunk, Sampling, Usage
from armature.runtime import wire
from armature.worker import replay
from armature.worker.limits import Bounds, check


def generate_request(request: Mapping[str, Any], request_id: str, bounds: Bounds) -> GenerateRequest:
    """The engine's request for the runtime's dict.

    Raises wire.Unsupported for what no engine of ours does and for what is beyond `bounds`, replay.CannotGoOn for what cannot
    follow an earlier attempt.
    """
    read = check(wire.read_request(request), bounds)
    asked = GenerateRequest(
        request_id=request_id,
        token_ids=read.token_ids,
        sampling=Sampling(
            max_new_tokens=read.max_tokens,
            min_new_tokens=read.min_tokens,
            temperature=read.temperature,
            top_p=read.top_p,
            top_k=read.top_k,
            min_p=read.min_p,
            frequency_penalty=read.frequency_penalty,
            presence_penalty=read.presence_penalty,
            repetition_penalty=read.repetition_penalty,
            seed=read.seed,
            n=read.n,
            stop=read.stop,
            stop_token_ids=read.stop_token_ids,
            ignore_eos=read.ignore_eos,
            guide=None if read.guide is None else guide(read.guide),
        ),
        logprobs=read.logprobs,
        echo=read.echo,
        dp_rank=read.dp_rank,
        priority=read.priority,
        bootstrap=None if (meet := read.bootstrap) is None else Bootstrap(meet.host, meet.port, meet.room),
        prefill_dp_rank=read.prefill_dp_rank,
    )
    return replay.resumed(asked, wire.read_note(request))


def guide(spec: wire.GuideSpec) -> Guide:
    """The engine's constraint. A choice becomes a grammar of its literals."""
    if spec.kind == "choice":
        return Guide("ebnf", choice_grammar(spec.choices))
    return Guide(spec.kind, spec.text)


def choice_grammar(choices: Sequence[str]) -> str:
    """An EBNF grammar whose only sentences are `choices`.

    A grammar and not a regular expression, because a string literal needs few escapes, and they are JSON's: backslash,
    quote and control characters. Other characters stand for themselves.
    """
    return "root ::= " + " | ".join(json.dumps(choice, ensure_ascii=False) for choice in choices)


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
        if finish.reason in ("error", "handoff"):
            raise (EngineFailed if finish.reason == "error" else HandoffFailed)(finish.message or "the engine gave no reason")
        self._open -= 1
        if chunk.usage is not None:
            self._usages.append(replay.whole(chunk.usage, self._earlier) if self._earlier else chunk.usage)
        return wire.token_chunk(
            chunk.index,
            chunk.token_ids,
            log_probs=chunk.logprobs,
            top_logprobs=_tops(chunk),
            finish_reason=finish.reason,
            stop_reason=finish.matched,
            usage=self._total() if self._open <= 0 else None,
        )

    def _total(self) -> dict[str, Any] | None:
        """The prompt counts once, however many outputs it has; so do its cached tokens."""
        if not self._usages:
            return None
        return wire.usage(
            prompt_tokens=max(u.prompt_tokens for u in self._usages),
            completion_tokens=sum(u.completion_tokens for u in self._usages),
            cached_tokens=min(u.cached_tokens for u in self._usages),
        )


class EngineFailed(RuntimeError):
    """The engine gave up on a request: HTTP 500, with this reason in the logs."""


class HandoffFailed(EngineFailed):
    """The KV cache did not get from prefill to decode within the limits: another pair may try, else HTTP 504."""


def _tops(chunk: Chunk) -> list[list[dict[str, Any]]] | None:
    if chunk.top_logprobs is None:
        return None
    return [[wire.top_logprob(t.token_id, t.logprob, t.rank) for t in position] for position in chunk.top_logprobs]
