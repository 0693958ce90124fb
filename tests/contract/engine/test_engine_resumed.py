"""A request that another engine had begun goes on as if it had never been cut, wherever the cut is."""

from __future__ import annotations

from dataclasses import replace

import pytest

from armature.messages.tokens import Chunk, Finish, Usage
from support.asking import Asked

pytestmark = [pytest.mark.engine, pytest.mark.asyncio(loop_scope="session")]

PROMPT = [72, 101, 108, 108, 111]
TOTAL = 12
CUTS = (1, 4, TOTAL - 1)

# What a client may ask that depends on the output so far.
KINDS = {
    "greedy": {},
    "frequency": {"frequency_penalty": 1.5},
    "presence": {"presence_penalty": 1.5},
    "repetition": {"repetition_penalty": 1.6},
}


async def resume(ask: Asked, whole: list[int], cut: int, logprobs: int | None = None, **sampling: object) -> list[Chunk]:
    """The chunks of a request of which the first `cut` tokens of `whole` were sent."""
    request = ask.request([*PROMPT, *whole[:cut]], logprobs, max_tokens=TOTAL - cut, **sampling)
    return [chunk async for chunk in ask.engine.generate(replace(request, sent=cut))]


def tokens(chunks: list[Chunk]) -> list[int]:
    return [token for chunk in chunks for token in chunk.token_ids]


def end(chunks: list[Chunk]) -> tuple[Finish | None, Usage | None]:
    """How an output ended and what it cost, but for the prefix cache's part."""
    usage = chunks[-1].usage
    return chunks[-1].finish, usage and replace(usage, cached_tokens=0)


@pytest.mark.parametrize("cut", CUTS)
@pytest.mark.parametrize("kind", KINDS)
async def test_it_goes_on_with_the_same_tokens_and_counts(ask: Asked, kind: str, cut: int) -> None:
    asked = {"ignore_eos": True} | KINDS[kind]
    whole = await ask.chunks(PROMPT, max_tokens=TOTAL, **asked)
    rest = await resume(ask, tokens(whole), cut, **asked)
    assert tokens(rest) == tokens(whole)[cut:]
    assert end(rest) == end(whole)
    assert end(rest)[1] == Usage(len(PROMPT), TOTAL, 0)


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "greedy"])
async def test_a_history_that_was_lost_would_be_seen(ask: Asked, kind: str) -> None:
    """With the sent tokens as a part of the prompt the output is another one; else the test above could not fail."""
    asked = {"ignore_eos": True} | KINDS[kind]
    whole = await ask.tokens(PROMPT, max_tokens=TOTAL, **asked)
    cut = CUTS[1]
    assert await ask.tokens([*PROMPT, *whole[:cut]], max_tokens=TOTAL - cut, **asked) != whole[cut:]


@pytest.mark.parametrize("cut", CUTS)
@pytest.mark.parametrize("top", [0, 2])
async def test_logprobs_are_those_of_the_new_tokens(ask: Asked, top: int, cut: int) -> None:
    whole = await ask.chunks(PROMPT, top, max_tokens=TOTAL, ignore_eos=True)
    rest = await resume(ask, tokens(whole), cut, top, ignore_eos=True)

    def values(chunks: list[Chunk]) -> list[float]:
        return [p for c in chunks for p in c.logprobs or ()]

    assert values(rest) == pytest.approx(values(whole)[cut:], abs=1e-4)
    if top:
        positions = [[t.token_id for t in p] for c in rest for p in c.top_logprobs or ()]
        assert positions == [[t.token_id for t in p] for c in whole for p in c.top_logprobs or ()][cut:]


async def test_a_stop_string_across_the_cut_is_found(ask: Asked, reference) -> None:
    free = await ask.tokens(PROMPT, max_tokens=TOTAL, ignore_eos=True)
    stop = reference.tokenizer.decode(free[2:5])
    whole = await ask.chunks(PROMPT, max_tokens=TOTAL, ignore_eos=True, stop=(stop,))
    assert len(tokens(whole)) > 3, "it stops before the cut"
    for cut in range(1, len(tokens(whole))):
        rest = await resume(ask, tokens(whole), cut, ignore_eos=True, stop=(stop,))
        assert tokens(rest) == tokens(whole)[cut:]
        assert end(rest) == end(whole)


@pytest.mark.parametrize("cut", [1, 3])
async def test_min_tokens_counts_those_that_were_sent(ask: Asked, cut: int) -> None:
    free = await ask.tokens(PROMPT, max_tokens=TOTAL, ignore_eos=True)
    stop_at = free[4]
    asked = {"stop_token_ids": (stop_at,), "min_tokens": 7}
    whole = await ask.chunks(PROMPT, max_tokens=TOTAL, **asked)
    assert stop_at not in tokens(whole)[:7], "min_tokens keeps nothing away"
    rest = await resume(ask, tokens(whole), cut, stop_token_ids=(stop_at,), min_tokens=7 - cut)
    assert tokens(rest) == tokens(whole)[cut:]
    assert end(rest) == end(whole)


async def test_the_first_chunk_tells_the_cached_tokens(ask: Asked) -> None:
    chunks = await ask.chunks(PROMPT, max_tokens=4, ignore_eos=True)
    assert chunks[-1].usage is not None
    assert [c.cached_tokens for c in chunks] == [chunks[-1].usage.cached_tokens] + [None] * (len(chunks) - 1)
