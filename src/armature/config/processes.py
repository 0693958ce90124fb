"""What processes run on, how they are started, watched and stopped."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from armature.config.engine_section import EngineSection
from armature.config.section import Section


class Hardware(Section):
    """What the processes run on."""

    name: str
    device: Literal["cpu", "cuda"]
    gpus: int = Field(default=0, ge=0, description="How many GPUs this host gives to the run.")
    engine: EngineSection = EngineSection()
    env: dict[str, str] = Field(default_factory=dict, description="Environment of every worker.")


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
