"""What a relay tells of gaps, of repairs, and of blocks that were known wrongly."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence

import pytest

from armature.engine.kv_events.mirror import Change
from armature.engine.kv_events.wire import AllBlocksCleared, BlockStored, Event, write_batch
from armature.telemetry import catalogue as c
from armature.telemetry.kv_events.counts import values
from armature.telemetry.kv_events.relay import Relay
from armature.telemetry.kv_events.subscription import Batch, Counts, Item, Lost


class Script:
    """A source that gives its items and ends."""

    def __init__(self, *items: Item) -> None:
        self.counts, self._items = Counts(), items

    async def items(self) -> AsyncIterator[Item]:
        for item in self._items:
            yield item

    async def ask_for_state(self) -> None:
        pass


class Sink:
    failed = 3

    async def publish(self, changes: Sequence[Change]) -> None:
        pass


def stored(*hashes: int) -> BlockStored:
    return BlockStored(list(hashes), None, [1] * len(hashes), 1)


def batch(number: int, *events: Event) -> Batch:
    return Batch(number, write_batch(0.0, events, rank=0))


async def after(*items: Item, comparing: bool = False) -> dict[tuple[str, ...], float]:
    """The series after `items`."""
    relay = Relay(0, Script(*items))
    relay.sink = Sink()
    asked = asyncio.create_task(relay.compare()) if comparing else None
    await asyncio.sleep(0)
    await relay.run()
    if asked:
        await asked
    return {(v.metric.name, *v.labels[1:]): v.number for v in values([relay])}


async def test_what_is_lost_awaits_the_whole_state() -> None:
    found = await after(batch(0, stored(1)), Lost(1, 2))
    assert found[c.EVENT_AWAITED.name,] == 1 and found[c.EVENT_STATES.name,] == 0


async def test_the_whole_state_mends_it() -> None:
    found = await after(batch(0, stored(1)), Lost(1, 2), batch(3, AllBlocksCleared(), stored(1), stored(2)))
    assert found[c.EVENT_AWAITED.name,] == 0 and found[c.EVENT_STATES.name,] == 1
    assert found[c.EVENT_WRONG.name, "missing"] == 0  # they were cleared, and known to be missing


async def test_a_batch_that_cannot_be_read_is_counted() -> None:
    found = await after(Batch(0, b"\x80\x04no batch"))
    assert found[c.EVENT_UNREADABLE.name,] == 1 and found[c.EVENT_AWAITED.name,] == 1


@pytest.mark.parametrize(("state", "missing", "stale"), [((1, 2), 1, 0), ((2,), 1, 1), ((1,), 0, 0)])
async def test_a_check_counts_what_was_wrong(state: tuple[int, ...], missing: int, stale: int) -> None:
    whole = batch(1, AllBlocksCleared(), *(stored(block) for block in state))
    found = await after(batch(0, stored(1)), whole, comparing=True)
    assert (found[c.EVENT_WRONG.name, "missing"], found[c.EVENT_WRONG.name, "stale"]) == (missing, stale)


async def test_failed_writes_are_the_sinks() -> None:
    assert (await after())[c.EVENT_UNWRITTEN.name,] == 3
