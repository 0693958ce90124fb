"""The bridge publishes what the stream tells, each rank to its own publisher, and forgets workers that are gone."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest

from armature.engine.kv_events.wire import BlockRemoved, BlockStored
from armature.telemetry.kv_events import bridge
from armature.telemetry.kv_events.bridge import Bridge
from armature.telemetry.kv_events.durable import CaughtUp, Rank, Read

ONE, TWO = Rank(1, 0), Rank(2, 1)


class Publisher:
    def __init__(self) -> None:
        self.blocks: set[int] = set()
        self.closed = False

    def publish(self, events: Sequence[dict[str, Any]]) -> None:
        for event in events:
            hashes = set(event["block_hashes"])
            self.blocks = self.blocks | hashes if event["type"] == "stored" else self.blocks - hashes

    def close(self) -> None:
        self.closed = True


class Stream:
    """In place of `Reader`: items that the test gives, and then nothing more."""

    def __init__(self, *items: Read | CaughtUp) -> None:
        self._items = items

    async def items(self) -> AsyncIterator[Read | CaughtUp]:
        for item in self._items:
            yield item
        await asyncio.Event().wait()


class Bridged:
    def __init__(self, *items: Read | CaughtUp) -> None:
        self.publishers: dict[Rank, Publisher] = {}
        self.forgotten: list[Rank] = []
        self.caught_up_with: int | None = None
        self.bridge = Bridge(Stream(*items), self._source, self._forget)  # type: ignore[arg-type]

    def _source(self, rank: Rank, _block_size: int) -> Publisher:
        assert rank not in self.publishers or self.publishers[rank].closed, "a rank has two sources"
        return self.publishers.setdefault(rank, Publisher())

    async def _forget(self, rank: Rank) -> None:
        self.forgotten.append(rank)

    def _caught_up(self) -> None:
        self.caught_up_with = self.bridge.blocks

    async def run(self) -> None:
        running = asyncio.create_task(self.bridge.run(self._caught_up))
        for _ in range(10):
            await asyncio.sleep(0)
        running.cancel()


def read(rank: Rank, *events: BlockStored | BlockRemoved, whole: bool = False) -> Read:
    return Read(rank, 1, events, whole)


def stored(*hashes: int) -> BlockStored:
    return BlockStored(list(hashes), None, list(hashes), 1)


async def test_each_rank_has_a_publisher_of_its_own() -> None:
    bridged = Bridged(read(ONE, stored(1, 2), whole=True), read(TWO, stored(1), whole=True), read(ONE, BlockRemoved([2])))
    await bridged.run()
    assert {rank: p.blocks for rank, p in bridged.publishers.items()} == {ONE: {1}, TWO: {1}}


async def test_a_whole_state_takes_the_place_of_what_was_published() -> None:
    bridged = Bridged(read(ONE, stored(1, 2), whole=True), read(ONE, stored(2, 3), whole=True))
    await bridged.run()
    assert bridged.publishers[ONE].blocks == {2, 3}


async def test_it_says_when_it_has_caught_up() -> None:
    bridged = Bridged(read(ONE, stored(1, 2), whole=True), CaughtUp(), read(ONE, stored(3)))
    await bridged.run()
    assert (bridged.caught_up_with, bridged.bridge.blocks) == (2, 3)


@pytest.mark.parametrize("back_in_time", [True, False])
async def test_the_ranks_of_a_worker_that_stays_away_are_forgotten(back_in_time: bool) -> None:
    bridged = Bridged(read(ONE, stored(1), whole=True), read(TWO, stored(2), whole=True))
    await bridged.run()
    await bridged.bridge.look({1, 2}, now=0.0)
    await bridged.bridge.look({1}, now=bridge.GONE_S)
    assert not bridged.forgotten, "it may still come back"
    back = {2} if back_in_time else set()
    await bridged.bridge.look({1} | back, now=bridge.GONE_S + 1)
    gone = [] if back_in_time else [TWO]
    assert bridged.forgotten == gone
    assert [rank for rank, p in bridged.publishers.items() if p.closed] == gone
    assert bridged.bridge.blocks == 2 - len(gone)
