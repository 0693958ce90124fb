"""The plan: a graph in which every port, GPU and path is decided. Pure data; nothing is decided after it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from pydantic import Field

from armature.address import LOOPBACK
from armature.graph.node import Frozen, NamedServer, Probe, Requires, RestartPolicy, StopPolicy, TaskSpec

PLAN_VERSION = 1
LOCAL = "local"  # the name of the only host


class PortBlock(Frozen):
    """`count` ports from `first` on. `fixed` says that the user named it, so that nobody else may have it."""

    first: int
    count: int = 1
    host: str = LOOPBACK
    fixed: bool = False


class PlannedHost(Frozen):
    """A host of the plan. address: where the other hosts reach it."""

    name: str = LOCAL
    address: str = LOOPBACK


class PlannedNode(Frozen):
    """A node as it will run: no placeholder is left in it.

    host: the name of the host that it runs on. rank, leader: of a node over several hosts, whose processes are nodes here; leader
    None: it is the leader, or the only one.
    command: what runs, as a list. env: what is set on top of the launcher's own environment.
    ports: name -> block. gpus: which of the GPUs that the run may use are this node's; with
    CUDA_VISIBLE_DEVICES set, 0 is the first that it names.
    """

    name: str
    kind: Literal["service", "task"]
    label: str = ""
    host: str = LOCAL
    rank: int = 0
    leader: str | None = None
    argv: tuple[str, ...]
    env: Mapping[str, str] = Field(default_factory=dict)
    needs: tuple[str, ...] = ()
    ports: Mapping[str, PortBlock] = Field(default_factory=dict)
    gpus: tuple[int, ...] = ()
    ready: Probe | None = None
    task: TaskSpec | None = None
    stop: StopPolicy = StopPolicy()
    restart: RestartPolicy = RestartPolicy()
    requires: Requires = Requires(python=())


class Plan(Frozen):
    """What will run. `nodes` stand in the order in which they start; they stop in the reverse order of need.

    hash: of what serves (graph.identity). Neither ports, addresses and paths of this machine nor what measures the run change it.
    run_dir: `runs/<name>/<id>`; nothing is written before the launcher makes it. cache_dir is kept between runs.
    tmp_dir: sockets and other things that must not outlive the run.
    servers: those that the user runs; they must answer before any node starts.
    until: tasks with whose end the run ends; none: services run until they are told to stop.
    url: where the model will be served, if the graph serves one. model: the name to ask for.
    """

    version: int = PLAN_VERSION
    name: str
    hash: str
    run_dir: Path
    cache_dir: Path
    tmp_dir: Path
    hosts: tuple[PlannedHost, ...] = (PlannedHost(),)
    nodes: tuple[PlannedNode, ...]
    servers: tuple[NamedServer, ...] = ()
    until: tuple[str, ...] = ()
    url: str | None = None
    model: str | None = None

    def __getitem__(self, name: str) -> PlannedNode:
        return next(n for n in self.nodes if n.name == name)

    @property
    def gpus(self) -> int:
        """How many GPUs its nodes use, shared ones once."""
        return len({(node.host, gpu) for node in self.nodes for gpu in node.gpus})

    def dependents(self, name: str) -> tuple[str, ...]:
        """All nodes that need `name`, directly or not, in the order in which they start."""
        found = {name}
        for node in self.nodes:
            if found & set(node.needs):
                found.add(node.name)
        return tuple(n.name for n in self.nodes if n.name in found and n.name != name)
