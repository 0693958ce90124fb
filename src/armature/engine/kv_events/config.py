"""`--kv-events-config`: where the ranks of an engine publish their KV events."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from armature.address import LOOPBACK, Address, check_host, parse
from armature.engine.types import KV_PUBLISHER, KvEventSource
from armature.errors import UserError

FLAG = "--kv-events-config"
_EXAMPLES = {"endpoint": Address(LOOPBACK, 5557).url(scheme="tcp"), "replay_endpoint": Address(LOOPBACK, 5657).url(scheme="tcp")}
EXPECTED = json.dumps({"publisher": KV_PUBLISHER, **_EXAMPLES})


def sources(server_args: Any) -> list[KvEventSource]:
    """The sources of the ranks on this host; none without the flag. Raises UserError for what cannot work.

    Rank r publishes on both ports + r. Ranks are numbered over all nodes; each node has a slice of them.
    """
    if not server_args.kv_events_config:
        return []
    config = _read(server_args.kv_events_config)
    if config.get("publisher", "null") == "null":
        return []
    if config["publisher"] != KV_PUBLISHER:
        raise UserError(f"lost KV events of the publisher {config['publisher']!r} cannot be repaired", where=FLAG, expected=EXPECTED)
    events, replay = _address(config, "endpoint"), _address(config, "replay_endpoint")
    size = server_args.dp_size
    if events.host == replay.host and abs(events.port - replay.port) < size:
        raise UserError(
            f"two of {size} ranks would share a port: rank r publishes at {events.port} + r and replays at {replay.port} + r",
            where=FLAG,
            fix=f"choose ports at least {size} apart",
        )
    nodes = server_args.nnodes if server_args.enable_dp_attention else 1
    first, local = server_args.node_rank * size // nodes if nodes > 1 else 0, size // nodes
    return [KvEventSource(rank, _of_rank(events, rank), _of_rank(replay, rank)) for rank in range(first, first + local)]


def _of_rank(first: Address, rank: int) -> str:
    return Address(first.host, first.port + rank).url(scheme="tcp")


def _read(text: str) -> Mapping[str, Any]:
    try:
        config = json.loads(text)
    except json.JSONDecodeError as e:
        raise UserError(f"not JSON: {e}", where=FLAG, expected=EXPECTED) from None
    if not isinstance(config, dict):
        raise UserError(f"not a JSON object: {text}", where=FLAG, expected=EXPECTED)
    return config


def _address(config: Mapping[str, Any], key: str) -> Address:
    scheme, _, place = str(config.get(key, "")).partition("://")
    try:
        at = parse(place)
        check_host(at.host)
        if scheme == "tcp" and at.port:
            return at
    except ValueError:
        pass
    raise UserError(
        f"{key} {config.get(key)!r} is not an address that both the worker and its engine can use",
        where=FLAG,
        expected="tcp://ADDRESS:PORT with the address of one interface; an IPv6 address in brackets",
    )
