"""One request harms no other: extreme values, guides without bound, and what is first used while others are served."""

from __future__ import annotations

import asyncio
import json
import random
import string
import time
from typing import Any

import psutil
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from armature.engine.token_engine import SGLangTokenEngine
from armature.engine.types import RequestRefused
from armature.messages.tokens import Guide
from armature.runtime import wire
from armature.worker.limits import Bounds, check
from armature.worker.reading import read

pytestmark = [pytest.mark.engine, pytest.mark.asyncio(loop_scope="session")]

PROMPT = [72, 101, 108, 108, 111]
IN_TIME_S = 5.0  # what an answer may take on a busy host; what is compiled at first use took 15 s and more on an idle one
CACHE_MB = 24  # conftest.LIMITS


@pytest.mark.parametrize(
    "sampling",
    [
        {"repetition_penalty": 1.3},
        {"frequency_penalty": 0.5},
        {"presence_penalty": 0.5},
        {"min_tokens": 4, "stop_token_ids": (5,)},
        {"temperature": 1.0, "top_p": 0.5},
        {"temperature": 1.0, "top_k": 4},
        {"temperature": 1.0, "top_k": 4, "top_p": 0.5, "min_p": 0.1},
        {"temperature": 1.0, "seed": 3},
        {"stop": ("zz",)},
        {"guide": Guide("regex", "[ab]{5}")},
        {"guide": Guide("ebnf", 'root ::= "a" | "b"')},
        {"guide": Guide("json_schema", '{"type": "integer"}')},
    ],
    ids=str,
)
async def test_the_first_use_of_an_option_holds_up_nobody(ask: Any, sampling: dict[str, Any]) -> None:
    began = time.monotonic()
    await ask.chunks(PROMPT, **sampling)
    assert time.monotonic() - began < IN_TIME_S


async def test_nothing_is_compiled_on_a_cpu(engine: SGLangTokenEngine) -> None:
    """The scheduler is a fork of this process: what is off here is off there."""
    import torch
    from sglang.srt.sampling.penaltylib.repetition_penalty import apply_scaling_penalties
    from torch._dynamo.utils import counters

    logits = torch.tensor([[-1.0, 2.0]])
    apply_scaling_penalties(logits, torch.full((1, 2), 2.0))
    assert logits.tolist() == [[-2.0, 1.0]] and not counters["stats"]


def extremes(engine: SGLangTokenEngine) -> st.SearchStrategy[dict[str, Any]]:
    """Raw requests whose numbers lie at, or just within, the ends of their ranges."""
    bounds = Bounds(engine.info)
    ends = {name: st.sampled_from([r.low, r.high, *r.also]) for name, r in (bounds.sampling | bounds.request).items()}
    last = engine.info.vocab_size - 1
    sampling = ("temperature", "top_p", "top_k", "min_p", "frequency_penalty", "presence_penalty", "repetition_penalty", "seed")
    return st.fixed_dictionaries(
        {
            "token_ids": st.lists(st.sampled_from([0, 1, last]), min_size=1, max_size=8),
            "stop_conditions": st.fixed_dictionaries(
                {"max_tokens": st.integers(1, 3)},
                optional={
                    "min_tokens": st.integers(0, 3),
                    "stop_token_ids": st.lists(st.integers(0, last), max_size=256),
                    "stop": st.lists(st.text(min_size=1, max_size=60), max_size=32),
                    "ignore_eos": st.booleans(),
                },
            ),
            "sampling_options": st.fixed_dictionaries({}, optional={name: ends[name] for name in sampling}),
            "output_options": st.fixed_dictionaries({}, optional={"logprobs": st.integers(0, 20)}),
            "routing": st.fixed_dictionaries({}, optional={"priority": ends["priority"], "dp_rank": st.just(0)}),
        }
    )


async def test_the_worst_values_that_are_allowed_are_answered_and_the_engine_lives_on(ask: Any, engine: SGLangTokenEngine) -> None:
    wanted = await ask.tokens(PROMPT)
    found: list[dict[str, Any]] = []

    @settings(max_examples=60, deadline=None, database=None, derandomize=True, suppress_health_check=list(HealthCheck))
    @given(extremes(engine))
    def gather(raw: dict[str, Any]) -> None:
        found.append(raw)

    gather()
    bounds = Bounds(engine.info)

    async def one(number: int, raw: dict[str, Any]) -> str:
        try:
            request = read(raw, f"worst-{number}", bounds)
        except wire.Unsupported:
            return "refused"
        try:
            chunks = [chunk async for chunk in engine.generate(request)]
        except RequestRefused:
            return "refused"
        return str(chunks[-1].finish and chunks[-1].finish.reason)

    async with asyncio.timeout(60):
        ends = await asyncio.gather(*(one(*pair) for pair in enumerate(found)))
    assert set(ends) <= {"stop", "length", "refused"} and ends.count("refused") < len(ends) / 2
    assert await engine.healthy() and await ask.tokens(PROMPT) == wanted


