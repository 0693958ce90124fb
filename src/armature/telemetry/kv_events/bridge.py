"""From the durable stream to the router: all workers' KV events are published to it by one process, the bridge.

With `runtime.events_durable` workers write into the stream only, because a router trusts one source of a rank's events.
The bridge is that source for all of them. A router that restarts, or comes late, gets the whole state from the bridge; a
bridge that restarts gets it from the stream. Neither asks a worker.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable

from armature.engine.kv_events.mirror import Mirror
from armature.engine.kv_events.wire import AllBlocksCleared
from armature.telemetry.kv_events.durable import CaughtUp, Rank, Read, Reader
from armature.telemetry.kv_events.live import Publisher, runtime_event

LOOK_S = 5.0  # between looks at which workers are there
GONE_S = 60.0  # a worker that is not found for this long does not come back

logger = logging.getLogger(__name__)

Source = Callable[[Rank, int], Publisher]  # the rank and its block size -> its publisher


class Bridge:
    """One component's ranks."""

    def __init__(self, reader: Reader, source: Source, forget: Callable[[Rank], Awaitable[None]]) -> None:
        self._reader, self._source, self._forget = reader, source, forget
        self._publishers: dict[Rank, Publisher] = {}
        self._mirrors: dict[Rank, Mirror] = {}
        self._seen: dict[int, float] = {}  # worker -> when it was last found

    @property
    def blocks(self) -> int:
        """How many blocks all ranks together have."""
        return sum(map(len, self._mirrors.values()))

    async def run(self, caught_up: Callable[[], None]) -> None:
        """Carry on until cancelled. caught_up: called once all that the stream held at the start is published."""
        async for item in self._reader.items():
            match item:
                case Read():
                    self._publish(item)
                case CaughtUp():
                    caught_up()

    async def keep_clean(self, workers: Callable[[], set[int]]) -> None:
        """Forget the ranks of workers that are gone, until cancelled."""
        while True:
            await asyncio.sleep(LOOK_S)
            await self.look(workers(), time.monotonic())

    async def look(self, present: set[int], now: float) -> None:
        """Forget the ranks of workers that were last present more than GONE_S before `now`."""
        self._seen |= dict.fromkeys(present, now)
        for rank in list(self._mirrors):
            if now - self._seen.setdefault(rank.worker, now) > GONE_S:
                await self._drop(rank)

    def _publish(self, read: Read) -> None:
        mirror = self._mirrors.setdefault(read.rank, Mirror())
        changes = mirror.apply([AllBlocksCleared(), *read.events] if read.whole else read.events)
        if read.rank not in self._publishers:
            self._publishers[read.rank] = self._source(read.rank, read.block_size)
        if changes:
            self._publishers[read.rank].publish([runtime_event(change) for change in changes])

    async def _drop(self, rank: Rank) -> None:
        logger.info("worker %d is gone; dropped its rank %d", rank.worker, rank.rank)
        self._mirrors.pop(rank)
        self._publishers.pop(rank).close()
        await self._forget(rank)
