"""KV events to the runtime's router, over the event plane."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from armature.engine.kv_events.mirror import Change
from armature.engine.kv_events.wire import BlockRemoved
from armature.runtime import kv_events as runtime


class Publisher(Protocol):
    """What this needs of `runtime.kv_events.RankPublisher`."""

    def publish(self, events: Sequence[dict[str, Any]]) -> None: ...

    def close(self) -> None: ...


class LiveSink:
    """Hands a rank's changes to the router at once."""

    def __init__(self, publisher: Publisher) -> None:
        self._publisher = publisher
        self.failed = 0

    async def publish(self, changes: Sequence[Change]) -> None:
        """See `relay.Sink`."""
        self._publisher.publish([runtime_event(change) for change in changes])


def runtime_event(change: Change) -> dict[str, Any]:
    """A change in the runtime's words."""
    if isinstance(change, BlockRemoved):
        return runtime.removed(change.block_hashes)
    return runtime.stored(change.block_hashes, change.parent_block_hash, change.token_ids, change.block_size)
