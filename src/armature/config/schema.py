"""What a user asks for: the deployment, typed and checked.

`Deployment` is made from Hydra's result by `armature.config.compose`. The fields here are the reference of every
config file under conf/: docs/reference/config.md is generated from them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from armature.config.load import Load
from armature.config.section import Section
from armature.config.servers import check_http_url, check_server_url

ScalarArg = bool | int | float | str | None
EngineArg = ScalarArg | list[Any] | dict[str, Any]
KV_BLOCK = 16  # tokens in a block, where the router looks at blocks and nobody set engine.args.page_size
RouterMode = Literal["round_robin", "random", "least_loaded", "kv"]


class EngineSection(Section):
    """Settings of the engine."""

    args: dict[str, EngineArg] = Field(
        default_factory=dict, description="Native SGLang flags, in snake_case, checked against the pinned version."
    )


class Shape(Section):
    """The dimensions of a model that is built here instead of downloaded. Names are those of Hugging Face's config.json."""

    family: Literal["llama", "qwen3"] = Field(description="The architecture.")
    hidden_size: int = Field(gt=0)
    num_hidden_layers: int = Field(gt=0)
    num_attention_heads: int = Field(gt=0)
    num_key_value_heads: int = Field(gt=0)
    head_dim: int = Field(gt=0)
    intermediate_size: int = Field(gt=0)
    vocab_size: int = Field(ge=512, description="At least 512: the byte-level tokenizer and its special tokens need that many.")
    max_position_embeddings: int = Field(gt=0)
    rope_theta: float = Field(default=10000.0, gt=0)
    tie_word_embeddings: bool = False
    seed: int = Field(default=0, ge=0, description="The seed of random weights.")

    @model_validator(mode="after")
    def _heads_divide(self) -> Shape:
        if self.num_attention_heads % self.num_key_value_heads:
            raise ValueError(
                f"num_attention_heads ({self.num_attention_heads}) must be a multiple of num_key_value_heads ({self.num_key_value_heads})"
            )
        return self


class ModelRouter(Section):
    """How requests for one model are spread, where that differs from what the topology says. null: as the topology says."""

    mode: RouterMode | None = None
    kv_events: bool | None = None
    overlap_weight: float | None = Field(default=None, ge=0)
    temperature: float | None = Field(default=None, ge=0)
    busy_blocks: float | None = Field(default=None, gt=0, le=1)
    busy_prefill_tokens: int | None = Field(default=None, gt=0)
    migration_limit: int | None = Field(default=None, ge=0)


class Model(Section):
    """What is served."""

    name: str | None = Field(default=None, description="The name that clients ask for; null: the last part of `path`.")
    path: str | None = Field(default=None, description="A local folder or a Hugging Face id; null for models that are built from `shape`.")
    revision: str | None = Field(default=None, description="Branch, tag or commit of a Hugging Face id.")
    weights: Literal["checkpoint", "seeded", "dummy", "external"] = Field(
        default="checkpoint",
        description="checkpoint: those of `path`; seeded: random, built once from `shape` and kept; "
        "dummy: random, made by the engine at start; external: the server of others has them (set by topology=external).",
    )
    shape: Shape | None = Field(default=None, description="Dimensions, for `weights: seeded` and `dummy`.")
    context_length: int | None = Field(default=None, gt=0, description="Tokens of prompt and output together; null: as the model says.")
    tool_call_parser: str | None = Field(default=None, description="The runtime's parser of tool calls.")
    reasoning_parser: str | None = Field(default=None, description="The runtime's parser of reasoning.")
    router: ModelRouter = ModelRouter()
    engine: EngineSection = EngineSection()

    @model_validator(mode="after")
    def _weights_have_a_source(self) -> Model:
        if self.weights == "external":
            return self
        if self.weights == "checkpoint" and not self.path:
            raise ValueError("no model is named: give model=NAME, or model.path= a local folder or a Hugging Face id")
        if self.weights != "checkpoint" and self.shape is None:
            raise ValueError(f"weights={self.weights} needs model.shape, which only the models under conf/model/ with a shape have")
        if self.weights == "seeded" and self.path:
            raise ValueError(f"path={self.path} and weights=seeded exclude each other: for your own files take model=custom")
        if not self.served_name:
            raise ValueError("the model has no name: set model.name=")
        return self

    @property
    def served_name(self) -> str:
        """The name that clients ask for."""
        return self.name or (self.path or "").rstrip("/").rsplit("/", 1)[-1]


