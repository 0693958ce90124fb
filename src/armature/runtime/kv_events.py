"""KV events to the runtime's router: one publisher for each rank of a worker."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dynamo.runtime import Endpoint


class RankPublisher:
    """The one source of a rank's KV events on the event plane. It keeps an index of them, which routers that come late,
    or that missed something, ask for.

    worker: the worker whose blocks they are; None: the one that serves `endpoint` in this process. The router trusts a
    rank's events only while exactly one source of them is registered.
    """

    def __init__(self, endpoint: Endpoint, rank: int, block_size: int, worker: int | None = None) -> None:
        from dynamo.llm import KvEventPublisher

        self._publisher: Any = KvEventPublisher(
            endpoint=endpoint, worker_id=worker, kv_block_size=block_size, dp_rank=rank, enable_local_indexer=True
        )

    def publish(self, events: Sequence[dict[str, Any]]) -> None:
        """Hand events over, in order."""
        self._publisher.publish_batch(events)

    def close(self) -> None:
        """Withdraw the source."""
        self._publisher.shutdown()


def stored(hashes: Sequence[int], parent: int | None, token_ids: Sequence[int], block_size: int) -> dict[str, Any]:
    """Blocks of block_size tokens that follow each other were stored. parent: the block before them, None: they begin a prompt."""
    return {
        "type": "stored",
        "token_ids": token_ids,
        "num_block_tokens": [block_size] * len(hashes),
        "block_hashes": hashes,
        "parent_hash": parent,
    }


def removed(hashes: Sequence[int]) -> dict[str, Any]:
    """Blocks are gone."""
    return {"type": "removed", "block_hashes": hashes}


def worker_id(endpoint: Endpoint) -> int:
    """By which the runtime knows the worker that serves `endpoint` in this process."""
    found: int = endpoint.connection_id()
    return found


async def watch_workers(endpoint: Endpoint) -> Callable[[], set[int]]:
    """A function that tells which workers serve `endpoint` now, in any process."""
    client = await endpoint.client()
    return lambda: set(client.instance_ids())
