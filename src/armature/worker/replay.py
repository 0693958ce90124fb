"""What outlives a worker's death: how a request goes on at another worker with its own figures, and what cannot go on.

The frontend sends such a request again with the tokens that the client has already at the end of `token_ids`, and with
`max_tokens` and `min_tokens` reduced by as many. It does not say where the prompt ends. So the first chunk of every attempt carries
a note to the next attempt, which the frontend keeps and sends back (`wire.note`): how long the prompt is, and how much of it the first
attempt found in its prefix cache. Tokens reach the client only behind the note, so a request without a note has sent none.

From then on the engine knows which of the tokens are output (`GenerateRequest.sent`), and counts, stops and penalizes as if the
request had never been cut. docs/how-to/guarantees.md has the whole table.
"""

from __future__ import annotations

from dataclasses import replace

from armature.messages.tokens import GenerateRequest, Usage
from armature.runtime.wire import Note


class CannotGoOn(RuntimeError):
    """Going on would give a wrong answer; the client may ask again (HTTP 500). The frontend does not send such requests again by itself."""


def resumed(request: GenerateRequest, note: Note | None) -> GenerateRequest:
    """`request` as an engine must continue it. note: of an earlier attempt, if there was one.

    Raises CannotGoOn for what depends on state that died with the earlier engine.
    """
    if note is None or not (sent := len(request.token_ids) - note.prompt_tokens):
        return request
    if sent < 0 or note.prompt_tokens < 1:
        raise CannotGoOn(f"its note says {note.prompt_tokens} prompt tokens, but the request has {len(request.token_ids)} tokens")
    if request.echo:
        raise CannotGoOn("its worker died, and the echoed part of the prompt is unknown")
    if request.sampling.guide is not None:
        raise CannotGoOn("its worker died, and its grammar state is lost")
    if request.sampling.n > 1:
        raise CannotGoOn("its worker died, and the state of its outputs is lost")
    return replace(request, sent=sent)


def whole(usage: Usage, note: Note | None) -> Usage:
    """What a request cost its client, however many attempts it took: the prompt counts as the first attempt found it."""
    if note is None:
        return usage
    return replace(usage, prompt_tokens=note.prompt_tokens, cached_tokens=note.cached_tokens)
