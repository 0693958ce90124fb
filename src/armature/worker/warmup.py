"""What an engine is asked before it serves, so that no client waits for what is compiled or imported at first use.

A penalty, a grammar or a prompt of another length makes SGLang compile or import something the first time, and meanwhile every
request of that scheduler waits. So each path that a request can choose is taken once, on every rank; and on a GPU batches of several
sizes, for which Triton compiles its kernels anew. Pure, but for `run`.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from uuid import uuid4

from armature.engine.types import EngineInfo, GuidesUnavailable, RequestRefused
from armature.messages.tokens import GenerateRequest, Guide, Sampling

SLOW_S = 1.0  # what took longer is worth a line in the log
# Triton compiles a kernel anew for a length of 1, for one that 16 divides, and for each block size, which grows with the length.
LENGTHS = (1, 16, 17, 64, 100, 128, 512, 1000, 2048, 4096)
PROMPT = (1, 2, 3, 4)
# Triton distinguishes batches of 1, of a multiple of 16, and others. SGLang copies a batch's inputs by one kernel, which is compiled anew
# for each pattern of alignment: four sizes in a row, each with four lengths in a row, have every pattern.
BATCHES = (*((size, extra) for size in (2, 3, 4, 5) for extra in range(4)), (16, 0), (16, 1), (32, 0))
BATCH_LENGTH = 24  # tokens of each prompt of a batch
SENT_S = 0.05  # in which the requests of a batch have left this process
ANYTHING = "(.|\n)*"  # a guide that accepts every token
MUST_COMPILE = ("regex", "json_schema")  # kinds of guides that every grammar backend has

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Step:
    """One request of the warm-up, or a batch. name: what it is the first to use. may_fail: the engine may give it up.

    others: prompts that are computed in one batch with `token_ids`.
    """

    name: str
    token_ids: tuple[int, ...] = PROMPT
    sampling: Sampling = field(default_factory=Sampling)
    logprobs: int | None = None
    may_fail: bool = False
    others: tuple[tuple[int, ...], ...] = ()

    def requests(self, rank: int | None) -> list[GenerateRequest]:
        """For the engine; rank: the data-parallel rank that must serve them."""
        prompts = (self.token_ids, *self.others)
        return [GenerateRequest(f"warm-up-{uuid4().hex}", list(p), self.sampling, self.logprobs, dp_rank=rank) for p in prompts]


def steps(info: EngineInfo, whole: bool = True) -> Iterator[Step]:
    """Every way to choose tokens, guides, and on a GPU every kind of prompt length.

    whole: the engine makes the first token itself. One that only decodes is given it, and alone it is given a token that few
    guides accept.
    """
    yield from _ways_to_choose()
    yield from _guides() if whole else (Step("guide", sampling=_sampling(guide=Guide("regex", ANYTHING)), may_fail=True),)
    if info.device != "cpu":
        yield from _lengths(info)
        yield from _batches(info, whole)


def _ways_to_choose() -> Iterator[Step]:
    yield Step("greedy", sampling=_sampling(temperature=0.0))
    yield Step("temperature", sampling=_sampling(temperature=1.0))
    yield Step("top_p", sampling=_sampling(temperature=1.0, top_p=0.9))
    yield Step("top_k", sampling=_sampling(temperature=1.0, top_k=8))
    yield Step("min_p", sampling=_sampling(temperature=1.0, top_p=0.9, top_k=8, min_p=0.1))
    yield Step("seed", sampling=_sampling(temperature=1.0, seed=1))
    for name in ("frequency_penalty", "presence_penalty"):
        yield Step(name, sampling=_sampling(**{name: 0.5}))
    yield Step("repetition_penalty", sampling=_sampling(repetition_penalty=1.1))
    yield Step("min_tokens", sampling=_sampling(min_tokens=2, stop_token_ids=(0,)))
    yield Step("logprobs", logprobs=0, sampling=_sampling())
    yield Step("top_logprobs", logprobs=2, sampling=_sampling())
    yield Step("stop", sampling=_sampling(stop=("\n\n",)))


def _guides() -> Iterator[Step]:
    for guide in (
        Guide("regex", "[ab]{2}"),
        Guide("ebnf", 'root ::= "a" | "b"'),
        Guide("json_schema", '{"type": "integer"}'),
        Guide("structural_tag", '{"type": "structural_tag", "format": {"type": "const_string", "value": "a"}}'),
    ):
        yield Step(f"guide ({guide.kind})", sampling=_sampling(guide=guide))


def _sampling(**given: object) -> Sampling:
    """Two tokens: the first comes from prefill, the second from decode."""
    return Sampling(**{"max_tokens": 2, "temperature": 0.0, "ignore_eos": "guide" not in given} | given)  # type: ignore[arg-type]


def lengths(info: EngineInfo) -> list[int]:
    """Of prompts that select different kernels, and of the longest that is computed in one step."""
    longest = min(info.context_length, info.total_kv_blocks * info.block_size, info.prefill_chunk or info.max_prefill_tokens) - 8
    return sorted({n for n in LENGTHS if n < longest} | {longest})


def _lengths(info: EngineInfo) -> Iterator[Step]:
    """Prompts of the lengths that select different kernels, the longest that is computed in one step, and two that extend a
    cached one."""
    found = lengths(info)
    for n in found:
        yield Step(f"a prompt of {n} tokens", _prompt(n, info.vocab_size), _sampling())
    cached = found[len(found) // 2]
    for more in (1, 16):
        prompt = _prompt(cached, info.vocab_size) + _prompt(more, info.vocab_size)
        yield Step(f"{more} tokens after {cached} cached", prompt, _sampling())


def batches(info: EngineInfo) -> Iterator[tuple[str, list[tuple[int, ...]]]]:
    """Prompts of the batches of `BATCHES` that the engine has room for, new and as extensions of a cached prompt; with a name."""
    for size, extra in (found := _sizes(info)):
        # Each prompt begins with a token that no other prompt of a batch begins with, or it would wait for the other's cache.
        starts = [1000 * extra + 50 * size + i for i in range(size)]
        prompts = [_prompt(BATCH_LENGTH + (0 if s > starts[0] else extra), info.vocab_size, s) for s in starts]
        yield f"a batch of {size}, {extra} tokens longer", prompts
    for size in sorted({n for n, _ in found}):
        cached = [_prompt(BATCH_LENGTH, info.vocab_size, 50 * size + i) for i in range(size)]
        yield f"a batch of {size}, partly cached", [prompt + _prompt(8, info.vocab_size) for prompt in cached]


def _sizes(info: EngineInfo) -> list[tuple[int, int]]:
    room = min(info.context_length, info.max_prefill_tokens, info.prefill_chunk or info.max_prefill_tokens)
    return [(n, extra) for n, extra in BATCHES if n <= info.max_running_requests and n * (BATCH_LENGTH + 4) <= room]


def _batches(info: EngineInfo, whole: bool) -> Iterator[Step]:
    for name, (first, *others) in batches(info):
        yield Step(name, first, _sampling(), others=tuple(others))
    # What a guide forbids is masked by a kernel that distinguishes batches as Triton's others do.
    guide = Guide("regex", "[ab]{2}" if whole else ANYTHING)
    for size in sorted({n for n, _ in _sizes(info)} & {2, 16}):
        first, *others = (_prompt(BATCH_LENGTH, info.vocab_size, 7000 + 50 * size + i) for i in range(size))
        yield Step(f"a batch of {size} with guides", first, _sampling(guide=guide), may_fail=not whole, others=tuple(others))


def _prompt(length: int, vocab_size: int, first: int | None = None) -> tuple[int, ...]:
    """Token ids that no prompt of another length, or of another first token, begins with."""
    begin = length if first is None else first
    return tuple((begin + 7 * i) % vocab_size for i in range(length))


async def run(
    info: EngineInfo,
    whole: bool,
    ask: Callable[[GenerateRequest], Awaitable[object]],
    held: Callable[[], AbstractAsyncContextManager[None]],
) -> None:
    """Take every step on every data-parallel rank, one after the other. Raises RuntimeError when the engine fails at one.

    ask: see `Generating.one_token`. held: see `engine.types.Engine.held`. What the engine was started without, such as a grammar
    backend, is left out; but a guide that it should compile and does not is a failure.
    """
    began, done = time.monotonic(), 0
    ranks: list[int | None] = list(range(info.dp_size)) if info.dp_size > 1 else [None]
    for step in steps(info, whole):
        at = time.monotonic()
        try:
            await _take([request for rank in ranks for request in step.requests(rank)], bool(step.others), ask, held)
        except (RequestRefused, RuntimeError, TimeoutError) as e:
            problem = str(e) or f"no answer within {time.monotonic() - at:.0f} s"
            if not _may_go_without(step, e):
                raise RuntimeError(f"{step.name}: {problem}") from e
            logger.info("warm-up: skipped %s: %s", step.name, problem)
            continue
        done += 1
        if (took := time.monotonic() - at) > SLOW_S:
            logger.info("warm-up: first %s took %.1f s", step.name, took)
    logger.info("warm-up: %d kinds of requests in %.1f s", done, time.monotonic() - began)


async def _take(
    requests: list[GenerateRequest],
    at_once: bool,
    ask: Callable[[GenerateRequest], Awaitable[object]],
    held: Callable[[], AbstractAsyncContextManager[None]],
) -> None:
    """Have all answered. at_once: they are computed in one batch."""
    answers = asyncio.gather(*(ask(request) for request in requests))
    await (in_one_batch(answers, held) if at_once else answers)


async def in_one_batch(work: Awaitable[object], held: Callable[[], AbstractAsyncContextManager[None]]) -> None:
    """Have the engine compute together what `work` asks of it."""
    async with held():
        answer = asyncio.ensure_future(work)
        await asyncio.sleep(SENT_S)
    await answer


def _may_go_without(step: Step, problem: Exception) -> bool:
    if step.may_fail or not isinstance(problem, RequestRefused):
        return step.may_fail
    guide = step.sampling.guide
    return guide is None or guide.kind not in MUST_COMPILE or isinstance(problem, GuidesUnavailable)
