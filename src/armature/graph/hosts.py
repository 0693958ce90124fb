"""The hosts that a plan is placed on, and which host and GPUs each process of the graph gets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from armature.address import LOOPBACK
from armature.env import CUDA_VISIBLE
from armature.errors import UserError
from armature.graph.node import Graph, Node
from armature.graph.plan import LOCAL


class PortSource(Protocol):
    """Where the free ports of a host come from."""

    def take(self, host: str, count: int) -> int:
        """The first of `count` neighbouring ports at the address `host` that nobody has, and that were not given out before."""
        ...


@dataclass(frozen=True)
class Host:
    """A machine, or what takes the place of one. One host alone is reached at loopback.

    address: where the run's other hosts reach it. gpus: how many of its GPUs the run may use. visible: the names of those that its
    processes may use; None: any. cores: how many cores the run may use; None: nobody counts them.
    """

    ports: PortSource
    name: str = LOCAL
    address: str = LOOPBACK
    gpus: int = 0
    visible: tuple[str, ...] | None = None
    cores: int | None = None


@dataclass(frozen=True)
class Process:
    """One process of a node, on a host. rank: 0 for the leader, the only process of most nodes. gpus: indices on its host."""

    node: Node
    rank: int
    host: Host
    gpus: tuple[int, ...]

    @property
    def name(self) -> str:
        """What the plan calls it: the leader has the node's name."""
        return f"{self.node.name}-rank{self.rank}" if self.rank else self.node.name


Assigned = Mapping[str, tuple[Process, ...]]  # node -> its processes by rank


def assign(graph: Graph, hosts: Sequence[Host]) -> Assigned:
    """Give each node its host or hosts, and its GPUs, in the order of declaration; each GPU once.

    What needs neither GPUs nor cores goes to the first host. Raises UserError when there is too little.
    """
    free = [_Free(host) for host in hosts]
    if len(hosts) == 1:
        _check_only(graph, hosts[0])
    found: dict[str, tuple[Process, ...]] = {}
    for node in graph.nodes:
        if node.gpus_of is not None:
            found[node.name] = tuple(Process(node, p.rank, p.host, p.gpus) for p in found[node.gpus_of])
            continue
        fitting = [each for each in free if each.fits(node)][: node.hosts]
        if len(fitting) < node.hosts:
            raise _no_room(node, free)
        found[node.name] = tuple(Process(node, rank, each.host, each.take(node)) for rank, each in enumerate(fitting))
    return found


def where(processes: Sequence[Process], hosts: Sequence[Host]) -> Any:
    """Which GPUs of which hosts a node has, for the plan's hash, which knows no names of hosts."""
    first, *others = processes
    if not others and first.host is hosts[0]:
        return list(first.gpus)
    return [{"host": [host is p.host for host in hosts].index(True), "gpus": list(p.gpus)} for p in processes]


class _Free:
    """What is left of a host."""

    def __init__(self, host: Host) -> None:
        self.host, self.gpus, self.cores = host, 0, 0  # given away so far

    def fits(self, node: Node) -> bool:
        return self.gpus + node.gpus <= self.host.gpus and (self.host.cores is None or self.cores + node.cores <= self.host.cores)

    def take(self, node: Node) -> tuple[int, ...]:
        first = self.gpus
        self.gpus, self.cores = first + node.gpus, self.cores + node.cores
        return tuple(range(first, self.gpus))

    def __str__(self) -> str:
        cores = "" if self.host.cores is None else f" and {self.host.cores - self.cores} of {self.host.cores} cores"
        return f"{self.host.name} has {self.host.gpus - self.gpus} of {self.host.gpus} GPUs{cores}"


def _no_room(node: Node, free: Sequence[_Free]) -> UserError:
    wanted = [f"{node.gpus} GPUs"] * bool(node.gpus) + [f"{node.cores} cores"] * bool(node.cores)
    hosts = f"{node.hosts} hosts" if node.hosts > 1 else "a host"
    return UserError(
        f"{node.name} needs {hosts}" + (f" with {' and '.join(wanted)} free" if wanted else ""),
        expected="; ".join(map(str, free)),
        fix="add hosts, or use fewer replicas (topology.roles.<group>.replicas=)",
    )


def _check_only(graph: Graph, host: Host) -> None:
    """With one host, everything that is too much is said at once."""
    wanted = sum(n.gpus for n in graph.nodes)
    users = ", ".join(f"{n.name} ({n.gpus})" for n in graph.nodes if n.gpus)
    if wanted > host.gpus:
        raise UserError(
            f"the graph needs {wanted} GPUs but hardware.gpus is {host.gpus}: {users}",
            fix="set hardware.gpus=, or use fewer replicas (topology.roles.<group>.replicas=)",
        )
    if host.visible is not None and wanted > len(host.visible):
        raise UserError(
            f"the graph needs {wanted} GPUs but {CUDA_VISIBLE}={','.join(host.visible)} gives {len(host.visible)}: {users}",
            fix=f"unset {CUDA_VISIBLE}, or name more GPUs in it",
        )
