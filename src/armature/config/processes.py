"""What processes run on, how they are started, watched and stopped."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator, model_validator

from armature import launchers, profiles
from armature.address import LOOPBACK
from armature.config.engine_section import EngineSection
from armature.config.section import Invalid, Section, Text, TextMap, refusing
from armature.config.servers import Host
from armature.limits import BODY_MB
from armature.profiles.kind import ProfileKind


class Hardware(Section):
    """The hardware that the processes run on."""

    name: str
    device: Literal["cpu", "cuda"]
    gpus: int = Field(default=0, ge=0, description="GPUs of this host that the run may use.")
    cores: int | None = Field(default=None, ge=1, description="Cores of this host that the run may use; null: not counted.")
    engine: EngineSection = EngineSection()
    env: TextMap = Field(default_factory=dict, description="Environment of every worker.")


class LauncherSection(Section):
    """Where processes are started."""

    name: str = Field(default="local", description="; ".join(f"{kind.name}: {kind.summary}" for kind in launchers.every()) + ".")
    restarts: int = Field(default=3, ge=0, description="Restarts of a service that dies while the run serves; the next death ends the run.")
    restart_window_s: float = Field(default=600.0, gt=0, description="Seconds after which a death no longer counts.")

    @field_validator("name")
    @classmethod
    def _launcher_exists(cls, name: str) -> str:
        return refusing(launchers.get, name).name


class RunSection(Section):
    """Where a run keeps its files."""

    dir: Text = Field(
        default=None,
        min_length=1,
        description="The folder of runs: each run keeps its logs, events and results in DIR/<name>/<id>. A relative path starts at the "
        "current folder. null: `ARMATURE_RUNS`, else `runs`.",
    )


class Observe(Section):
    """Monitoring of a run."""

    name: Literal["none", "prometheus"] = Field(
        default="none",
        description="prometheus: the run starts a Prometheus that scrapes all its processes; engines export metrics (enable_metrics).",
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
    """Profiles of the steady part of the load. Profiling costs time: do not compare profiled runs with others."""

    name: str = Field(default="none", description="; ".join(["none", *(f"{kind.name}: {kind.summary}" for kind in profiles.every())]) + ".")
    after_s: float = Field(default=2.0, ge=0, description="Seconds from the end of the warm-up to the start of the profile.")
    seconds: float = Field(default=5.0, gt=0, description="Length of the profile in seconds.")
    nodes: list[str] = Field(default_factory=list, description="Nodes to profile; empty: all workers.")

    @field_validator("name")
    @classmethod
    def _profile_exists(cls, name: str) -> str:
        if name != "none":
            refusing(profiles.get, name)
        return name

    @property
    def kind(self) -> ProfileKind | None:
        """The facts of the profile; None: nothing is profiled."""
        return None if self.name == "none" else profiles.get(self.name)


class Frontend(Section):
    """The OpenAI-compatible HTTP server."""

    host: Host = Field(default=LOOPBACK, description="The address to listen on, IPv4 or IPv6; 0.0.0.0 serves every interface.")
    port: int = Field(default=8000, ge=0, le=65535, description="0: any free port.")
    drain_s: float = Field(default=30.0, ge=0, description="Seconds that running requests may take to finish when the run ends.")
    body_mb: int = Field(
        default=BODY_MB,
        ge=1,
        description="Megabytes of a request's body. A larger one gets HTTP 413. While it tokenizes a prompt, the frontend needs up to 240 "
        "times the prompt's size in memory.",
    )
    admin: bool = Field(
        default=False, description="Serve `/busy_threshold`: any client of the port can read and set the router's busy limits there."
    )


class Worker(Section):
    """Settings of every worker process."""

    egress: Literal["push", "pull"] = Field(default="push", description="How a worker hands chunks to the runtime.")
    drain_s: float = Field(default=30.0, ge=0, description="Seconds that running requests may take to finish when the run ends.")
    start_timeout_s: float = Field(default=600.0, gt=0, description="Seconds that a worker may take to become ready.")
    control: bool = Field(
        default=False, description="Whether workers take commands: load, profile/start, profile/stop, kv/check (armature control)."
    )
    check_s: float = Field(
        default=10.0,
        ge=0,
        description="If a rank of the engine sends no report for half of these seconds, its worker gets no new requests; "
        "after all of them the worker exits. Must be longer than the longest step, such as the prefill of one chunk. 0: no check.",
    )
