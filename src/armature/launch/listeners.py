"""The listeners of a run: the process, the port, the purpose, and who may reach it.

`DECLARED` lists all of them; docs/reference/listeners.md is generated from it. A test walks the processes of every topology. It fails for a
listener that is not in the list, and for one that answers other hosts without `open_if`.
"""

from __future__ import annotations

import contextlib
import re
import socket
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

import psutil

from armature import roles


@dataclass(frozen=True)
class Listener:
    """A socket that takes connections (tcp) or datagrams (udp). process: the name of its program, or its process title."""

    pid: int
    process: str
    protocol: Literal["tcp", "udp"]
    address: str
    port: int


@dataclass(frozen=True)
class Declared:
    """One kind of listener.

    node: a pattern of the node's label. process: a pattern of the process's name. port: the name of the plan's port; None: the library
    chooses the port. bound: a pattern of the bound address. what: its purpose. carries: the data on its connections.
    open_if: the setting with which users open it to other hosts; None: it is never open.
    """

    node: str
    process: str
    port: str | None
    what: str
    carries: str
    open_if: str | None = None
    bound: str = r".*"


_WORKER, _PAIR = "|".join(roles.names()), "|".join(role.name for role in roles.every() if role.hands_over)
_PYTHON, _SCHEDULER = r"python.*", r"sglang::scheduler.*"
_EVERY = r"0\.0\.0\.0|::"
_METRICS = "metrics"

DECLARED: tuple[Declared, ...] = (
    Declared("OpenAI HTTP", _PYTHON, "http", "the OpenAI API", "requests and answers, /metrics", "frontend.host"),
    Declared(
        "OpenAI HTTP",
        _PYTHON,
        None,
        "the runtime's response and event planes",
        "tokens, from the run's workers",
        "DYN_TCP_RESPONSE_STREAM_HOST",
    ),
    Declared(_WORKER, _PYTHON, "system", "/health, /live and /metrics", _METRICS),
    Declared(
        _WORKER, _PYTHON, "bootstrap", "SGLang's bootstrap server", "JSON: addresses of a prefill worker's ranks", "disaggregation.host"
    ),
    Declared(
        _WORKER, _PYTHON, None, "the runtime's request plane and event publishers", "requests; load and KV events", "DYN_TCP_RPC_HOST"
    ),
    Declared(_WORKER, _SCHEDULER, "kv_events", "KV events of a rank", "MessagePack: hashes and token ids of cached blocks"),
    Declared(_WORKER, _SCHEDULER, "kv_replay", "KV events that were missed", "the same"),
    Declared(
        _PAIR,
        _SCHEDULER,
        None,
        "mooncake: KV caches and its handshake",
        "memory of the process, read and written by address without a password",
        "disaggregation.host",
        _EVERY,
    ),
    Declared(
        _PAIR,
        _SCHEDULER,
        None,
        "gloo and NCCL between an engine's ranks; the rooms of requests (ZMQ)",
        "tensors and pickles, on connections made at the start; rooms and addresses as bytes",
        "disaggregation.host",
    ),
    Declared(
        _WORKER,
        _SCHEDULER,
        None,
        "gloo and NCCL between an engine's ranks; broadcasts from one rank to the others (ZMQ)",
        "tensors and pickles, on connections made at the start; the ZMQ socket here only sends",
    ),
    Declared("durable KV events", _PYTHON, "system", "/health, /live and /metrics", _METRICS),
    Declared("durable KV events", _PYTHON, None, "the runtime's event publishers", "KV events", "DYN_EVENT_PLANE_HOST"),
    Declared("NATS server", "nats-server", "client", "the run's NATS server", "requests, answers and events of the planes"),
    Declared("NATS server", "nats-server", "monitor", "its monitoring endpoint", _METRICS),
    Declared("etcd", "etcd", "client", "the run's etcd", "the registrations of workers"),
    Declared("etcd", "etcd", "peer", "etcd's peer port", "nothing: the cluster has one member"),
    Declared("Prometheus", "prometheus", "http", "the run's Prometheus", _METRICS),
)


def what_is(label: str, ports: Mapping[str, tuple[int, int]], listener: Listener) -> str | None:
    """The purpose of a node's listener; None if it is not in the list. ports: of the node, name -> first and count."""
    name = next((name for name, (first, count) in ports.items() if first <= listener.port < first + count), None)
    for d in DECLARED:
        wanted = ((d.node, label), (d.process, listener.process), (d.bound, listener.address))
        if d.port == name and all(re.fullmatch(pattern, value) for pattern, value in wanted):
            return d.what
    return None


def listeners_of(pids: Iterable[int]) -> list[Listener]:
    """All listeners of these processes; a shared listener counts for the first process."""
    found: dict[tuple[str, str, int], Listener] = {}
    for pid in sorted(pids):
        with contextlib.suppress(psutil.NoSuchProcess):
            process = psutil.Process(pid)
            for c in process.net_connections("inet"):
                udp = c.type == socket.SOCK_DGRAM
                here: tuple[object, ...] = c.laddr
                there: tuple[object, ...] = c.raddr
                if here and not there and (udp or c.status == psutil.CONN_LISTEN):
                    protocol: Literal["tcp", "udp"] = "udp" if udp else "tcp"
                    found.setdefault((protocol, *c.laddr), Listener(pid, process.name(), protocol, c.laddr.ip, c.laddr.port))
    return list(found.values())
