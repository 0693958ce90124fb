"""A worker's KV events: for each rank on this host one subscription, one mirror, one way out."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import zmq.asyncio

from armature.engine.types import KvEventSource
from armature.runtime.kv_events import RankPublisher, worker_id
from armature.telemetry.kv_events import jetstream
from armature.telemetry.kv_events.durable import Component, DurableSink, Rank, forget, open_stream
from armature.telemetry.kv_events.live import LiveSink
from armature.telemetry.kv_events.relay import Relay
from armature.telemetry.kv_events.subscription import Subscription

if TYPE_CHECKING:
    from dynamo.runtime import Endpoint

CHECK_S = 10.0


@dataclass(frozen=True, slots=True)
class DurableEvents:
    """Where KV events are kept: the NATS server, and the component of the runtime whose stream it is."""

    nats_url: str | None
    component: Component


class KvEvents:
    """The companion that carries a worker's KV events.

    durable: the stream that they go into; None: they go to the router at once. block_size: in tokens.
    """

    def __init__(self, sources: Sequence[KvEventSource], block_size: int, durable: DurableEvents | None = None) -> None:
        self._sources, self._block_size, self._durable = sources, block_size, durable
        self.relays: list[Relay] = []  # once they have their sinks
        self._worker = 0

    async def run(self, endpoint: Endpoint) -> None:
        """Carry the events of every rank until cancelled."""
        self._worker = worker_id(endpoint)
        context = zmq.asyncio.Context()
        try:
            relays = [Relay(s.rank, Subscription(s, context)) for s in self._sources]
            async with asyncio.TaskGroup() as tasks, self._sinks(relays, endpoint, tasks):
                self.relays = relays
                for relay in relays:
                    tasks.create_task(relay.run(), name=f"KV events of rank {relay.rank}")
                await asyncio.Event().wait()
        finally:
            context.destroy(linger=0)

    async def check(self, hashes: bool = False) -> dict[str, Any]:
        """{"worker", "ranks": [{"rank", "blocks", "missing", "stale"}]}, or {"error"}.

        worker: its id in the runtime. blocks: how many the rank holds. missing, stale: by how many of them what had been passed
        on was wrong, which is mended with that. hashes: also "hashes", the blocks.
        """
        try:
            async with asyncio.timeout(CHECK_S):
                differences = await asyncio.gather(*(relay.compare() for relay in self.relays))
        except TimeoutError:
            return {"error": f"an engine did not report its cache within {CHECK_S:g} s"}
        ranks = [{"rank": relay.rank, **asdict(d)} for relay, d in zip(self.relays, differences, strict=True)]
        if hashes:
            ranks = [rank | {"hashes": list(relay.mirror)} for rank, relay in zip(ranks, self.relays, strict=True)]
        return {"worker": self._worker, "ranks": ranks}

    @asynccontextmanager
    async def _sinks(self, relays: Sequence[Relay], endpoint: Endpoint, tasks: asyncio.TaskGroup) -> AsyncIterator[None]:
        """Give every relay its sink; in the end take back what would outlive this worker."""
        if self._durable is None:
            for relay in relays:
                relay.sink = LiveSink(RankPublisher(endpoint, relay.rank, self._block_size))
            yield
            return
        client = await jetstream.connect(self._durable.nats_url)
        try:
            js, component = client.jetstream(), self._durable.component
            await open_stream(js, component)
            ranks = [Rank(self._worker, relay.rank) for relay in relays]
            for relay, rank in zip(relays, ranks, strict=True):
                relay.sink = sink = DurableSink(js, component, rank, self._block_size, relay.mirror.state)
                tasks.create_task(sink.keep_up(), name=f"state of rank {relay.rank}")
            try:
                yield
            finally:
                await asyncio.gather(*(forget(js, component, rank) for rank in ranks))
        finally:
            await client.close()
