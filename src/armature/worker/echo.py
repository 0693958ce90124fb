"""A completion that echoes its prompt (`echo` with `logprobs`), which is what evaluation harnesses score texts with.

The frontend knows no echo: it shows what a worker sends. So the prompt goes out as if it were output, with three cares.

- A stop token within the prompt must not end the text. The frontend looks for it in chunks of which it makes the text, so such
  a token goes out with its text beside it: none, as for any special token that ends a turn.
- A request that migrates has its prompt prolonged by what was sent, and would be echoed twice. So nothing goes out before all
  of it is there.
- The frontend shows the likely tokens of a position by their text, and of several with one text, as parts of a character have,
  the last that it was sent. A score asks for the likeliest, so that one goes last.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Iterator
from itertools import groupby

from armature.messages.tokens import Chunk, PromptChunk, TopLogprob


async def in_one_piece(chunks: AsyncIterator[Chunk], stop_token_ids: Collection[int]) -> AsyncIterator[Chunk]:
    """All of `chunks` once the last has come, with each prompt cut where a stop token is."""
    for chunk in [chunk async for chunk in chunks]:
        if isinstance(chunk, PromptChunk):
            for part in _around(chunk, stop_token_ids):
                yield part
        else:
            yield chunk


def _around(prompt: PromptChunk, stop_token_ids: Collection[int]) -> Iterator[PromptChunk]:
    """`prompt` in parts: those of stop tokens have a text, the others none."""
    logprobs = prompt.logprobs or []
    tops = None if prompt.top_logprobs is None else list(map(_likeliest_last, prompt.token_ids, logprobs, prompt.top_logprobs))
    start = 0
    for stops, run in groupby(prompt.token_ids, lambda token: token in stop_token_ids):
        ids = list(run)
        end = start + len(ids)
        yield PromptChunk(
            prompt.index,
            ids,
            logprobs=logprobs[start:end],
            top_logprobs=None if tops is None else tops[start:end],
            text="" if stops else None,
        )
        start = end


def _likeliest_last(token_id: int, logprob: float, likely: list[TopLogprob]) -> list[TopLogprob]:
    """Also with the prompt's own token, which the frontend would add behind the others. None are likely where nothing precedes."""
    own = [] if not likely or any(top.token_id == token_id for top in likely) else [TopLogprob(token_id, logprob, len(likely) + 1)]
    return [*own, *reversed(likely)]
