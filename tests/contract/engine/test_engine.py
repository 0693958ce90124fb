"""The real engine on the CPU, held against Hugging Face's implementation of the same weights."""

from __future__ import annotations

import asyncio
import json
import re
import time
from contextlib import aclosing

import pytest

from armature.engine.token_engine import SGLangTokenEngine
from armature.engine.types import RequestRefused
from armature.messages.tokens import NOBODY, Guide
from support.asking import Asked
from support.reference import Reference, prompts

pytestmark = [pytest.mark.engine, pytest.mark.asyncio(loop_scope="session")]

PROMPT = [72, 101, 108, 108, 111]


async def test_64_greedy_prompts_equal_hugging_face(ask, reference: Reference) -> None:
    wanted = prompts(64)
    served = await asyncio.gather(*(ask.tokens(p, max_tokens=24) for p in wanted))
    assert list(served) == [reference.greedy(p, 24) for p in wanted]


async def test_chunks_are_deltas_and_the_last_one_tells_the_end(ask) -> None:
    chunks = await ask.chunks(PROMPT, max_tokens=8, ignore_eos=True)
    assert sum(len(c.token_ids) for c in chunks) == 8
    assert [c.finish is None for c in chunks] == [True] * (len(chunks) - 1) + [False]
    assert (chunks[-1].finish.reason, chunks[-1].usage.completion_tokens) == ("length", 8)


async def test_a_stop_id_ends_the_output_and_is_its_last_token(ask) -> None:
    free = await ask.tokens(PROMPT)
    chunks = await ask.chunks(PROMPT, stop_token_ids=(free[3],))
    assert [t for c in chunks for t in c.token_ids] == free[: free.index(free[3]) + 1]
    assert (chunks[-1].finish.reason, chunks[-1].finish.matched) == ("stop", free[3])


async def test_a_stop_string_is_found_in_the_engine(ask, reference: Reference) -> None:
    free = await ask.tokens(PROMPT, ignore_eos=True)
    text = reference.tokenizer.decode(free[2:4])
    chunks = await ask.chunks(PROMPT, stop=(text,), ignore_eos=True)
    tokens = [t for c in chunks for t in c.token_ids]
    assert (chunks[-1].finish.reason, chunks[-1].finish.matched) == ("stop", text)
    assert text in reference.tokenizer.decode(tokens)
    assert tokens == free[: len(tokens)]
    assert len(tokens) < len(free)


async def test_n_outputs_come_with_their_index(ask) -> None:
    chunks = await ask.chunks(PROMPT, n=3, temperature=1.0, max_tokens=6, ignore_eos=True)
    by_output = {i: [t for c in chunks if c.index == i for t in c.token_ids] for i in range(3)}
    assert [len(tokens) for tokens in by_output.values()] == [6, 6, 6]
    assert len({tuple(tokens) for tokens in by_output.values()}) > 1
    assert sum(c.finish is not None for c in chunks) == 3


async def test_n_greedy_outputs_are_the_single_one(ask) -> None:
    single = await ask.tokens(PROMPT)
    chunks = await ask.chunks(PROMPT, n=2)
    assert all([t for c in chunks if c.index == i for t in c.token_ids] == single for i in range(2))


@pytest.mark.parametrize("top", [0, 3])
async def test_logprobs_are_those_of_hugging_face(ask, reference: Reference, top: int) -> None:
    chunks = await ask.chunks(PROMPT, logprobs=top, max_tokens=6, ignore_eos=True)
    tokens = [t for c in chunks for t in c.token_ids]
    truth = reference.logprobs(PROMPT, tokens)
    got = [p for c in chunks for p in c.logprobs]
    assert got == pytest.approx([float(truth[i, t]) for i, t in enumerate(tokens)], abs=1e-3)
    if top:
        first = next(position for c in chunks for position in c.top_logprobs)
        assert [(t.token_id, t.rank) for t in first] == [(int(t), r) for r, t in enumerate(truth[0].topk(top).indices, 1)]


async def test_a_json_schema_is_kept(ask, reference: Reference) -> None:
    schema = {"type": "object", "properties": {"a": {"type": "boolean"}}, "required": ["a"], "additionalProperties": False}
    guide = Guide("json_schema", json.dumps(schema))
    texts = [reference.tokenizer.decode(await ask.tokens(p, guide=guide, max_tokens=400), skip_special_tokens=True) for p in prompts(4)]
    assert any(_is_json(t) for t in texts), texts
    assert all(re.match(r'\s*\{\s*"a"\s*:\s*(t|f)', t) for t in texts), texts


def _is_json(text: str) -> bool:
    try:
        return isinstance(json.loads(text)["a"], bool)
    except json.JSONDecodeError:
        return False


@pytest.mark.parametrize(
    ("guide", "pattern"),
    [
        (Guide("regex", "(yes|no)[0-9]{2}"), r"(yes|no)[0-9]{2}"),
        (Guide("ebnf", 'root ::= "red" | "green" | "blue"'), r"red|green|blue"),
    ],
)
async def test_a_grammar_is_kept(ask, reference: Reference, guide: Guide, pattern: str) -> None:
    text = reference.tokenizer.decode(await ask.tokens(PROMPT, guide=guide), skip_special_tokens=True)
    assert re.fullmatch(pattern, text)


