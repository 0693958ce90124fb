"""What a worker tells of itself: its load to the router, and series to whoever reads its /metrics."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from armature.engine.types import Engine
from armature.runtime.kv_events import worker_id
from armature.runtime.load import open_publisher
from armature.runtime.metrics import show
from armature.telemetry import catalogue
from armature.telemetry.catalogue import Value
from armature.telemetry.exposition import text
from armature.telemetry.kv_events import counts
from armature.telemetry.load import LoadWatch
from armature.worker.kv_events import KvEvents

if TYPE_CHECKING:
    from dynamo.runtime import Endpoint


class Metrics:
    """The companion that tells. publish_load: routers, too. labels: `catalogue.COMMON` without the worker's id.

    kv_events: of a worker that has them.
    """

    def __init__(self, engine: Engine, publish_load: bool, labels: dict[str, str], kv_events: KvEvents | None = None) -> None:
        self._engine, self._publish_load, self._labels, self._kv_events = engine, publish_load, labels, kv_events
        info = engine.info
        self._load_seconds = info.load_seconds
        self.load = LoadWatch(engine.loads, range(info.dp_size), info.block_size)

    async def run(self, endpoint: Endpoint) -> None:
        """Tell until cancelled."""
        labels = self._labels | {"worker_id": f"{worker_id(endpoint):x}"}
        # Two, so that what the engine's processes leave half-written costs its own series only.
        show(endpoint, lambda: text(self._values(), (), labels))
        show(endpoint, lambda: text((), self._engine.series(), labels))
        await self.load.run(await open_publisher(endpoint) if self._publish_load else None)

    def _values(self) -> Iterator[Value]:
        yield Value(catalogue.LOAD_SECONDS, self._load_seconds)
        yield from self.load.values()
        yield from counts.values(self._kv_events.relays) if self._kv_events else ()
