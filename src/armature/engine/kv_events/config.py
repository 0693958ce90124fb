"""`--kv-events-config`: where the ranks of an engine publish their KV events."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from armature.engine.types import KV_PUBLISHER, KvEventSource
from armature.errors import UserError

FLAG = "--kv-events-config"
EXPECTED = f'{{"publisher": "{KV_PUBLISHER}", "endpoint": "tcp://127.0.0.1:5557", "replay_endpoint": "tcp://127.0.0.1:5657"}}'
_TCP = re.compile(r"(tcp://(?:\[[0-9A-Fa-f:.]+\]|[^:/\[\]*]+)):(\d{1,5})")  # an IPv6 address stands in brackets


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
        raise UserError(f"KV events by the publisher {config['publisher']!r} cannot be repaired", where=FLAG, expected=EXPECTED)
    (events, port), (replay, replay_port) = _address(config, "endpoint"), _address(config, "replay_endpoint")
    size = server_args.dp_size
    if events == replay and abs(port - replay_port) < size:
        raise UserError(
            f"two of {size} ranks would have one port: rank r publishes at {port} + r and replays at {replay_port} + r",
            where=FLAG,
            fix=f"put the ports at least {size} apart",
        )
    nodes = server_args.nnodes if server_args.enable_dp_attention else 1
    first, local = server_args.node_rank * size // nodes if nodes > 1 else 0, size // nodes
    return [KvEventSource(rank, f"{events}:{port + rank}", f"{replay}:{replay_port + rank}") for rank in range(first, first + local)]


def _read(text: str) -> Mapping[str, Any]:
    try:
        config = json.loads(text)
    except json.JSONDecodeError as e:
        raise UserError(f"it is no JSON: {e}", where=FLAG, expected=EXPECTED) from None
    if not isinstance(config, dict):
        raise UserError(f"it is no JSON object: {text}", where=FLAG, expected=EXPECTED)
    return config


def _address(config: Mapping[str, Any], key: str) -> tuple[str, int]:
    match = _TCP.fullmatch(str(config.get(key, "")))
    if not match or not 0 < int(match[2]) < 2**16:
        raise UserError(
            f"{key} {config.get(key)!r} is no address that a worker and its engine could both use",
            where=FLAG,
            expected="tcp://ADDRESS:PORT with the address of one interface; an IPv6 address in brackets",
        )
    return match[1], int(match[2])
