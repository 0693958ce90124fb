"""A prompt before its output."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from armature.messages.tokens import Chunk, Finish, GenerateRequest, PromptChunk, Sampling, TopLogprob, Usage
from armature.worker.echo import in_one_piece
from armature.worker.writer import ChunkWriter

END = Chunk(0, [9], logprobs=[-1.0], top_logprobs=[[]], finish=Finish("length"), usage=Usage(3, 1, 0))


def parts(chunks: list[Chunk], stops: set[int]) -> list[Chunk]:
    async def stream() -> AsyncIterator[Chunk]:
        for chunk in chunks:
            yield chunk

    async def gather() -> list[Chunk]:
        return [chunk async for chunk in in_one_piece(stream(), stops)]

    return asyncio.run(gather())


@given(st.lists(st.integers(0, 3), min_size=1, max_size=12), st.sets(st.integers(0, 3)), st.booleans())
def test_a_prompt_is_cut_at_stop_tokens_and_loses_nothing(ids: list[int], stops: set[int], with_tops: bool) -> None:
    logprobs = [-float(i) for i in range(len(ids))]
    tops = [[TopLogprob(token, -0.5, 1)] for token in ids] if with_tops else None
    *prompt, last = parts([PromptChunk(0, ids, logprobs=logprobs, top_logprobs=tops), END], stops)
    assert last == END
    assert [token for part in prompt for token in part.token_ids] == ids
    assert [value for part in prompt for value in part.logprobs or []] == logprobs
    if tops is not None:
        assert [position for part in prompt for position in part.top_logprobs or []] == tops  # one likely token each: no order
    for part in prompt:
        assert isinstance(part, PromptChunk)
        # The frontend looks for stop tokens in every chunk of which it makes the text.
        assert (part.text is None) == stops.isdisjoint(part.token_ids)
        assert part.text is None or stops.issuperset(part.token_ids)


@pytest.mark.parametrize(
    ("likely", "sent"),
    [
        ([], []),
        ([(5, -0.1, 1)], [(5, -0.1, 1)]),
        ([(7, -0.1, 1), (5, -0.5, 2)], [(5, -0.5, 2), (7, -0.1, 1)]),
        ([(7, -0.1, 1), (8, -0.2, 2)], [(5, -0.5, 3), (8, -0.2, 2), (7, -0.1, 1)]),
    ],
)
def test_the_likeliest_token_goes_last(likely: list[tuple[int, float, int]], sent: list[tuple[int, float, int]]) -> None:
    """The frontend keeps the last of those that have one text."""
    (part,) = parts([PromptChunk(0, [5], logprobs=[-0.5], top_logprobs=[[TopLogprob(*top) for top in likely]])], set())
    assert part.top_logprobs == [[TopLogprob(*top) for top in sent]]


def test_nothing_goes_out_before_all_is_there() -> None:
    """What has gone out would be part of the prompt after a migration, and be echoed twice."""

    async def first_of_an_unfinished_stream() -> None:
        async def stream() -> AsyncIterator[Chunk]:
            yield PromptChunk(0, [5], logprobs=[-0.5])
            await asyncio.Event().wait()

        await anext(in_one_piece(stream(), ()))

    async def within_a_while() -> bool:
        _, pending = await asyncio.wait([task := asyncio.ensure_future(first_of_an_unfinished_stream())], timeout=0.05)
        task.cancel()
        return bool(pending)

    assert asyncio.run(within_a_while())


def test_a_stop_token_of_a_prompt_goes_out_with_its_text_beside_it() -> None:
    (stop, rest) = parts([PromptChunk(0, [2, 5], logprobs=[-0.5, -0.6])], {2})
    writer = ChunkWriter(GenerateRequest("r", [2, 5], Sampling(), echo=True))
    assert writer.write(stop) == {"token_ids": [2], "index": 0, "log_probs": [-0.5], "text": "", "tokens": [None]}
    assert writer.write(rest) == {"token_ids": [5], "index": 0, "log_probs": [-0.6]}