class RoleGroup(Section):
    """Workers of one kind within a topology."""

    role: str = Field(description="The kind of worker: a module of armature.worker.roles.")
    replicas: int = Field(default=1, ge=1, le=1024)
    gpus: int = Field(default=1, ge=0, description="GPUs of one replica, on hardware that has any.")
    share_gpus_with: str | None = Field(
        default=None, description="A group before this one whose GPUs are used: replica i with its replica i."
    )
    engine: EngineSection = EngineSection()
    env: dict[str, str] = Field(default_factory=dict, description="Environment of these workers.")

    @field_validator("env", mode="before")
    @classmethod
    def _numbers_are_text(cls, value: Any) -> Any:
        return {k: str(v) for k, v in value.items()} if isinstance(value, Mapping) else value


class Router(Section):
    """How the frontend spreads requests over workers."""

    mode: RouterMode = Field(
        default="round_robin",
        description="kv: where most of the prompt is cached already, weighed against load; "
        "workers' blocks then have engine.args.page_size tokens, 16 if not set.",
    )
    kv_events: bool = Field(
        default=True,
        description="For mode kv. true: workers publish what their prefix caches hold; false: the router guesses from what it sent where.",
    )
    overlap_weight: float = Field(
        default=4.0,
        ge=0,
        description="For mode kv: what each block of a prompt that a worker would have to compute counts against it, where each "
        "block of its running requests counts 1. Greater: less is computed twice, and load is less even. 0: caches do not matter.",
    )
    temperature: float = Field(
        default=0.0, ge=0, description="For mode kv. 0: always the best worker; greater: more often another one, to spread the load."
    )
    busy_blocks: float | None = Field(
        default=None, gt=0, le=1, description="A worker whose KV blocks are used up to this part gets no more requests; all busy: HTTP 503."
    )
    busy_prefill_tokens: int | None = Field(
        default=None, gt=0, description="A worker with this many prompt tokens before it gets no more requests; all busy: HTTP 503."
    )
    migration_limit: int = Field(default=3, ge=0, description="How often a request may move to another worker when its own dies.")


class Topology(Section):
    """Which workers there are, and how requests reach them."""

    name: str
    router: Router = Router()
    roles: dict[str, RoleGroup] = Field(description="Node name -> workers of that kind; none: served by others.")

    @model_validator(mode="after")
    def _groups_fit(self) -> Topology:
        if not self.roles and self.name != "external":
            raise ValueError("there are no roles: nothing would be served")
        names = list(self.roles)
        for name, group in self.roles.items():
            other = group.share_gpus_with
            if other is not None and (other not in names[: names.index(name)] or self.roles[other].share_gpus_with):
                raise ValueError(f"roles.{name}.share_gpus_with={other}: expected a group before {name} that has GPUs of its own")
            if other is not None and self.roles[other].replicas < group.replicas:
                raise ValueError(f"roles.{name} has {group.replicas} replicas and shares the GPUs of {self.roles[other].replicas}")
        kinds = {group.role for group in self.roles.values()}
        for leg, partner in (("prefill", "decode"), ("decode", "prefill")):
            if leg in kinds and partner not in kinds:
                raise ValueError(f"there are {leg} workers and no {partner} workers: no request could ever be served")
        return self


class Disaggregation(Section):
    """How prefill and decode workers meet, and how long each waits for the other. All figures are per request."""

    host: str = Field(
        default="127.0.0.1", description="The address at which workers meet and move KV caches; loopback serves one machine only."
    )
    bootstrap_timeout_s: int = Field(default=30, gt=0, description="Seconds that prefill waits for its decode worker's handshake.")
    transfer_timeout_s: int = Field(
        default=30, gt=0, description="Seconds that decode waits for the KV cache, prefill's queue and computation included."
    )
    heartbeat_s: float = Field(
        default=1.0,
        gt=0,
        description="Seconds between decode's looks at prefill, and prefill's at a decode worker to which a transfer failed.",
    )
    heartbeat_failures: int = Field(default=3, ge=1, description="Looks that fail before prefill counts as dead.")
    probe_timeout_s: float = Field(
        default=60.0, gt=0, description="Seconds that one pair may take for its first token, before a run is ready."
    )


class Hardware(Section):
    """What the processes run on."""

    name: str
    device: Literal["cpu", "cuda"]
    gpus: int = Field(default=0, ge=0, description="How many GPUs this host gives to the run.")
    engine: EngineSection = EngineSection()
    env: dict[str, str] = Field(default_factory=dict, description="Environment of every worker.")


