"""What is thought of ranks by when they are heard, over simulated time."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator, Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from armature.worker.liveness import Judgement, Limits, Verdict, Watch, judge, keep_watch

CHECKS = st.sampled_from([0.5, 1.5, 10.0, 60.0])


def looks(limits: Limits, until: float, jitter: list[float]) -> Iterator[float]:
    """Times of looks, each between one and two `look_s` after the one before."""
    now, i = 0.0, 0
    while now < until:
        now += limits.look_s * (1 + (jitter[i % len(jitter)] if jitter else 0.0))
        i += 1
        yield now


def history(check_s: float, hung: Mapping[int, float], jitter: list[float], until: float) -> list[tuple[float, Judgement]]:
    """What is thought at each look of ranks that report all the time until they hang."""
    limits = Limits.of(check_s)
    watch, seen = Watch(0.0), []
    for now in looks(limits, until, jitter):
        signs = {rank: 1e9 + min(now, at) for rank, at in hung.items()}
        watch = watch.look(signs, now, limits)
        seen.append((now, judge(watch, limits)))
    return seen


@given(CHECKS, st.lists(st.floats(0, 0.9), max_size=5), st.floats(0, 3), st.integers(1, 4))
def test_a_rank_that_hangs_is_dead_within_check_s(check_s: float, jitter: list[float], part: float, ranks: int) -> None:
    at = part * check_s
    hung = {rank: float("inf") for rank in range(ranks - 1)} | {ranks - 1: at}
    seen = history(check_s, hung, jitter, until=at + 2 * check_s)
    first = {v: next(now for now, j in seen if j.verdict is v) for v in (Verdict.SUSPECT, Verdict.DEAD)}
    assert at < first[Verdict.SUSPECT] <= at + check_s / 2 + 1e-6
    assert first[Verdict.DEAD] <= at + check_s + 1e-6
    assert all(j.rank == ranks - 1 for now, j in seen if j.verdict is not Verdict.WORKING)
    assert all(j.verdict is Verdict.WORKING for now, j in seen if now <= at)


@given(CHECKS, st.lists(st.floats(0, 0.9), max_size=5), st.integers(1, 4))
def test_ranks_that_are_heard_are_left_alone(check_s: float, jitter: list[float], ranks: int) -> None:
    seen = history(check_s, dict.fromkeys(range(ranks), float("inf")), jitter, until=3 * check_s)
    assert {j.verdict for _, j in seen} == {Verdict.WORKING}


@given(CHECKS, st.floats(0.1, 1e6))
def test_a_pause_of_the_worker_itself_is_no_silence_of_its_ranks(check_s: float, pause_s: float) -> None:
    limits = Limits.of(check_s)
    watch = Watch(0.0).look({0: 1.0}, limits.look_s, limits)
    after = watch.look({0: 1.0}, watch.looked_at + pause_s, limits)
    assert judge(after, limits).silent_s <= 2 * limits.look_s + 1e-6 * pause_s


def test_ranks_that_were_never_heard_are_not_judged() -> None:
    limits = Limits.of(10)
    assert judge(Watch(0.0).look({}, 100.0, limits), limits) == Judgement(Verdict.WORKING)


class Done:
    """Actions that write down what was done; the first `failures` suspensions do not work."""

    def __init__(self, failures: int = 0) -> None:
        self.what: list[str] = []
        self.failures = failures

    async def suspend(self, why: str) -> bool:
        self.what.append("suspend")
        self.failures -= 1
        return self.failures < 0

    async def resume(self) -> bool:
        self.what.append("resume")
        return True

    def give_up(self, why: str) -> None:
        self.what.append("give up")


async def watched(script: str, done: Done) -> list[str]:
    """What is done when looks see, one after the other: a sign (+), the same as before (-), an order being carried out (o)."""
    steps, sign, now = iter(script), 0, 0.0

    async def signs() -> Mapping[int, float] | None:
        nonlocal sign
        step = next(steps, None)
        if step is None:
            raise asyncio.CancelledError
        sign += step == "+"
        return None if step == "o" else {0: float(sign)}

    async def sleep(seconds: float) -> None:
        nonlocal now
        now += seconds

    with contextlib.suppress(asyncio.CancelledError):
        await keep_watch(signs, done, 40.0, lambda: now, sleep)  # a look every half second: suspect after 36, dead after 76 of them
    return done.what


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("script", "does"),
    [
        ("+" * 30, []),
        ("+" + "-" * 35 + "+" + "-" * 35, []),
        ("+" + "-" * 90, ["suspend", "give up"]),
        ("+" + "-" * 50 + "+++", ["suspend", "resume"]),
        ("+" + "-" * 20 + "o" * 200 + "-" * 30, []),
        ("-" * 90, ["suspend", "give up"]),
    ],
)
async def test_what_follows(script: str, does: list[str]) -> None:
    assert await watched(script, Done()) == does


@pytest.mark.asyncio
async def test_a_suspension_that_failed_is_asked_for_again() -> None:
    assert await watched("+" + "-" * 40 + "++", Done(failures=2)) == ["suspend"] * 3 + ["resume"]


@pytest.mark.asyncio
async def test_no_watch_with_zero() -> None:
    await keep_watch(lambda: pytest.fail("nobody looks"), Done(), 0)
