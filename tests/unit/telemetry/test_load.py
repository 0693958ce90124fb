"""From schedulers' reports to the router and to series."""

from __future__ import annotations

import pytest

from armature.engine.types import RankLoad
from armature.telemetry import catalogue as c
from armature.telemetry.load import REPEAT_S, LoadWatch

BLOCK = 16


class Router:
    def __init__(self) -> None:
        self.told: list[tuple[int, int]] = []

    def publish(self, rank: int, active_blocks: int) -> None:
        self.told.append((rank, active_blocks))


def load(rank: int, used_tokens: int, running: int = 0, waiting: int = 0) -> RankLoad:
    return RankLoad(rank, running, waiting, used_tokens, total_tokens=BLOCK * 100, reported_at=7.0)


def watch(ranks: int = 2) -> LoadWatch:
    async def never() -> list[RankLoad]:
        raise AssertionError("not asked")

    return LoadWatch(never, range(ranks), BLOCK)


def test_each_rank_is_told_of_at_once() -> None:
    router = Router()
    watch().take([load(0, 0), load(1, 32)], router, now=0.0)
    assert router.told == [(0, 0), (1, 2)]


def test_a_block_that_was_begun_counts() -> None:
    assert [watch().active_blocks(load(0, used)) for used in (0, 1, 16, 17)] == [0, 1, 1, 2]


@pytest.mark.parametrize(("later", "again"), [(REPEAT_S / 2, False), (REPEAT_S, True)])
def test_what_did_not_change_is_repeated_for_routers_that_came_late(later: float, again: bool) -> None:
    router, watching = Router(), watch()
    watching.take([load(0, 16), load(1, 0)], router, now=100.0)
    router.told.clear()
    watching.take([load(0, 16), load(1, 0)], router, now=100.0 + later)
    assert (router.told == [(0, 1), (1, 0)]) is again


def test_a_change_is_told_at_once() -> None:
    router, watching = Router(), watch(1)
    watching.take([load(0, 16)], router, now=100.0)
    watching.take([load(0, 160)], router, now=100.01)
    assert router.told == [(0, 1), (0, 10)]


def test_a_report_that_cannot_be_read_is_counted_and_the_last_one_stands() -> None:
    router, watching = Router(), watch()
    watching.take([load(0, 16), load(1, 32)], router, now=100.0)
    watching.take([load(0, 16)], router, now=100.1)
    values = {(v.metric.name, v.labels): v.number for v in watching.values()}
    assert values[c.UNREADABLE_REPORTS.name, ("1",)] == 1 and values[c.UNREADABLE_REPORTS.name, ("0",)] == 0
    assert values[c.BLOCKS_ACTIVE.name, ("1",)] == 2


def test_the_figures_of_a_rank() -> None:
    watching = watch(1)
    watching.take([load(0, 400, running=3, waiting=5)], None, now=0.0)
    assert {v.metric.name: v.number for v in watching.values()} == {
        c.RUNNING.name: 3,
        c.WAITING.name: 5,
        c.BLOCKS_ACTIVE.name: 25,
        c.BLOCKS.name: 100,
        c.CACHE_USE.name: 0.25,
        c.REPORTED.name: 7.0,
        c.UNREADABLE_REPORTS.name: 0,
    }
