"""What became of the KV events of a worker's ranks, as series."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from armature.telemetry import catalogue
from armature.telemetry.catalogue import Value
from armature.telemetry.kv_events.relay import Relay


def values(relays: Iterable[Relay]) -> Iterator[Value]:
    """The series of these ranks."""
    for relay in relays:
        rank, came, handed = str(relay.rank), relay.source.counts, relay.counts
        yield Value(catalogue.EVENT_BATCHES, came.received + came.repaired, (rank,))
        yield Value(catalogue.EVENT_CHANGES, handed.changes, (rank,))
        yield Value(catalogue.EVENT_GAPS, came.gaps, (rank,))
        yield Value(catalogue.EVENT_REPLAYED, came.repaired, (rank,))
        yield Value(catalogue.EVENT_LOST, came.lost, (rank,))
        yield Value(catalogue.EVENT_STATES, handed.states, (rank,))
        yield Value(catalogue.EVENT_AWAITED, relay.awaits_state, (rank,))
        yield Value(catalogue.EVENT_UNREADABLE, handed.unreadable, (rank,))
        yield Value(catalogue.EVENT_WRONG, handed.missing, (rank, "missing"))
        yield Value(catalogue.EVENT_WRONG, handed.stale, (rank, "stale"))
        yield Value(catalogue.EVENT_UNWRITTEN, relay.sink.failed, (rank,))
