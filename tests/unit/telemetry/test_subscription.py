"""A subscription gives every batch once and in order, whatever gets lost on the way."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from scripted_publisher import Publisher, publishing

from armature.telemetry.kv_events import subscription
from armature.telemetry.kv_events.subscription import Batch, Counts, Item, Lost, Subscription


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subscription, "TAIL_S", 0.2)
    monkeypatch.setattr(subscription, "REPLAY_S", 5.0)


async def joined(publisher: Publisher, subscribed: Subscription) -> AsyncIterator[Item]:
    """The subscription's items, from when its first batch has come: until then a PUB socket may not know of it."""
    items = subscribed.items()
    first = asyncio.ensure_future(anext(items))
    while not first.done():
        await publisher.publish_all(1)
        await asyncio.sleep(0.02)
    assert (await first) == Batch(0, b"0")
    while subscribed._next < len(publisher.sent):
        await anext(items)
    subscribed.counts = Counts()
    return items


async def take(items: AsyncIterator[Item], count: int) -> list[Item]:
    async with asyncio.timeout(10):
        return [await anext(items) for _ in range(count)]


def batches(first: int, count: int) -> list[Item]:
    return [Batch(n, b"%d" % n) for n in range(first, first + count)]


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]"])
async def test_batches_come_in_order(host: str) -> None:
    with publishing(host) as (publisher, context):
        subscribed = Subscription(publisher.source, context)
        items = await joined(publisher, subscribed)
        at = len(publisher.sent)
        await publisher.publish_all(5)
        assert await take(items, 5) == batches(at, 5)
        assert subscribed.counts == Counts(received=5)


async def test_what_was_published_before_it_listened_is_had_as_well() -> None:
    with publishing() as (publisher, context):
        await publisher.publish_all(3)
        await joined(publisher, Subscription(publisher.source, context))


@pytest.mark.parametrize("lost", [1, 100])
async def test_a_gap_is_repaired_in_its_place(lost: int) -> None:
    with publishing() as (publisher, context):
        subscribed = Subscription(publisher.source, context)
        items = await joined(publisher, subscribed)
        at = len(publisher.sent)
        await publisher.publish_all(lost + 4, lose=range(at + 2, at + 2 + lost))
        assert await take(items, lost + 4) == batches(at, lost + 4)
        counts = subscribed.counts
        assert (counts.gaps, counts.lost) == (1, 0)
        assert lost <= counts.repaired <= lost + 2, "the replay repeats what comes after the gap, too"


async def test_a_lost_tail_is_found_in_silence() -> None:
    with publishing() as (publisher, context):
        subscribed = Subscription(publisher.source, context)
        items = await joined(publisher, subscribed)
        at = len(publisher.sent)
        await publisher.publish_all(3, lose=range(at, at + 3))
        assert await take(items, 3) == batches(at, 3)
        assert subscribed.counts == Counts(gaps=1, repaired=3)


async def test_what_the_publisher_forgot_is_lost_and_what_it_remembers_is_not() -> None:
    with publishing(remembers=10) as (publisher, context):
        subscribed = Subscription(publisher.source, context)
        items = await joined(publisher, subscribed)
        at = len(publisher.sent)
        await publisher.publish_all(51, lose=range(at, at + 50))
        assert await take(items, 11) == [Lost(at, 41), *batches(at + 41, 10)]
        assert (subscribed.counts.gaps, subscribed.counts.lost) == (1, 41)


async def test_a_publisher_that_answers_no_replay_does_not_stop_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subscription, "REPLAY_S", 0.5)
    with publishing() as (publisher, context):
        subscribed = Subscription(publisher.source, context)
        items = await joined(publisher, subscribed)
        publisher.answers = False
        at = len(publisher.sent)
        await publisher.publish_all(3, lose=[at])
        assert await take(items, 3) == [Lost(at, 1), *batches(at + 1, 2)]
