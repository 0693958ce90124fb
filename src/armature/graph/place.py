"""Placement: a graph becomes a plan. Every port, GPU and path is decided here and nowhere later."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, TypeVar

from pydantic import BaseModel

from armature.env import CUDA_VISIBLE
from armature.errors import UserError
from armature.graph.identity import digest
from armature.graph.node import Graph, Node, Requires
from armature.graph.plan import Plan, PlannedNode, PortBlock

_PLACEHOLDER = re.compile(r"\$\{([^}]+)\}")
_PROGRAM = re.compile(r"\$\{program:([^}]+)\}")
M = TypeVar("M", bound=BaseModel)


class PortSource(Protocol):
    """Where free ports come from."""

    def take(self, host: str, count: int) -> int:
        """The first of `count` neighbouring ports on `host` that nobody has, and that were not given out before."""
        ...


@dataclass(frozen=True)
class Site:
    """What a plan is placed on.

    python: how to start the project's own interpreter. env: what every node needs to find the project's code.
    gpus: how many GPUs this host gives to the run. visible: the names of those that this process may use; None: any.
    program: the path of a program of others, by its name.
    """

    run_dir: Path
    cache_dir: Path
    tmp_dir: Path
    ports: PortSource
    python: tuple[str, ...] = ("python3",)
    env: Mapping[str, str] = field(default_factory=dict)
    gpus: int = 0
    visible: tuple[str, ...] | None = None
    program: Callable[[str], str] = str


def place(graph: Graph, site: Site) -> Plan:
    """Decide everything that the graph left open. Raises UserError when the host has too few GPUs or ports clash."""
    gpus = _give_gpus(graph, site)
    ports = _give_ports(graph, site.ports)
    values = {"run": str(site.run_dir), "cache": str(site.cache_dir), "tmp": str(site.tmp_dir)}
    values |= {f"port:{node}.{name}": str(block.first) for (node, name), block in ports.items()}

    def fill(text: str) -> str:
        return _PLACEHOLDER.sub(lambda m: _value(values, m[1]), text)

    nodes = tuple(_planned(graph[name], site, gpus[name], ports, fill) for name in graph.order())
    frontend = next((n for n in nodes if n.ready is not None and n.ready.kind == "model"), None)
    probe = frontend.ready if frontend else None
    return Plan(
        name=graph.name,
        hash=digest(graph, gpus),
        run_dir=site.run_dir,
        cache_dir=site.cache_dir,
        tmp_dir=site.tmp_dir,
        nodes=nodes,
        servers=graph.servers,
        until=graph.until,
        url=probe.url if probe is not None and probe.kind == "model" else None,
        model=probe.model if probe is not None and probe.kind == "model" else None,
    )


def _planned(
    node: Node, site: Site, gpus: tuple[int, ...], ports: Mapping[tuple[str, str], PortBlock], fill: Callable[[str], str]
) -> PlannedNode:
    argv = tuple(word for part in node.argv for word in _words(part, site, fill))
    env = {**site.env, **{k: fill(v) for k, v in node.env.items()}}
    if gpus:
        env[CUDA_VISIBLE] = ",".join(map(str, gpus) if site.visible is None else (site.visible[gpu] for gpu in gpus))
    return PlannedNode(
        name=node.name,
        kind=node.kind,
        label=node.label,
        argv=argv,
        env=env,
        needs=node.needs,
        ports={p.name: ports[node.name, p.name] for p in node.ports},
        gpus=gpus,
        ready=_filled(node.ready, fill) if node.ready else None,
        task=_filled(node.task, fill) if node.task else None,
        stop=node.stop,
        restart=node.restart,
        requires=_requires(node.requires, site, fill),
    )


def _requires(requires: Requires, site: Site, fill: Callable[[str], str]) -> Requires:
    python = tuple(word for part in requires.python for word in _words(part, site, fill))
    return requires.model_copy(
        update={"python": python if requires.modules or requires.libraries else (), "programs": tuple(map(site.program, requires.programs))}
    )


def _words(part: str, site: Site, fill: Callable[[str], str]) -> tuple[str, ...]:
    if part == "${python}":
        return site.python
    program = _PROGRAM.fullmatch(part)
    return (site.program(program[1]) if program else fill(part),)


def _filled(model: M, fill: Callable[[str], str]) -> M:
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


def _give_gpus(graph: Graph, site: Site) -> dict[str, tuple[int, ...]]:
    """GPU indices for each node, in the order of declaration, each GPU once."""
    wanted = sum(n.gpus for n in graph.nodes)
    users = ", ".join(f"{n.name} ({n.gpus})" for n in graph.nodes if n.gpus)
    if wanted > site.gpus:
        raise UserError(
            f"the graph needs {wanted} GPUs but hardware.gpus is {site.gpus}: {users}",
            fix="set hardware.gpus=, or use fewer replicas (topology.roles.<group>.replicas=)",
        )
    if site.visible is not None and wanted > len(site.visible):
        raise UserError(
            f"the graph needs {wanted} GPUs but {CUDA_VISIBLE}={','.join(site.visible)} gives {len(site.visible)}: {users}",
            fix=f"unset {CUDA_VISIBLE}, or name more GPUs in it",
        )
    given: dict[str, tuple[int, ...]] = {}
    first = 0
    for node in graph.nodes:
        given[node.name] = tuple(range(first, first + node.gpus))
        first += node.gpus
    return {node.name: given[node.gpus_of or node.name] for node in graph.nodes}


def _give_ports(graph: Graph, source: PortSource) -> dict[tuple[str, str], PortBlock]:
    """All ports: first those that the user named, checked against each other, then free ones."""
    blocks: dict[tuple[str, str], PortBlock] = {}
    owner: dict[int, str] = {}
    wanted = [(node.name, p) for node in graph.nodes for p in node.ports]
    for node, p in wanted:
        if p.fixed is not None:
            for port in range(p.fixed, p.fixed + p.count):
                if port in owner:
                    raise UserError(
                        f"port {port} was given to both {owner[port]} and {node}.{p.name}", fix="choose another port for one of them"
                    )
                owner[port] = f"{node}.{p.name}"
            blocks[node, p.name] = PortBlock(first=p.fixed, count=p.count, host=p.host, fixed=True)
    for node, p in wanted:
        if p.fixed is None:
            first = source.take(p.host, p.count)
            while any(port in owner for port in range(first, first + p.count)):
                first = source.take(p.host, p.count)
            owner |= dict.fromkeys(range(first, first + p.count), f"{node}.{p.name}")
            blocks[node, p.name] = PortBlock(first=first, count=p.count, host=p.host)
    return blocks