async def test_a_stop_id_beyond_the_vocabulary_never_reaches_the_engine(engine: SGLangTokenEngine) -> None:
    raw = {"token_ids": PROMPT, "stop_conditions": {"max_tokens": 4, "min_tokens": 2, "stop_token_ids": [999999]}}
    with pytest.raises(wire.Unsupported, match="stop_token_ids has the token id 999999"):
        check(wire.read_request(raw, "r"), Bounds(engine.info))


def nested(levels: int) -> Guide:
    """A schema whose compilation takes the cube of `levels`: 300 take 7 s."""
    schema: dict[str, Any] = {"type": "string"}
    for _ in range(levels):
        schema = {"type": "object", "properties": {"a": schema}, "required": ["a"]}
    return Guide("json_schema", json.dumps(schema))


async def test_a_guide_that_takes_too_long_is_given_up_and_holds_up_nobody(ask: Any) -> None:
    await ask.tokens(PROMPT, guide=Guide("regex", "[ab]"))
    too_long = asyncio.create_task(ask.tokens(PROMPT, guide=nested(400)))
    slowest, others = 0.0, 0
    while not too_long.done():
        began = time.monotonic()
        assert await ask.tokens(PROMPT, max_tokens=2, guide=Guide("regex", f"[ab]{{1,{others + 1}}}"))
        slowest, others = max(slowest, time.monotonic() - began), others + 1
    with pytest.raises(RequestRefused, match="does not compile within 2 CPU seconds and 256 MiB"):
        await too_long
    assert others > 3 and slowest < IN_TIME_S
    began = time.monotonic()
    with pytest.raises(RequestRefused, match="does not compile within"):  # remembered
        await ask.tokens(PROMPT, guide=nested(400))
    assert time.monotonic() - began < 1.0


async def test_a_guide_that_takes_longer_with_each_token_ends_its_own_request_only(ask: Any) -> None:
    """Every way to read a row of letters as one, two, ... pairs: 400 tokens take 3 s, a thousand minutes."""
    wanted = await ask.tokens(PROMPT)
    ambiguous = Guide("ebnf", 'root ::= s\ns ::= s s s | s s | "a"')
    slow = asyncio.create_task(ask.chunks(PROMPT, guide=ambiguous, max_tokens=3000))
    while not slow.done():
        assert await ask.tokens(PROMPT) == wanted
    with pytest.raises(RequestRefused, match="takes too long to follow"):
        await slow
    assert await ask.idle()


@pytest.mark.parametrize(
    ("guide", "said"),
    [
        (Guide("regex", "([a-z"), "does not compile: Regex parsing error"),
        (Guide("ebnf", "root ::= nothing"), "does not compile"),
        (Guide("json_schema", '{"type": "number", "multipleOf": 3}'), "multipleOf"),
        (Guide("json_schema", '{"pattern": "\\u0000", "type": "string"}'), "NUL"),
        (Guide("structural_tag", "[]"), "does not compile"),
    ],
    ids=str,
)
async def test_a_guide_that_does_not_compile_is_refused_with_the_compilers_reason(ask: Any, guide: Guide, said: str) -> None:
    with pytest.raises(RequestRefused, match=said) as refused:
        await ask.tokens(PROMPT, guide=guide)
    assert "/project/" not in str(refused.value)


@pytest.mark.parametrize("narrowed", [{}, {"top_p": 0.5}, {"top_k": 5}, {"min_p": 0.1}], ids=str)
@pytest.mark.parametrize(
    "dead_end",
    [
        {"guide": Guide("ebnf", "root ::= root")},
        {"guide": Guide("json_schema", '{"$ref": "#"}')},
        {"guide": Guide("ebnf", "root ::= a\na ::= b\nb ::= a")},
        {"guide": Guide("ebnf", 'root ::= "a"'), "min_tokens": 8},
    ],
    ids=str,
)
async def test_a_request_for_which_no_token_is_allowed_is_refused_and_ends_alone(
    ask: Any, dead_end: dict[str, Any], narrowed: dict[str, Any]
) -> None:
    other = asyncio.create_task(ask.chunks(PROMPT, max_tokens=40, ignore_eos=True, temperature=1.0, top_p=0.9))
    with pytest.raises(RequestRefused, match="no token is allowed next"):
        await ask.chunks(PROMPT, max_tokens=8, temperature=1.0, **dead_end, **narrowed)
    assert sum(len(chunk.token_ids) for chunk in await other) == 40


def scheduler() -> psutil.Process:
    (found,) = (p for p in psutil.Process().children(recursive=True) if "sglang::scheduler" in " ".join(p.cmdline()))
    return found


async def test_guides_leave_no_more_memory_behind_than_the_cache_may_have(ask: Any) -> None:
    """Each takes 6 MiB when compiled; SGLang would keep all of them."""
    draw, process = random.Random(5), scheduler()

    async def many(count: int) -> None:
        for _ in range(count):
            text = "".join(draw.choices(string.ascii_letters, k=32_000))
            await ask.tokens(PROMPT, guide=Guide("regex", text), max_tokens=1)

    await many(6)  # the cache is full
    before = process.memory_info().rss
    await many(24)
    grown = (process.memory_info().rss - before) / (1 << 20)
    assert grown < CACHE_MB, f"24 guides of 6 MiB left {grown:.0f} MiB behind"