async def test_an_abort_ends_the_stream_and_frees_the_slot(ask, engine: SGLangTokenEngine) -> None:
    request = ask.request(PROMPT, max_tokens=3000, ignore_eos=True)
    seen = []
    async for chunk in engine.generate(request):
        seen.append(chunk)
        if len(seen) == 3:
            engine.abort(request.request_id)
    assert seen[-1].finish.reason == "cancelled"
    assert sum(len(c.token_ids) for c in seen) < 3000
    assert await ask.idle()


async def test_an_abort_reaches_all_outputs_of_a_request(ask, engine: SGLangTokenEngine) -> None:
    request = ask.request(PROMPT, n=3, max_tokens=3000, ignore_eos=True)
    seen = []
    async for chunk in engine.generate(request):
        seen.append(chunk)
        if len(seen) == 3:
            engine.abort(request.request_id)
    assert [c.finish.reason for c in seen if c.finish] == ["cancelled"] * 3
    assert await ask.idle()


@pytest.mark.parametrize("n", [1, 2])
async def test_leaving_a_stream_frees_the_slot(ask, engine: SGLangTokenEngine, n: int) -> None:
    async with aclosing(engine.generate(ask.request(PROMPT, n=n, max_tokens=3000, ignore_eos=True))) as chunks:
        async for _ in chunks:
            break
    assert await ask.idle()


async def test_an_unknown_abort_is_ignored(engine: SGLangTokenEngine) -> None:
    engine.abort("nobody")
    assert await engine.healthy()


async def test_a_repeated_prompt_comes_from_the_cache(ask) -> None:
    prompt = prompts(1, seed=7)[0] + list(range(40, 140))
    await ask.chunks(prompt, max_tokens=1)
    usage = (await ask.chunks(prompt, max_tokens=1))[-1].usage
    assert usage.prompt_tokens == len(prompt)
    assert usage.cached_tokens >= len(prompt) - 1


async def test_without_a_limit_the_output_is_longer_than_the_engines_own_default(ask) -> None:
    assert len(await ask.tokens(PROMPT, max_tokens=None, ignore_eos=True, stop_token_ids=())) > 128


async def test_a_prompt_beyond_the_context_is_refused_with_the_reason(ask) -> None:
    with pytest.raises(RequestRefused, match="context length"):
        await ask.chunks([5] * 5000)


async def test_a_broken_grammar_is_refused_and_the_engine_goes_on(ask) -> None:
    with pytest.raises(RequestRefused):
        await ask.chunks(PROMPT, guide=Guide("regex", "([a-z"))
    assert await ask.tokens(PROMPT)


async def test_info_is_what_was_asked_for(engine: SGLangTokenEngine) -> None:
    assert await engine.healthy()
    info = engine.info
    assert (info.context_length, info.total_kv_blocks * info.block_size, info.max_running_requests, info.dp_size) == (4096, 8192, 16, 1)


async def test_tokens_of_concurrent_requests_do_not_mix(ask) -> None:
    wanted = prompts(16, seed=3)
    alone = [await ask.tokens(p, max_tokens=8) for p in wanted[:4]]
    together = await asyncio.gather(*(ask.tokens(p, max_tokens=8) for p in wanted))
    assert together[:4] == alone


async def test_no_chunk_waits_for_the_output_to_end(ask, engine: SGLangTokenEngine) -> None:
    began = time.monotonic()
    times = []
    async for chunk in engine.generate(ask.request(PROMPT, max_tokens=64, ignore_eos=True)):
        times.append(time.monotonic() - began)
        del chunk
    assert len(times) > 32, "chunks were held back and merged"
    assert times[0] < times[-1] / 2


async def test_the_host_that_stands_for_nobody_is_sglangs() -> None:
    from sglang.srt.disaggregation.utils import FAKE_BOOTSTRAP_HOST

    assert FAKE_BOOTSTRAP_HOST == NOBODY


async def test_the_load_is_told_while_a_request_runs_and_after_it(ask: Asked) -> None:
    stream = ask.engine.generate(ask.request(list(range(20, 60)), max_tokens=400, ignore_eos=True))
    running = 0
    async for _ in stream:
        (load,) = await ask.engine.loads()
        running = max(running, load.running)
    assert running == 1
    assert await ask.idle()
    (load,) = await ask.engine.loads()
    assert (load.rank, load.running, load.waiting, load.used_tokens) == (0, 0, 0, 0)
    assert load.total_tokens > 0


async def test_ranks_can_still_meet_once_the_engine_serves(engine: SGLangTokenEngine) -> None:
    """NCCL connects a group at its first use: on a GPU that was the first guide, and it waited for a file that was gone."""
    assert (engine._series_folder / "rendezvous").is_file()


async def test_what_is_sent_while_the_engine_holds_is_computed_afterwards(ask: Asked) -> None:
    """The warm-up makes batches of a known size so."""
    async with ask.engine.held():
        asked = [asyncio.create_task(ask.tokens([40 + i, 2, 3], max_tokens=2, ignore_eos=True)) for i in range(3)]
        await asyncio.sleep(0.5)
        assert not any(task.done() for task in asked)
    assert [len(tokens) for tokens in await asyncio.gather(*asked)] == [2, 2, 2]
