"""A worker's KV events: for each rank on this host one subscription, one mirror, one publisher."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import zmq.asyncio

from armature.engine.kv_events.mirror import Change, Removed
from armature.engine.types import KvEventSource
from armature.runtime.kv_events import RankPublisher
from armature.telemetry.kv_events.relay import Relay, Sink
from armature.telemetry.kv_events.subscription import Subscription

if TYPE_CHECKING:
    from dynamo.runtime import Endpoint

CHECK_S = 10.0  # an idle engine looks for what is asked of it once a second


class LiveSink:
    """To the runtime's router, over the event plane."""

    def __init__(self, publisher: RankPublisher) -> None:
        self._publisher = publisher

    async def publish(self, changes: Sequence[Change]) -> None:
        """See `telemetry.kv_events.relay.Sink`."""
        publisher = self._publisher
        publisher.publish(
            [
                publisher.removed(change.hashes)
                if isinstance(change, Removed)
                else publisher.stored(change.hashes, change.parent, change.token_ids, change.block_size)
                for change in changes
            ]
        )


class KvEvents:
    """The companion that carries a worker's KV events."""

    def __init__(self, sources: Sequence[KvEventSource], block_size: int) -> None:
        self._sources, self._block_size = sources, block_size
        self.relays: list[Relay] = []

    async def run(self, endpoint: Endpoint) -> None:
        """Carry the events of every rank until cancelled."""
        context = zmq.asyncio.Context()
        try:
            self.relays = [Relay(s.rank, Subscription(s, context), self._sink(endpoint, s.rank)) for s in self._sources]
            async with asyncio.TaskGroup() as ranks:
                for relay in self.relays:
                    ranks.create_task(relay.run(), name=f"KV events of rank {relay.rank}")
        finally:
            context.destroy(linger=0)

    async def check(self, body: dict[str, Any]) -> dict[str, Any]:
        """{} -> {"ranks": [{"rank", "blocks", "missing", "stale"}]}: what every engine's cache holds, and by how many blocks
        what the router had been told was wrong. It is mended with that."""

        try:
            async with asyncio.timeout(CHECK_S):
                differences = await asyncio.gather(*(relay.compare() for relay in self.relays))
        except TimeoutError:
            return {"error": f"an engine did not tell its state within {CHECK_S:g} s"}
        return {"ranks": [{"rank": relay.rank, **asdict(d)} for relay, d in zip(self.relays, differences, strict=True)]}

    def _sink(self, endpoint: Endpoint, rank: int) -> Sink:
        return LiveSink(RankPublisher(endpoint, rank, self._block_size))