class Runtime(Section):
    """How processes find and call each other."""

    name: str
    namespace: str = Field(default="armature", pattern=r"^[a-z0-9_-]+$", description="The runtime's namespace of this deployment.")
    discovery: Literal["file", "etcd"] = Field(
        default="file", description="How processes find each other: by files in the run directory, or by an etcd server."
    )
    requests: Literal["tcp", "nats"] = Field(default="tcp", description="How requests reach workers: directly, or through a NATS server.")
    events: Literal["zmq", "nats"] = Field(
        default="zmq", description="How workers' events reach the frontend: directly, or through a NATS server."
    )
    events_durable: bool = Field(default=False, description="Whether KV events are also kept in a JetStream stream of a NATS server.")
    nats_url: str | None = Field(default=None, description="A NATS server that you run; null: the run starts one where it needs one.")
    etcd_url: str | None = Field(default=None, description="An etcd server that you run; null: the run starts one where it needs one.")

    @field_validator("nats_url")
    @classmethod
    def _nats_url_names_a_server(cls, value: str | None) -> str | None:
        return value and check_server_url(value, ("nats", "tls"), login="NATS_AUTH_USERNAME and NATS_AUTH_PASSWORD")

    @field_validator("etcd_url")
    @classmethod
    def _etcd_url_names_a_server(cls, value: str | None) -> str | None:
        return value and check_server_url(value, ("http", "https"), login="ETCD_AUTH_USERNAME and ETCD_AUTH_PASSWORD")

    @model_validator(mode="after")
    def _named_servers_are_used(self) -> Runtime:
        if self.nats_url and not self.uses_nats:
            raise ValueError(
                f"nats_url={self.nats_url} names a server that nothing would use: requests={self.requests}, events={self.events}, "
                "events_durable=false; take runtime=nats, or runtime.nats_url=null"
            )
        if self.etcd_url and not self.uses_etcd:
            raise ValueError(
                f"etcd_url={self.etcd_url} names a server that nothing would use: discovery={self.discovery}; "
                "take runtime.discovery=etcd, or runtime.etcd_url=null"
            )
        return self

    @property
    def uses_nats(self) -> bool:
        """Whether anything goes through a NATS server."""
        return self.requests == "nats" or self.events == "nats" or self.events_durable

    @property
    def uses_etcd(self) -> bool:
        """Whether processes find each other by etcd."""
        return self.discovery == "etcd"


class LauncherSection(Section):
    """Where processes are started."""

    name: Literal["local"] = "local"
    restarts: int = Field(
        default=3, ge=0, description="How often a service that dies while the run serves is started again, before the run ends."
    )
    restart_window_s: float = Field(default=600.0, gt=0, description="Deaths longer ago than this are forgotten.")


class Observe(Section):
    """Whether a run watches itself."""

    name: Literal["none", "prometheus"] = Field(
        default="none", description="prometheus: the run starts one, which scrapes all of it, and engines count for it (enable_metrics)."
    )
    port: int = Field(default=0, ge=0, le=65535, description="Of Prometheus, on loopback; 0: any free port.")
    scrape_s: float = Field(default=5.0, ge=0.1, description="Seconds between Prometheus' looks at each process.")

    @model_validator(mode="after")
    def _port_is_used(self) -> Observe:
        if self.port and self.name == "none":
            raise ValueError(f"port={self.port} is for a Prometheus, and this run starts none: take observe=prometheus, or observe.port=0")
        return self


class Profile(Section):
    """What is looked at in detail in the steady part of the load. A profile costs time: do not compare such runs with others."""

    name: Literal["none", "torch", "pyspy", "nsys"] = Field(
        default="none", description="torch: operators of each engine; pyspy: a flame graph of Python; nsys: NVIDIA's tracer around workers."
    )
    after_s: float = Field(default=2.0, ge=0, description="Seconds from the end of the warm-up.")
    seconds: float = Field(default=5.0, gt=0, description="How long it looks.")
    nodes: list[str] = Field(default_factory=list, description="Which nodes; none named: all workers.")


class Frontend(Section):
    """The OpenAI-compatible HTTP server."""

    host: str = Field(default="127.0.0.1", description="The address it listens on; 0.0.0.0 serves every interface.")
    port: int = Field(default=8000, ge=0, le=65535, description="0: any free port.")
    drain_s: float = Field(default=30.0, ge=0, description="Seconds that running requests may take to finish when the run ends.")


