"""Placement: a graph becomes a plan. Every host, port, GPU and path is decided here and nowhere later."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel

from armature.address import LOOPBACK, client_host, join
from armature.env import CUDA_VISIBLE
from armature.errors import UserError
from armature.graph.hosts import Assigned, Host, Process, assign, where
from armature.graph.identity import digest
from armature.graph.node import OF_HOST, Graph, PortRequest, Requires
from armature.graph.plan import Plan, PlannedHost, PlannedNode, PortBlock

_PLACEHOLDER = re.compile(r"\$\{([^}]+)\}")
_PROGRAM = re.compile(r"\$\{program:([^}]+)\}")
M = TypeVar("M", bound=BaseModel)
Fill = Callable[[str], str]
Blocks = Mapping[tuple[str, str], PortBlock]  # (process, port's name) -> its ports


@dataclass(frozen=True)
class Site:
    """What a plan is placed on: hosts with the same interpreter, programs and folders.

    python: how to start the project's own interpreter. env: what every node needs to find the project's code.
    program: the path of a program of others, by its name.
    """

    run_dir: Path
    cache_dir: Path
    tmp_dir: Path
    hosts: tuple[Host, ...]
    python: tuple[str, ...] = ("python3",)
    env: Mapping[str, str] = field(default_factory=dict)
    program: Callable[[str], str] = str


def place(graph: Graph, site: Site) -> Plan:
    """Decide everything that the graph left open. Raises UserError when hosts have too little, or ports clash."""
    assigned = assign(graph, site.hosts)
    processes = [process for node in graph.nodes for process in assigned[node.name]]
    blocks = _give_ports(processes)
    shared = {"run": str(site.run_dir), "cache": str(site.cache_dir), "tmp": str(site.tmp_dir)}
    shared |= {f"host:{name}": leader.host.address for name, (leader, *_) in assigned.items()}
    shared |= {key: value for leader, *_ in assigned.values() for key, value in _ports_of(leader, blocks)}
    nodes = tuple(_planned(p, site, assigned, blocks, _filler(p, shared, blocks)) for name in graph.order() for p in assigned[name])
    frontend = next((n for n in nodes if n.ready is not None and n.ready.kind == "model"), None)
    probe = frontend.ready if frontend else None
    return Plan(
        name=graph.name,
        hash=digest(graph, {name: where(group, site.hosts) for name, group in assigned.items()}),
        run_dir=site.run_dir,
        cache_dir=site.cache_dir,
        tmp_dir=site.tmp_dir,
        hosts=tuple(PlannedHost(name=host.name, address=host.address) for host in site.hosts),
        nodes=nodes,
        servers=graph.servers,
        until=tuple(p.name for name in graph.until for p in assigned[name]),
        url=probe.url if probe is not None and probe.kind == "model" else None,
        model=probe.model if probe is not None and probe.kind == "model" else None,
    )


def _ports_of(process: Process, blocks: Blocks) -> Iterator[tuple[str, str]]:
    """What the placeholders of a process's ports stand for."""
    for port in process.node.ports:
        block = blocks[process.name, port.name]
        yield f"port:{process.node.name}.{port.name}", str(block.first)
        yield f"at:{process.node.name}.{port.name}", join(_reached(process.host, block.host), block.first)


def _reached(host: Host, listens: str) -> str:
    """Where clients reach what listens there: on every interface, by the address of its host."""
    reached = client_host(listens)
    return reached if reached == listens or host.address == LOOPBACK else host.address


def _filler(process: Process, shared: Mapping[str, str], blocks: Blocks) -> Fill:
    """Replaces the placeholders in a text of this process."""
    own = {"host": process.host.address, "rank": str(process.rank)}
    own |= {f"lead:{port.name}": shared[f"at:{process.node.name}.{port.name}"] for port in process.node.ports}
    own |= dict(_ports_of(process, blocks))
    values = {**shared, **own}
    return lambda text: _PLACEHOLDER.sub(lambda m: _value(values, m[1]), text)


def _planned(process: Process, site: Site, assigned: Assigned, blocks: Blocks, fill: Fill) -> PlannedNode:
    node, gpus, visible = process.node, process.gpus, process.host.visible
    argv = tuple(word for part in node.argv for word in _words(part, site, fill))
    env = {**site.env, **{k: fill(v) for k, v in node.env.items()}}
    if gpus:
        env[CUDA_VISIBLE] = ",".join(map(str, gpus) if visible is None else (visible[gpu] for gpu in gpus))
    return PlannedNode(
        name=process.name,
        kind=node.kind,
        label=node.label,
        host=process.host.name,
        rank=process.rank,
        leader=node.name if process.rank else None,
        argv=argv,
        env=env,
        needs=tuple(p.name for need in node.needs for p in assigned[need]),
        ports={p.name: blocks[process.name, p.name] for p in node.ports},
        gpus=gpus,
        ready=_filled(node.ready, fill) if node.ready else None,
        task=_filled(node.task, fill) if node.task else None,
        stop=node.stop,
        restart=node.restart,
        requires=_requires(node.requires, site, fill),
    )


def _requires(requires: Requires, site: Site, fill: Fill) -> Requires:
    python = tuple(word for part in requires.python for word in _words(part, site, fill))
    return requires.model_copy(
        update={"python": python if requires.modules or requires.libraries else (), "programs": tuple(map(site.program, requires.programs))}
    )


def _words(part: str, site: Site, fill: Fill) -> tuple[str, ...]:
    if part == "${python}":
        return site.python
    program = _PROGRAM.fullmatch(part)
    return (site.program(program[1]) if program else fill(part),)


def _filled(model: M, fill: Fill) -> M:
    """A copy of `model` with the placeholders in all its strings replaced."""

    def walk(value: Any) -> Any:
        if isinstance(value, str):
            return fill(value)
        if isinstance(value, Mapping):
            return {k: walk(v) for k, v in value.items()}
        return [walk(v) for v in value] if isinstance(value, list | tuple) else value

    return type(model).model_validate(walk(model.model_dump()))


def _value(values: Mapping[str, str], key: str) -> str:
    if key not in values:
        raise UserError(f"the graph has a placeholder ${{{key}}} that placement cannot fill", expected=", ".join(sorted(values)))
    return values[key]


def _give_ports(processes: list[Process]) -> Blocks:
    """All ports, each host's for itself: first those that the user named, checked against each other, then free ones."""
    blocks: dict[tuple[str, str], PortBlock] = {}
    owner: dict[tuple[str, int], str] = {}
    wanted = [(process, p) for process in processes for p in process.node.ports]
    for process, p in wanted:
        if p.fixed is not None:
            for port in range(p.fixed, p.fixed + p.count):
                if other := owner.get((process.host.name, port)):
                    raise UserError(
                        f"port {port} was given to both {other} and {process.name}.{p.name}", fix="choose another port for one of them"
                    )
                owner[process.host.name, port] = f"{process.name}.{p.name}"
            blocks[process.name, p.name] = PortBlock(first=p.fixed, count=p.count, host=_listens(process, p), fixed=True)
    for process, p in wanted:
        if p.fixed is None:
            at, take = _listens(process, p), process.host.ports.take
            first = take(at, p.count)
            while any((process.host.name, port) in owner for port in range(first, first + p.count)):
                first = take(at, p.count)
            owner |= {(process.host.name, port): f"{process.name}.{p.name}" for port in range(first, first + p.count)}
            blocks[process.name, p.name] = PortBlock(first=first, count=p.count, host=at)
    return blocks


def _listens(process: Process, port: PortRequest) -> str:
    """The address at which the process listens."""
    return process.host.address if port.host == OF_HOST else port.host
