"""Every listener of a run's process tree, what it is, and whether it can be reached from outside this host."""

from __future__ import annotations

import socket
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import psutil

from armature.launch.listeners import Listener, listeners_of, what_is
from support.deployed import Served
from support.outside import Outside
from support.serving import Up


@dataclass(frozen=True)
class Row:
    """One listener of one node. what: None when the list of listeners does not have it. reached: the outside addresses that answered."""

    node: str
    listener: Listener
    what: str | None
    reached: tuple[str, ...]


def tree_of(running: Up) -> dict[str, set[int]]:
    """The processes of each node of a run, from their guards down; and of the run's launcher alone."""
    launcher = psutil.Process(running.process.pid)
    found = {"(launcher)": {launcher.pid}}
    for guard in launcher.children():
        words = guard.cmdline()
        node = words[-1] if any(word.endswith("guard.py") for word in words) else "(launcher)"
        found.setdefault(node, set()).update(p.pid for p in (guard, *guard.children(recursive=True)))
    return found


def walk(running: Up, there: Outside) -> list[Row]:
    """All listeners now."""
    nodes: dict[str, dict[str, Any]] = {node["name"]: node for node in running.plan["nodes"]}
    found = [(name, listener) for name, pids in tree_of(running).items() for listener in listeners_of(pids)]
    answering = there.answering(listener.port for _, listener in found if listener.protocol == "tcp")
    rows = []
    for name, listener in found:
        node = nodes.get(name, {"label": name, "ports": {}})
        ports = {p: (block["first"], block["count"]) for p, block in node["ports"].items()}
        reached = tuple(address for address, port in sorted(answering) if port == listener.port)
        rows.append(Row(name, listener, what_is(node["label"], ports, listener), reached))
    return sorted(rows, key=lambda r: (r.node, r.listener.process, r.what or "", r.listener.address))


def table(topology: str, rows: Sequence[Row]) -> list[tuple[str, ...]]:
    """Rows of text, without ports and process ids: the same in each run. Listeners that are alike are counted."""
    counted: dict[tuple[str, ...], int] = {}
    for r in rows:
        row = (r.node, r.listener.process, r.listener.protocol, r.listener.address, r.what or "UNKNOWN", ", ".join(r.reached) or "no")
        counted[row] = counted.get(row, 0) + 1
    return [(topology, *row[:4], f"{row[4]} (x{n})" if n > 1 else row[4], row[5]) for row, n in counted.items()]


HEAD = ("topology", "node", "process", "protocol", "bound to", "what it is", "reachable from outside")


def render(rows: Iterable[Sequence[str]]) -> str:
    """A table of Markdown."""
    lines = [HEAD, tuple("---" for _ in HEAD), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def unconfined() -> socket.socket:
    """A listener as those that must not be: what the walk would find."""
    s = socket.socket(socket.AF_INET6)
    s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    s.bind(("::", 0))
    s.listen()
    return s


# Every topology, and every kind of node that serves.
TOPOLOGIES = {
    "agg": ("agg",),
    "agg_router": ("agg_router",),
    "disagg": ("disagg",),
    "disagg_router": ("disagg_router",),
    "dp": ("dp",),
    "dp_attention": ("dp_attention",),
    "nats": ("agg", "runtime=nats", "runtime.requests=nats"),
    "observed": ("agg_router", "runtime=nats", "runtime.events_durable=true", "observe=prometheus"),
}


def walk_served(served: Served, there: Outside) -> list[Row]:
    """`walk` of a deployment that has answered: some listeners are opened with the first request."""
    for prompt in ("a first one", "a second one", "a third one"):
        served.client.completions.create(model=served.model, prompt=prompt, max_tokens=4)
    return walk(served.up, there)