class Worker(Section):
    """Settings of every worker process."""

    egress: Literal["push", "pull"] = Field(default="push", description="How a worker hands chunks to the runtime.")
    drain_s: float = Field(default=30.0, ge=0, description="Seconds that running requests may take to finish when the run ends.")
    start_timeout_s: float = Field(default=600.0, gt=0, description="Seconds from the start of a worker to its being ready.")
    check_s: float = Field(
        default=30.0,
        ge=0,
        description="Seconds between looks whether each rank of the engine still works; a hung one ends the worker. 0: none.",
    )


class Deployment(Section):
    """Everything that one `armature up` was asked for."""

    model: Model
    topology: Topology
    hardware: Hardware
    runtime: Runtime
    launcher: LauncherSection
    frontend: Frontend
    worker: Worker
    disaggregation: Disaggregation = Disaggregation()
    observe: Observe = Observe()
    load: Load = Load()
    profile: Profile = Profile()
    engine: EngineSection
    url: str | None = Field(default=None, description="An OpenAI-compatible server of others to measure (topology=external).")

    @model_validator(mode="before")
    @classmethod
    def _others_have_the_weights(cls, data: Any) -> Any:
        """What is served elsewhere needs no path here."""
        topology, model = data.get("topology"), data.get("model")
        if isinstance(topology, Mapping) and not topology.get("roles") and isinstance(model, Mapping):
            return {**data, "model": {**model, "weights": "external"}}
        return data

    @field_validator("url")
    @classmethod
    def _url_names_a_server(cls, value: str | None) -> str | None:
        return value and check_http_url(value)

    @model_validator(mode="after")
    def _external_is_measured(self) -> Deployment:
        if self.external and not self.url:
            raise ValueError("topology=external measures a server of others: give its address, url=http://HOST:PORT")
        if self.url and not self.external:
            raise ValueError(f"url={self.url} is a server of others, and {self.topology.name} starts its own: take topology=external")
        if self.external and not self.load:
            raise ValueError("topology=external starts nothing, and load=none asks nothing: take a load, such as load=closed")
        if self.external and self.profile.name != "none":
            raise ValueError("topology=external: processes of others cannot be profiled; take profile=none")
        if self.profile.name in ("torch", "pyspy") and not self.load:
            raise ValueError(f"profile={self.profile.name} looks at the steady part of a load: take a load, such as load=closed")
        if self.profile.name == "nsys" and self.hardware.device == "cpu":
            raise ValueError("profile=nsys traces what GPUs do, and hardware=cpu has none: take profile=torch or profile=pyspy")
        return self

    @property
    def external(self) -> bool:
        """Whether what is measured is served by others."""
        return not self.topology.roles

    @property
    def router(self) -> Router:
        """How the frontend spreads requests: as the topology says, and as the model says where it says something."""
        changes = {k: v for k, v in self.model.router.model_dump().items() if v is not None}
        return self.topology.router.model_copy(update=changes)

    @model_validator(mode="after")
    def _router_can_know_the_caches(self) -> Deployment:
        if self.external or self.router.mode != "kv":
            return self
        sizes = {name: self.engine_args(name).get("page_size", 1) for name in self.topology.roles}
        if len(set(sizes.values())) > 1:
            found = ", ".join(f"{name} {size}" for name, size in sizes.items())
            raise ValueError(f"in router mode kv all workers need blocks of one size (engine.args.page_size), and they have: {found}")
        for name in filter(self.publishes_kv_events, self.topology.roles):
            args = self.engine_args(name)
            for flag in ("disable_radix_cache", "speculative_algorithm"):
                if args.get(flag):
                    raise ValueError(
                        f"router mode kv goes by KV events, and with {flag} workers of {name} publish none that it can use: "
                        "set topology.router.kv_events=false, or another mode"
                    )
        return self

    @property
    def publishes_load(self) -> bool:
        """Whether workers tell the router how full they are: where it makes use of it."""
        return self.router.mode == "kv" or self.router.busy_blocks is not None

    def publishes_kv_events(self, group: str) -> bool:
        """Whether workers of `group` tell the router what their prefix caches hold. Decode workers have none."""
        return self.router.mode == "kv" and self.router.kv_events and self.topology.roles[group].role != "decode"

    def engine_args(self, group: str) -> dict[str, EngineArg]:
        """The native flags of one group of workers: hardware's, then the model's, then everyone's, then the group's own."""
        parts = (self.hardware.engine, self.model.engine, self.engine, self.topology.roles[group].engine)
        merged: dict[str, EngineArg] = {"page_size": KV_BLOCK} if self.router.mode == "kv" else {}
        for part in parts:
            merged.update(part.args)
        return {k: v for k, v in merged.items() if v is not None}
