"""The load of a worker's ranks, from their schedulers' reports to the router and to Prometheus.

A scheduler reports after every prefill, every few decode steps and whenever it has nothing to do; see
docs/decisions/0005-metrics.md. What changed is handed on at the next look, and what did not every REPEAT_S, for routers that
came late.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import Protocol

from armature.engine.types import RankLoad
from armature.telemetry import catalogue
from armature.telemetry.catalogue import Value

LOOK_S = 0.1
REPEAT_S = 1.0

logger = logging.getLogger(__name__)


class Router(Protocol):
    """What this needs of `runtime.load.LoadPublisher`."""

    def publish(self, rank: int, active_blocks: int) -> None: ...


class LoadWatch:
    """Looks at the reports of `ranks`. block_size: in tokens."""

    def __init__(self, read: Callable[[], Awaitable[Sequence[RankLoad]]], ranks: Sequence[int], block_size: int) -> None:
        self._read, self._ranks, self._block_size = read, ranks, block_size
        self._told: dict[int, tuple[int, float]] = {}  # rank -> the active blocks that routers were told of, and when
        self.loads: dict[int, RankLoad] = {}
        self.unreadable = dict.fromkeys(ranks, 0)

    async def run(self, router: Router | None) -> None:
        """Look again and again, until cancelled. router: None when no router is told."""
        while True:
            self.take(await self._read(), router, time.monotonic())
            await asyncio.sleep(LOOK_S)

    def take(self, loads: Sequence[RankLoad], router: Router | None, now: float) -> None:
        """Take over what one look found. now: seconds on a clock that never goes back."""
        for load in loads:
            self.loads[load.rank] = load
            if router:
                self._tell(load, router, now)
        for rank in set(self._ranks) - {load.rank for load in loads}:
            if not self.unreadable[rank]:
                logger.warning("the load report of rank %d cannot be read", rank)
            self.unreadable[rank] += 1

    def _tell(self, load: RankLoad, router: Router, now: float) -> None:
        active = self.active_blocks(load)
        blocks, since = self._told.get(load.rank, (-1, 0.0))
        if active != blocks or now - since >= REPEAT_S:
            router.publish(load.rank, active)
            self._told[load.rank] = (active, now)

    def active_blocks(self, load: RankLoad) -> int:
        """Blocks that requests hold, begun ones included."""
        return -(-load.used_tokens // self._block_size)

    def values(self) -> Iterator[Value]:
        """The series of all ranks that have reported."""
        for rank, load in sorted(self.loads.items()):
            label, active, blocks = (str(rank),), self.active_blocks(load), load.total_tokens // self._block_size
            yield Value(catalogue.RUNNING, load.running, label)
            yield Value(catalogue.WAITING, load.waiting, label)
            yield Value(catalogue.BLOCKS_ACTIVE, active, label)
            yield Value(catalogue.BLOCKS, blocks, label)
            yield Value(catalogue.CACHE_USE, load.used_tokens / load.total_tokens if load.total_tokens else 0.0, label)
            yield Value(catalogue.REPORTED, load.reported_at, label)
        for rank, count in self.unreadable.items():
            yield Value(catalogue.UNREADABLE_REPORTS, count, (str(rank),))
