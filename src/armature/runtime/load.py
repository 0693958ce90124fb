"""A worker's load to the runtime's router."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dynamo.runtime import Endpoint


class LoadPublisher:
    """Tells routers over the event plane how full each rank of this worker is. Made by `open_publisher`."""

    def __init__(self, publisher: Any) -> None:
        self._publisher = publisher

    def publish(self, rank: int, active_blocks: int) -> None:
        """A rank's KV blocks that requests hold."""
        self._publisher.publish(dp_rank=rank, active_decode_blocks=active_blocks, kv_used_blocks=active_blocks)


async def open_publisher(endpoint: Endpoint) -> LoadPublisher:
    """Begin to publish for the worker that serves `endpoint` in this process."""
    from dynamo.llm import WorkerMetricsPublisher

    publisher = WorkerMetricsPublisher()
    await publisher.create_endpoint(endpoint)
    return LoadPublisher(publisher)
