"""One rank's KV events: batches in order, each once, with gaps repaired from what the publisher remembers.

Batches are numbered from 0 by each life of the engine. A number that is skipped means that batches were lost on the way;
so does a number that the publisher knows and that never came, which `TAIL_S` seconds of silence make us ask for.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Protocol

import zmq
import zmq.asyncio

from armature.engine.types import KV_RESEND, KvEventSource

TAIL_S = 2.0  # a lost last batch is found this much later, at most
REPLAY_S = 5.0  # the publisher answers between two of its own batches, within 0.1 s
_END = (2**64 - 1).to_bytes(8, "big")  # the publisher's -1

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Batch:
    """Batch number `seq` of a rank, as it came."""

    seq: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Lost:
    """Batches that nobody has any more: from `first` on, `count` of them."""

    first: int
    count: int


Item = Batch | Lost


@dataclass(slots=True)
class Counts:
    """received: batches that came. gaps: times that some were missing. repaired, lost: batches that were had again, or not."""

    received: int = 0
    gaps: int = 0
    repaired: int = 0
    lost: int = 0


class Source(Protocol):
    """Batches of one rank in order."""

    counts: Counts

    def items(self) -> AsyncIterator[Item]: ...

    async def ask_for_state(self) -> None:
        """Have the whole state published as one of the next batches."""
        ...


class Subscription:
    """The sockets of one rank. See the module."""

    def __init__(self, source: KvEventSource, context: zmq.asyncio.Context) -> None:
        self.counts = Counts()
        self._source = source
        self._context = context
        self._next = 0

    async def items(self) -> AsyncIterator[Item]:
        """Batches from number 0 on, without end."""
        live = _connected(self._context, zmq.SUB, self._source.events)
        live.setsockopt(zmq.SUBSCRIBE, b"")
        try:
            while True:
                try:
                    _, number, data = await asyncio.wait_for(live.recv_multipart(), TAIL_S)
                except TimeoutError:
                    async for item in self._repair(None):
                        yield item
                    continue
                seq = int.from_bytes(number, "big")
                if seq < self._next:
                    continue  # it was in a replay already
                if seq > self._next:
                    async for item in self._repair(seq):
                        yield item
                if seq == self._next:
                    self.counts.received += 1
                    self._next += 1
                    yield Batch(seq, data)
        finally:
            live.close()

    async def ask_for_state(self) -> None:
        """See `Source.ask_for_state`."""
        await self._replay(KV_RESEND)

    async def _repair(self, seen: int | None) -> AsyncIterator[Item]:
        """What is missing from the next number on, up to `seen`, or, when nothing was seen, up to what the publisher knows."""
        expected = self._next
        batches = await self._replay(expected.to_bytes(8, "big"))
        if seen is not None:
            self.counts.gaps += 1
        elif batches:
            self.counts.gaps += 1
            logger.info("rank %d: the last %d batches of KV events were missing; replayed", self._source.rank, len(batches))
        for batch in batches:
            if batch.seq < self._next:
                continue
            if batch.seq > self._next:
                yield self._lose(batch.seq)
            self.counts.repaired += 1
            self._next = batch.seq + 1
            yield batch
        if seen is not None and self._next < seen:
            yield self._lose(seen)

    def _lose(self, until: int) -> Lost:
        lost = Lost(self._next, until - self._next)
        logger.warning("rank %d: %d batches of KV events are lost, from number %d on", self._source.rank, lost.count, lost.first)
        self.counts.lost += lost.count
        self._next = until
        return lost

    async def _replay(self, start: bytes) -> list[Batch]:
        """What the publisher remembers from `start` on. Empty when it does not answer within REPLAY_S."""
        asking = _connected(self._context, zmq.DEALER, self._source.replay)
        batches: list[Batch] = []
        try:
            async with asyncio.timeout(REPLAY_S):
                await asking.send_multipart((b"", start))
                while True:
                    _, number, data = await asking.recv_multipart()
                    if number == _END:
                        return batches
                    batches.append(Batch(int.from_bytes(number, "big"), data))
        except TimeoutError:
            logger.warning("rank %d: its KV event publisher does not answer a replay request", self._source.rank)
            return batches
        finally:
            asking.close()


def _connected(context: zmq.asyncio.Context, kind: int, address: str) -> zmq.asyncio.Socket:
    s = context.socket(kind)
    s.setsockopt(zmq.IPV6, int("[" in address))
    s.setsockopt(zmq.LINGER, 0)
    s.set_hwm(0)  # loss belongs to the publisher's side, where it is bounded and seen
    s.connect(address)
    return s
