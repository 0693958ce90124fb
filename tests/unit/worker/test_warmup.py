"""The warm-up takes each path once on each rank, and fits the engine."""

from __future__ import annotations

from dataclasses import replace

import pytest

from armature.engine.types import EngineInfo, GenerateRequest, RequestRefused, Sampling
from armature.limits import DEFAULT_LIMITS
from armature.worker import warmup

CPU = EngineInfo(4096, 1, 8192, 16, 16384, dp_size=1, load_seconds=0.0, vocab_size=300)
GPU = replace(CPU, device="cuda", context_length=40960, total_kv_blocks=100_000, prefill_chunk=8192)


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


async def test_each_rank_takes_each_step_and_a_refusal_is_no_failure() -> None:
    asked: list[GenerateRequest] = []

    async def ask(request: GenerateRequest) -> None:
        asked.append(request)
        if request.sampling.guide:
            raise RequestRefused("no grammar backend")

    await warmup.run(replace(CPU, dp_size=2), True, ask)
    count = len(list(warmup.steps(CPU)))
    assert [r.dp_rank for r in asked] == [0, 1] * count
    assert DEFAULT_LIMITS.guide_bytes > max(len(r.sampling.guide.text) for r in asked if r.sampling.guide)


async def test_a_failing_engine_is_told_with_what_it_failed_at() -> None:
    async def ask(request: GenerateRequest) -> None:
        if request.sampling.repetition_penalty or request.sampling.guide:
            raise RuntimeError("it broke")

    with pytest.raises(RuntimeError, match="repetition_penalty: it broke"):
        await warmup.run(CPU, True, ask)


async def test_an_engine_that_is_given_its_first_token_may_refuse_it() -> None:
    async def ask(request: GenerateRequest) -> None:
        if request.sampling.guide:
            raise RuntimeError("the token does not fit")

    await warmup.run(CPU, False, ask)


async def test_what_has_no_answer_is_named() -> None:
    async def ask(request: GenerateRequest) -> None:
        if request.sampling.guide:
            raise TimeoutError

    with pytest.raises(RuntimeError, match=r"^guide \(regex\): no answer within 0 s$"):
        await warmup.run(CPU, True, ask)
