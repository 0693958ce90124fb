"""The graph's vocabulary: nodes (services and tasks), their probes, and the graph that joins them.

A graph is symbolic. Strings in `argv`, `env`, probes and task outputs may hold placeholders that only placement
fills in, so that a graph says the same thing on every machine:

    ${python}          how the project's own modules are started
    ${program:NAME}    where a program of others is (armature.graph.programs)
    ${run}             the run directory
    ${cache}           the user's cache directory, kept between runs
    ${tmp}             the run's short-lived directory for sockets (short: a socket's path has 107 bytes at most)
    ${host}, ${rank}   the address of the node's own host, and the rank of the process within a node of several hosts
    ${host:NODE}       the address of NODE's host: of its leader's, where it has several
    ${port:NODE.NAME}  a port that NODE asked for under NAME: its leader's, and in the text of NODE itself that of each process
    ${at:NODE.NAME}    HOST:PORT at which others reach that port
    ${lead:NAME}       HOST:PORT at which the other ranks of a node reach the leader's port NAME
"""

from __future__ import annotations

from collections.abc import Mapping
from graphlib import CycleError, TopologicalSorter
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from armature.errors import UserError, nearest
from armature.naming import NODE_NAME

OF_HOST = "${host}"


class Frozen(BaseModel):
    """A value: immutable, and strict about the names of its fields."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class HttpProbe(Frozen):
    """Ready when GET `url` answers with `status`."""

    kind: Literal["http"] = "http"
    url: str
    status: int = 200
    timeout_s: float = 60.0


class LogProbe(Frozen):
    """Ready when a line of the node's output matches the regular expression `pattern`."""

    kind: Literal["log"] = "log"
    pattern: str
    timeout_s: float = 60.0


class ModelProbe(Frozen):
    """Ready when the OpenAI server at `url` lists `model` and has answered one real request with it.

    path: the route that is asked, below `url`; body: what is posted to it. files: the model's folder, if this host has it.
    """

    kind: Literal["model"] = "model"
    url: str
    model: str
    path: str = "/v1/chat/completions"
    body: Mapping[str, Any]
    files: str | None = None
    timeout_s: float = 60.0


Probe = Annotated[HttpProbe | LogProbe | ModelProbe, Field(discriminator="kind")]


class PortRequest(Frozen):
    """`count` neighbouring TCP ports. `fixed` is the number that the user asked for; None lets placement choose.

    host: where the node listens; OF_HOST: where the run's other hosts reach it, which is loopback with one host alone.
    """

    name: str
    fixed: int | None = None
    count: int = 1
    host: str = OF_HOST


class NamedServer(Frozen):
    """A server that the user runs and nodes need: it must answer before any node starts. field: where its address was given.

    kind: plane: nats or etcd, as the address says; openai: an OpenAI-compatible server, which must list `model` (None: one only).
    """

    field: str
    url: str
    kind: Literal["plane", "openai"] = "plane"
    model: str | None = None


class NamedHost(Frozen):
    """A host that the user named. field: where. listens: the node listens there, so it must be this machine's."""

    field: str
    host: str
    listens: bool = True


class Requires(Frozen):
    """What must be on the machine before a node starts, besides its own command. The preflight says at once what is missing.

    python: the interpreter (words) in which `modules` must be found. modules: dotted names. libraries: native ones, as they are
    loaded (libibverbs.so.1). programs: those that the node itself starts. hosts: names that must resolve.
    """

    python: tuple[str, ...] = ("${python}",)
    modules: tuple[str, ...] = ()
    libraries: tuple[str, ...] = ()
    programs: tuple[str, ...] = ()
    hosts: tuple[NamedHost, ...] = ()


class StopPolicy(Frozen):
    """How a service ends: SIGTERM, then `drain_s` seconds to finish what it has, then SIGKILL to all that it started."""

    drain_s: float = 30.0


