"""Batches of KV events on the wire, and where ranks publish them."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from armature.engine.kv_events.config import sources
from armature.engine.kv_events.wire import AllBlocksCleared, BlockRemoved, BlockStored, UnreadableBatch, read_batch, write_batch
from armature.errors import UserError

EVENTS = [AllBlocksCleared(), BlockStored([1, -2], None, [5, 6], 1), BlockRemoved([1])]


def test_a_batch_comes_back_as_it_was() -> None:
    assert read_batch(write_batch(1.5, EVENTS, rank=3)) == (3, EVENTS)


def test_fields_that_later_versions_add_are_passed_over() -> None:
    event = {"type": "BlockRemoved", "block_hashes": [1], "medium": "GPU", "group_idx": 4}
    assert read_batch(msgspec.msgpack.encode([1.0, [event], 0, "more"])) == (0, [BlockRemoved([1], "GPU")])


@pytest.mark.parametrize("data", [b"", b"\xff\xff", msgspec.msgpack.encode([1.0, [{"type": "Other"}]])], ids=["empty", "noise", "unknown"])
def test_what_is_no_batch_is_refused(data: bytes) -> None:
    with pytest.raises(UnreadableBatch):
        read_batch(data)


def arguments(endpoint: str = "tcp://127.0.0.1:100", replay: str = "tcp://127.0.0.1:200", **given: Any) -> Any:
    config = {"publisher": "armature", "endpoint": endpoint, "replay_endpoint": replay}
    return SimpleNamespace(
        **{"kv_events_config": json.dumps(config), "dp_size": 1, "nnodes": 1, "node_rank": 0, "enable_dp_attention": False} | given
    )


@pytest.mark.parametrize(
    ("given", "ranks"),
    [
        ({}, [0]),
        ({"dp_size": 3}, [0, 1, 2]),
        ({"dp_size": 4, "enable_dp_attention": True, "nnodes": 2, "node_rank": 0}, [0, 1]),
        ({"dp_size": 4, "enable_dp_attention": True, "nnodes": 2, "node_rank": 1}, [2, 3]),
    ],
    ids=["one", "three", "first of two nodes", "second of two nodes"],
)
def test_each_local_rank_has_its_ports(given: dict[str, Any], ranks: list[int]) -> None:
    found = sources(arguments(**given))
    assert [s.rank for s in found] == ranks
    assert [s.events for s in found] == [f"tcp://127.0.0.1:{100 + rank}" for rank in ranks]
    assert [s.replay for s in found] == [f"tcp://127.0.0.1:{200 + rank}" for rank in ranks]


def test_an_ipv6_address_stays_in_brackets() -> None:
    assert sources(arguments(endpoint="tcp://[::1]:100", dp_size=2))[1].events == "tcp://[::1]:101"


@pytest.mark.parametrize("config", [None, "", json.dumps({"publisher": "null"})])
def test_without_a_publisher_there_is_no_source(config: str | None) -> None:
    assert sources(arguments(kv_events_config=config)) == []


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"kv_events_config": "{"}, "not JSON"),
        ({"kv_events_config": "[]"}, "not a JSON object"),
        ({"kv_events_config": json.dumps({"publisher": "zmq"})}, "'zmq' cannot be repaired"),
        ({"endpoint": "tcp://*:100"}, "is not an address"),
        ({"endpoint": "tcp://::1:100"}, "is not an address"),
        ({"endpoint": "tcp://127.0.0.1:0"}, "is not an address"),
        ({"endpoint": "tcp://127.0.0.1:70000"}, "is not an address"),
        ({"replay": "tcp://127.0.0.1:101", "dp_size": 2}, "two of 2 ranks would share a port"),
    ],
)
def test_what_cannot_work_is_refused_with_the_reason(given: dict[str, Any], said: str) -> None:
    with pytest.raises(UserError, match=said.replace("*", ".")):
        sources(arguments(**given))
