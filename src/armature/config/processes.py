"""What processes run on, how they are started, watched and stopped."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from armature.address import LOOPBACK
from armature.config.engine_section import EngineSection
from armature.config.section import Invalid, Section, Text, TextMap
from armature.config.servers import Host


class Hardware(Section):
    """What the processes run on."""

    name: str
    device: Literal["cpu", "cuda"]
    gpus: int = Field(default=0, ge=0, description="GPUs of this host that the run may use.")
    engine: EngineSection = EngineSection()
    env: TextMap = Field(default_factory=dict, description="Environment of every worker.")


class LauncherSection(Section):
    """Where processes are started."""

    name: Literal["local"] = "local"
    restarts: int = Field(default=3, ge=0, description="Restarts of a service that dies while the run serves; one more death ends the run.")
    restart_window_s: float = Field(default=600.0, gt=0, description="Only deaths within this time count.")


class RunSection(Section):
    """What is kept of a run."""

    dir: Text = Field(
        default=None,
        min_length=1,
        description="The folder of runs: each keeps its logs, events and results in DIR/<name>/<id>. A relative one starts at the current "
        "folder. null: `ARMATURE_RUNS`, else `runs`.",
    )


class Observe(Section):
    """Whether a run watches itself."""

    name: Literal["none", "prometheus"] = Field(
        default="none",
        description="prometheus: the run starts one that scrapes all its processes; engines export metrics (enable_metrics).",
    )
    port: int = Field(default=0, ge=0, le=65535, description="Port of Prometheus, on loopback; 0: any free port.")
    scrape_s: float = Field(default=5.0, ge=0.1, description="Scrape interval in seconds.")

    @model_validator(mode="after")
    def _port_is_used(self) -> Observe:
        if self.port and self.name == "none":
            raise Invalid(
                f"port={self.port} is for Prometheus, but this run starts none",
                field="port",
                fix="add observe=prometheus, or observe.port=0",
            )
        return self


class Profile(Section):
    """What is profiled in the steady part of the load. A profile costs time: do not compare such runs with others."""

    name: Literal["none", "torch", "pyspy", "nsys"] = Field(
        default="none", description="torch: operators of each engine; pyspy: a flame graph of Python; nsys: NVIDIA's tracer around workers."
    )
    after_s: float = Field(default=2.0, ge=0, description="Seconds from the end of the warm-up.")
    seconds: float = Field(default=5.0, gt=0, description="How long it records.")
    nodes: list[str] = Field(default_factory=list, description="Nodes to profile; empty: all workers.")


class Frontend(Section):
    """The OpenAI-compatible HTTP server."""

    host: Host = Field(default=LOOPBACK, description="The address it listens on, IPv4 or IPv6; 0.0.0.0 serves every interface.")
    port: int = Field(default=8000, ge=0, le=65535, description="0: any free port.")
    drain_s: float = Field(default=30.0, ge=0, description="Seconds that running requests may take to finish when the run ends.")
    admin: bool = Field(
        default=False, description="Serve `/busy_threshold`: whoever reaches the port can read and set the router's busy limits there."
    )


class Worker(Section):
    """Settings of every worker process."""

    egress: Literal["push", "pull"] = Field(default="push", description="How a worker hands chunks to the runtime.")
    drain_s: float = Field(default=30.0, ge=0, description="Seconds that running requests may take to finish when the run ends.")
    start_timeout_s: float = Field(default=600.0, gt=0, description="Seconds from the start of a worker to its being ready.")
    control: bool = Field(
        default=False, description="Whether they take commands: load, profile/start, profile/stop, kv/check (armature control)."
    )
    check_s: float = Field(
        default=10.0,
        ge=0,
        description="A rank of the engine that has given no sign of life for half as many seconds stops new requests for its worker; "
        "after all of them it ends the worker. Must be longer than the longest step, such as the prefill of one chunk. 0: never.",
    )
