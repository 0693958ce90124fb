"""The warm-up takes each path once on each rank, and fits the engine."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, nullcontext
from dataclasses import replace

import pytest

from armature.engine.types import EngineInfo, GuidesUnavailable, RequestRefused
from armature.limits import DEFAULT_LIMITS
from armature.messages.tokens import GenerateRequest, Sampling
from armature.worker import warmup

CPU = EngineInfo(4096, 1, 8192, 16, 16384, dp_size=1, load_seconds=0.0, vocab_size=300)
GPU = replace(CPU, device="cuda", context_length=40960, total_kv_blocks=100_000, prefill_chunk=8192, max_running_requests=256)


def test_every_option_of_sampling_is_used() -> None:
    """A new option must not be first used by a client."""
    default, used = Sampling(), set()
    for step in warmup.steps(CPU):
        used |= {name for name in Sampling.__dataclass_fields__ if getattr(step.sampling, name) != getattr(default, name)}
    assert used == set(Sampling.__dataclass_fields__) - {"n"}  # n outputs are n requests
    assert {step.logprobs for step in warmup.steps(CPU)} == {None, 0, 2}
    kinds = {step.sampling.guide.kind for step in warmup.steps(CPU) if step.sampling.guide}
    assert kinds == {"regex", "ebnf", "json_schema", "structural_tag"}


@pytest.mark.parametrize(
    ("info", "longest"),
    [
        (GPU, 8184),
        (replace(GPU, prefill_chunk=None), 16376),
        (replace(GPU, context_length=100), 92),
        (replace(GPU, total_kv_blocks=16, block_size=64), 1016),
    ],
)
def test_prompts_on_a_gpu_have_every_kind_of_length_that_fits(info: EngineInfo, longest: int) -> None:
    lengths = [len(step.token_ids) for step in warmup.steps(info) if step.name.startswith("a prompt")]
    assert lengths == [*(n for n in warmup.LENGTHS if n < longest), longest]
    assert all(len(step.token_ids) + 2 < info.context_length for step in warmup.steps(info))
    assert all(0 <= t < info.vocab_size for step in warmup.steps(info) for t in step.token_ids)


def test_no_prompt_on_a_cpu_is_long() -> None:
    assert max(len(step.token_ids) for step in warmup.steps(CPU)) < 10


async def test_each_rank_takes_each_step_and_what_the_engine_was_started_without_is_no_failure() -> None:
    asked: list[GenerateRequest] = []

    async def ask(request: GenerateRequest) -> None:
        asked.append(request)
        if request.sampling.guide:
            raise GuidesUnavailable("no grammar backend")

    await warmup.run(replace(CPU, dp_size=2), True, ask, nullcontext)
    count = len(list(warmup.steps(CPU)))
    assert [r.dp_rank for r in asked] == [0, 1] * count
    assert DEFAULT_LIMITS.guide_bytes > max(len(r.sampling.guide.text) for r in asked if r.sampling.guide)


async def test_a_failing_engine_is_told_with_what_it_failed_at() -> None:
    async def ask(request: GenerateRequest) -> None:
        if request.sampling.repetition_penalty or request.sampling.guide:
            raise RuntimeError("it broke")

    with pytest.raises(RuntimeError, match="repetition_penalty: it broke"):
        await warmup.run(CPU, True, ask, nullcontext)


async def test_an_engine_that_is_given_its_first_token_may_refuse_it() -> None:
    async def ask(request: GenerateRequest) -> None:
        if request.sampling.guide:
            raise RuntimeError("the token does not fit")

    await warmup.run(CPU, False, ask, nullcontext)


async def test_what_has_no_answer_is_named() -> None:
    async def ask(request: GenerateRequest) -> None:
        if request.sampling.guide:
            raise TimeoutError

    with pytest.raises(RuntimeError, match=r"^guide \(regex\): no answer within 0 s$"):
        await warmup.run(CPU, True, ask, nullcontext)


async def test_a_guide_that_does_not_compile_is_a_failure_of_the_engine() -> None:
    """Every guided request would be refused, and nobody would learn why."""

    async def ask(request: GenerateRequest) -> None:
        if request.sampling.guide:
            raise RequestRefused("the guide does not compile: CUDA error")

    with pytest.raises(RuntimeError, match=r"guide \(regex\): the guide does not compile: CUDA error"):
        await warmup.run(CPU, True, ask, nullcontext)


@pytest.mark.parametrize("size", [1, 2, 3, 4, 5, 16, 32])
def test_batches_on_a_gpu_have_every_size_with_which_kernels_are_compiled(size: int) -> None:
    assert size in {1 + len(step.others) for step in warmup.steps(GPU)}


def test_prompts_of_a_batch_do_not_wait_for_each_others_cache() -> None:
    for step in warmup.steps(GPU):
        firsts = [prompt[0] for prompt in (step.token_ids, *step.others)]
        assert len(set(firsts)) == len(firsts), step.name


def test_an_engine_with_little_room_is_sent_no_larger_batch() -> None:
    small = replace(GPU, max_running_requests=4)
    assert max(1 + len(step.others) for step in warmup.steps(small)) == 4


async def test_a_batch_is_sent_while_the_engine_holds_it() -> None:
    holds, sent = [False], []

    @asynccontextmanager
    async def held() -> AsyncIterator[None]:
        holds[0] = True
        yield
        holds[0] = False

    async def ask(request: GenerateRequest) -> None:
        sent.append((holds[0], request.request_id))

    await warmup.run(GPU, True, ask, held)
    steps = list(warmup.steps(GPU))
    assert [h for h, _ in sent] == [bool(step.others) for step in steps for _ in range(1 + len(step.others))]
    assert len({name for _, name in sent}) == len(sent)
