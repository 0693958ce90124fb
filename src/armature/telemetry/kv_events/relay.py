"""From a rank's batches to a sink: read, reduced to what is news, handed on. What is lost is cleared and asked for again."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from armature.engine.kv_events.mirror import Change, Mirror
from armature.engine.kv_events.wire import AllBlocksCleared, BlockRemoved, UnreadableBatch, read_batch
from armature.telemetry.kv_events.subscription import Batch, Lost, Source

logger = logging.getLogger(__name__)


class Sink(Protocol):
    """Where the changes of one rank go. failed: how often they could not be handed over."""

    failed: int

    async def publish(self, changes: Sequence[Change]) -> None: ...


@dataclass(slots=True)
class RelayCounts:
    """changes: what was handed on. states: how often the whole state came after a loss.
    unreadable: batches that were none. missing, stale: wrong blocks that comparisons found."""

    changes: int = 0
    states: int = 0
    unreadable: int = 0
    missing: int = 0
    stale: int = 0


@dataclass(frozen=True, slots=True)
class Difference:
    """How the engine's whole state differed from what the router had been told: blocks that were missing there, and stale ones."""

    blocks: int
    missing: int
    stale: int


class Relay:
    """One rank's way to its sink. awaits_state: something is lost, and the whole state has not come yet."""

    sink: Sink  # set before `run`: it may need the mirror

    def __init__(self, rank: int, source: Source) -> None:
        self.rank, self.source, self.counts, self.mirror = rank, source, RelayCounts(), Mirror()
        self.awaits_state = False
        self._comparing: list[asyncio.Future[Difference]] = []

    async def run(self) -> None:
        """Carry on until cancelled. Raises what the sink raises."""
        async for item in self.source.items():
            match item:
                case Batch(data=data):
                    await self._take(data)
                case Lost():
                    await self.resync()

    async def resync(self) -> None:
        """Clear the rank's blocks at the router, and have the engine tell all of them again."""
        await self._hand_on(self.mirror.clear())
        self.awaits_state = True
        await self.source.ask_for_state()

    async def compare(self) -> Difference:
        """Have the engine tell its whole state, and mend what the router knew otherwise. Waits until that has come."""
        compared: asyncio.Future[Difference] = asyncio.get_running_loop().create_future()
        self._comparing.append(compared)
        await self.source.ask_for_state()
        return await compared

    async def _take(self, data: bytes) -> None:
        try:
            rank, events = read_batch(data)
        except UnreadableBatch as e:
            logger.warning("rank %d: a batch of KV events cannot be read: %s", self.rank, e)
            self.counts.unreadable += 1
            await self.resync()
            return
        if rank is not None and rank != self.rank:
            logger.error("rank %d: ignored a batch of KV events of rank %d", self.rank, rank)
            self.counts.unreadable += 1
            return
        changes = self.mirror.apply(events)
        await self._hand_on(changes)
        if events and isinstance(events[0], AllBlocksCleared):
            self._whole(Difference(len(self.mirror), *_sizes(changes)))

    def _whole(self, difference: Difference) -> None:
        """The whole state has come: it mends what was lost, and tells what was wrong although nothing seemed to be."""
        if self.awaits_state:
            self.awaits_state = False
            self.counts.states += 1
        elif self._comparing:
            self.counts.missing += difference.missing
            self.counts.stale += difference.stale
        for compared in self._comparing:
            if not compared.done():
                compared.set_result(difference)
        self._comparing.clear()

    async def _hand_on(self, changes: Sequence[Change]) -> None:
        if changes:
            self.counts.changes += len(changes)
            await self.sink.publish(changes)


def _sizes(changes: Sequence[Change]) -> tuple[int, int]:
    stale = sum(len(c.block_hashes) for c in changes if isinstance(c, BlockRemoved))
    return sum(len(c.block_hashes) for c in changes) - stale, stale