class RestartPolicy(Frozen):
    """How often a service that dies while the run serves is started again: at most `times` within `window_s` seconds.

    One death more ends the run. During the start nothing is started twice: a mistake would only show later.
    """

    times: int = 0
    window_s: float = 600.0


class TaskSpec(Frozen):
    """What makes a task's result still good: its outputs exist, and parameters and code are those that made them.

    outputs: the files or folders that the task leaves.
    params: everything that the result depends on, besides code.
    code: modules (dotted names) whose source the result depends on.
    tells: what it prints is for the user, who sees it when it has ended.
    bad: exit codes that mean: outputs exist, but the result is invalid. What needs them goes on; the run exits with 1.
    """

    outputs: tuple[str, ...]
    params: Mapping[str, Any] = Field(default_factory=dict)
    code: tuple[str, ...] = ()
    bad: tuple[int, ...] = ()
    tells: bool = False


class Node(Frozen):
    """One vertex: a service (runs until nobody needs it) or a task (ends, and leaves outputs).

    hosts: how many it runs on, with one process each; the first is the leader, the others are NAME-rank1 and so on.
    gpus, cores: how many it gets for itself on each host; gpus_of: the node whose GPUs it uses as well.
    measures: it only observes the others, so the plan's hash leaves it out.
    requires: what must be there before anything starts; it changes nothing that the node does, so the hash leaves it out as well.
    """

    name: str = Field(pattern=f"^{NODE_NAME}$")
    kind: Literal["service", "task"]
    label: str = ""
    argv: tuple[str, ...]
    env: Mapping[str, str] = Field(default_factory=dict)
    needs: tuple[str, ...] = ()
    ports: tuple[PortRequest, ...] = ()
    hosts: int = Field(default=1, ge=1)
    gpus: int = 0
    cores: int = 0
    gpus_of: str | None = None
    ready: Probe | None = None
    task: TaskSpec | None = None
    stop: StopPolicy = StopPolicy()
    restart: RestartPolicy = RestartPolicy()
    measures: bool = False
    requires: Requires = Field(default=Requires(), exclude=True)

    @model_validator(mode="after")
    def _kind_has_its_part(self) -> Node:
        if self.kind == "task" and self.task is None:
            raise ValueError(f"task {self.name} does not say what its outputs are")
        if self.kind == "service" and self.ready is None:
            raise ValueError(f"service {self.name} has no readiness probe")
        return self


class Graph(Frozen):
    """Nodes and their needs. Refuses doubled names, unknown needs and cycles, with the names in the message.

    until: tasks with whose end the run ends; none: services run until they are told to stop.
    """

    name: str
    nodes: tuple[Node, ...]
    until: tuple[str, ...] = ()
    servers: tuple[NamedServer, ...] = ()

    @model_validator(mode="after")
    def _is_a_dag(self) -> Graph:
        names = [n.name for n in self.nodes]
        doubled = sorted({n for n in names if names.count(n) > 1})
        if doubled:
            raise UserError(f"graph {self.name}: several nodes are called {', '.join(doubled)}")
        for node in self.nodes:
            for need in node.needs:
                if need not in names:
                    guess = nearest(need, names)
                    raise UserError(
                        f"graph {self.name}: node {node.name} needs {need!r}, which does not exist",
                        expected=f"one of {', '.join(names)}",
                        fix=f"did you mean {guess!r}?" if guess else None,
                    )
        self.order()
        return self

    def order(self) -> tuple[str, ...]:
        """Names such that every node comes after all that it needs; ties in the order of declaration."""
        sorter = TopologicalSorter({n.name: n.needs for n in self.nodes})
        try:
            return tuple(sorter.static_order())
        except CycleError as e:
            raise UserError(f"graph {self.name}: nodes need each other in a cycle: {' -> '.join(e.args[1])}") from None

    def __getitem__(self, name: str) -> Node:
        return next(n for n in self.nodes if n.name == name)
