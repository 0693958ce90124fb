"""What a user asks for: the deployment, typed and checked.

`Deployment` is made from Hydra's result by `armature.config.compose`. Its fields and those of its sections (the modules beside
this one) are the reference of every config file under conf/: docs/reference/config.md is generated from them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import Field, field_validator, model_validator

from armature.config.engine_section import EngineArg, EngineSection
from armature.config.load import Load
from armature.config.model import Model
from armature.config.processes import Frontend, Hardware, LauncherSection, Observe, Profile, Worker
from armature.config.router import Router
from armature.config.runtime import Runtime
from armature.config.section import Section
from armature.config.servers import check_http_url
from armature.config.topology import Disaggregation, Topology

KV_BLOCK = 16  # tokens in a block, where the router looks at blocks and nobody set engine.args.page_size


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
