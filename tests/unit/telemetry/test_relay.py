"""From a rank's batches to a sink whose follower has the engine's blocks, also after what cannot be repaired."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence

import pytest

from armature.engine.kv_events.mirror import Change, Mirror
from armature.engine.kv_events.wire import AllBlocksCleared, BlockRemoved, BlockStored, Event, write_batch
from armature.telemetry.kv_events.relay import Difference, Relay, RelayCounts
from armature.telemetry.kv_events.subscription import Batch, Counts, Item, Lost


class Engine:
    """An engine whose batches are put in by the test. It tells its whole state when it is asked."""

    def __init__(self) -> None:
        self.counts = Counts()
        self.truth = Mirror()
        self._items: asyncio.Queue[Item] = asyncio.Queue()
        self._seq = 0

    async def items(self) -> AsyncIterator[Item]:
        while True:
            yield await self._items.get()

    async def ask_for_state(self) -> None:
        self.put(write_batch(0.0, [AllBlocksCleared(), *self.truth.state()], 0))

    def does(self, events: Sequence[Event], lost: bool = False, rank: int = 0) -> None:
        """Change its blocks and tell, unless that gets lost."""
        self.truth.apply(events)
        if not lost:
            self.put(write_batch(0.0, events, rank))

    def put(self, data: bytes) -> None:
        self._items.put_nowait(Batch(self._seq, data))
        self._seq += 1

    def lose(self) -> None:
        self._items.put_nowait(Lost(self._seq, 1))
        self._seq += 1


class Follower:
    """A sink that has the blocks that it was told of."""

    def __init__(self) -> None:
        self.mirror = Mirror()
        self.told: list[Change] = []

    async def publish(self, changes: Sequence[Change]) -> None:
        self.told += changes
        self.mirror.apply(changes)


def stored(*hashes: int) -> BlockStored:
    return BlockStored(list(hashes), None, list(hashes), 1)


async def relayed(engine: Engine, rank: int = 0) -> tuple[Relay, Follower]:
    """A relay that has taken all that the engine told so far."""
    relay, follower = Relay(rank, engine), Follower()
    relay.sink = follower
    running = asyncio.create_task(relay.run())
    await settle()
    running.cancel()
    return relay, follower


async def settle() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


async def test_changes_are_handed_on_once() -> None:
    engine = Engine()
    engine.does([stored(1, 2)])
    engine.does([stored(1, 2)])
    engine.does([BlockRemoved([2])])
    relay, follower = await relayed(engine)
    assert set(follower.mirror) == {1}
    assert (relay.counts, len(follower.told)) == (RelayCounts(changes=2), 2)


@pytest.mark.parametrize("garbage", [False, True], ids=["lost", "unreadable"])
async def test_after_a_loss_the_rank_is_cleared_and_told_anew(garbage: bool) -> None:
    engine = Engine()
    engine.does([stored(1, 2)])
    engine.does([BlockRemoved([2]), stored(3)], lost=True)
    engine.put(b"garbage") if garbage else engine.lose()
    relay, follower = await relayed(engine)
    assert set(follower.mirror) == set(engine.truth) == {1, 3}
    assert follower.told[1].block_hashes == [2, 1], "the router kept blocks that it could not be sure of"
    assert (relay.counts.states, relay.counts.unreadable) == (1, int(garbage))


async def test_a_batch_of_another_rank_is_left_out() -> None:
    engine = Engine()
    engine.does([stored(1)], rank=1)
    relay, follower = await relayed(engine)
    assert set(follower.mirror) == set()
    assert relay.counts.unreadable == 1


async def test_a_comparison_tells_how_wrong_the_router_was_and_mends_it() -> None:
    engine = Engine()
    engine.does([stored(1, 2, 3)])
    engine.does([BlockRemoved([3]), stored(7)], lost=True)  # a loss that nobody noticed
    relay, follower = Relay(0, engine), Follower()
    relay.sink = follower
    running = asyncio.create_task(relay.run())
    await settle()
    assert await relay.compare() == Difference(blocks=3, missing=1, stale=1)
    assert await relay.compare() == Difference(blocks=3, missing=0, stale=0)
    assert set(follower.mirror) == set(engine.truth)
    running.cancel()
