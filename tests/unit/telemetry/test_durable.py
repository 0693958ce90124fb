"""KV events in a JetStream stream of a real server: what is read is what was written, from any point, over losses and restarts."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Sequence
from typing import Any

import nats.errors
import pytest
from jetstream_server import Server
from nats.aio.client import Client
from nats.js import JetStreamContext

from armature.engine.kv_events.mirror import Change, Mirror
from armature.engine.kv_events.wire import AllBlocksCleared, BlockRemoved, BlockStored
from armature.telemetry.kv_events import durable
from armature.telemetry.kv_events.durable import CaughtUp, Component, DurableSink, Rank, Read, Reader, forget, open_stream

RANK = Rank(7, 0)
_names = itertools.count()


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(durable, "WRITE_S", 0.5)
    monkeypatch.setattr(durable, "RETRY_S", 0.05)
    monkeypatch.setattr(durable, "READ_S", 0.2)


@pytest.fixture
async def component(client: Client) -> Component:
    made = Component("test", f"backend{next(_names)}")
    await open_stream(client.jetstream(), made)
    return made


class Writer:
    """A rank that changes and tells."""

    def __init__(self, client: Client, component: Component, rank: Rank = RANK) -> None:
        self.mirror = Mirror()
        self.sink = DurableSink(client.jetstream(), component, rank, 1, self.mirror.state)
        self._fresh = itertools.count(1000 * rank.worker + 100 * rank.rank)
        self._keeping = asyncio.create_task(self.sink.keep_up())

    async def does(self, stores: int, removes: int = 0) -> None:
        new = [next(self._fresh) for _ in range(stores)]
        old = list(itertools.islice(self.mirror, removes))
        changes: Sequence[Change] = self.mirror.apply([BlockStored([b], None, [b], 1) for b in new] + [BlockRemoved(old)] * bool(old))
        await self.sink.publish(changes)

    async def settled(self) -> None:
        """Until the state that is due has been told."""
        async with asyncio.timeout(10):
            while not self.sink.up_to_date:
                await asyncio.sleep(0.02)

    def close(self) -> None:
        self._keeping.cancel()


class Copies:
    """What a reader has put together: a mirror for each rank."""

    def __init__(self, client: Client, component: Component) -> None:
        self.reader = Reader(client.jetstream(), component)
        self.mirrors: dict[Rank, Mirror] = {}
        self.caught_up = asyncio.Event()
        self._reading = asyncio.create_task(self._read())

    async def _read(self) -> None:
        async for item in self.reader.items():
            match item:
                case Read():
                    mirror = self.mirrors.setdefault(item.rank, Mirror())
                    mirror.apply([AllBlocksCleared(), *item.events] if item.whole else item.events)
                case CaughtUp():
                    self.caught_up.set()

    async def equal(self, *writers: Writer) -> bool:
        """Whether the copies come to be the writers' blocks."""
        for _ in range(100):
            copies = [set(m) for _, m in sorted(self.mirrors.items(), key=lambda kv: (kv[0].worker, kv[0].rank))]
            if copies == [set(w.mirror) for w in writers]:
                return True
            await asyncio.sleep(0.05)
        return False

    def close(self) -> None:
        self._reading.cancel()


async def messages(client: Client, component: Component) -> int:
    return (await client.jetstream().stream_info(component.stream)).state.messages


async def test_a_reader_that_was_there_follows(client: Client, component: Component) -> None:
    copies, writer = Copies(client, component), Writer(client, component)
    await writer.settled()
    for _ in range(20):
        await writer.does(3, removes=1)
    assert await copies.equal(writer)
    copies.close(), writer.close()


async def test_a_reader_that_comes_late_has_the_whole_state(client: Client, component: Component) -> None:
    first, second = Writer(client, component, Rank(1, 0)), Writer(client, component, Rank(1, 1))
    for writer in (first, second):
        await writer.settled()
        for _ in range(10):
            await writer.does(4, removes=2)
    copies = Copies(client, component)
    await asyncio.wait_for(copies.caught_up.wait(), 10)
    assert {rank: set(m) for rank, m in copies.mirrors.items()} == {Rank(1, 0): set(first.mirror), Rank(1, 1): set(second.mirror)}
    copies.close(), first.close(), second.close()


async def test_an_empty_stream_is_caught_up_with_at_once(client: Client, component: Component) -> None:
    copies = Copies(client, component)
    await asyncio.wait_for(copies.caught_up.wait(), 10)
    copies.close()


async def test_the_state_told_again_takes_the_place_of_older_messages(
    client: Client, component: Component, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(durable, "STATE_EVERY", 10)
    writer = Writer(client, component)
    await writer.settled()
    for _ in range(45):
        await writer.does(1)
        await writer.settled()
    assert await messages(client, component) <= 11
    copies = Copies(client, component)
    assert await copies.equal(writer)
    copies.close(), writer.close()


async def test_a_message_that_is_sent_twice_is_there_once(client: Client, component: Component) -> None:
    for _ in range(2):
        await client.jetstream().publish(component.subject(RANK), b"x", headers={"Nats-Msg-Id": "7.0.0"})
    assert await messages(client, component) == 1


async def test_what_could_not_be_written_is_told_when_the_server_is_back(client: Client, component: Component, server: Server) -> None:
    copies, writer = Copies(client, component), Writer(client, component)
    await writer.settled()
    await writer.does(5)
    server.stop()
    try:
        for _ in range(3):
            await writer.does(2, removes=1)
    finally:
        server.start()
    assert await copies.equal(writer)
    copies.close(), writer.close()


async def test_a_full_stream_keeps_what_it_has_and_gets_the_state_when_there_is_room(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(durable, "MAX_BYTES", 4096)
    small = Component("test", "small")
    await open_stream(client.jetstream(), small)
    writer, other = Writer(client, small), Rank(8, 0)
    await writer.settled()
    await client.jetstream().publish(small.subject(other), b"x" * 3500)
    await writer.does(15)
    assert not writer.sink.up_to_date, "it was taken, although there was no room for it"
    await forget(client.jetstream(), small, other)
    await writer.settled()
    copies = Copies(client, small)
    assert await copies.equal(writer)
    copies.close(), writer.close()


async def test_a_missing_message_is_counted_and_the_next_state_mends_it(client: Client, component: Component) -> None:
    writer = Writer(client, component)
    await writer.settled()
    for _ in range(3):
        await writer.does(1)
    await client.jetstream().delete_msg(component.stream, 3)
    copies = Copies(client, component)
    await asyncio.wait_for(copies.caught_up.wait(), 10)
    assert copies.reader.missed == 1
    writer.sink._behind = True
    assert await copies.equal(writer)
    copies.close(), writer.close()


@pytest.mark.parametrize("more", [0, 5], ids=["the last ones", "some in between"])
async def test_messages_that_were_sent_and_did_not_come_are_read_again(
    client: Client, component: Component, monkeypatch: pytest.MonkeyPatch, more: int
) -> None:
    writer = Writer(client, component)
    await writer.settled()
    for _ in range(5):
        await writer.does(2)
    fetch, drop = JetStreamContext.PullSubscription.fetch, [True]

    async def lossy(self: Any, batch: int, **more_given: Any) -> Any:
        messages = await fetch(self, 3, **more_given)
        if drop:  # as when the connection breaks
            drop.clear()
            for _ in range(more):
                await writer.does(1)
            raise nats.errors.TimeoutError
        return messages

    monkeypatch.setattr(JetStreamContext.PullSubscription, "fetch", lossy)
    copies = Copies(client, component)
    assert await copies.equal(writer)
    assert copies.reader.missed == 0
    copies.close(), writer.close()
