"""What a user asks for: the deployment, typed and checked.

`Deployment` is made from Hydra's result by `armature.config.compose`. Its fields and those of its sections (the modules beside
this one) are the reference of every config file under conf/: docs/reference/config.md is generated from them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import Field, field_validator, model_validator

from armature.config.engine_section import EngineArg, EngineSection
from armature.config.load import API_OF, Load
from armature.config.model import Model
from armature.config.processes import Frontend, Hardware, LauncherSection, Observe, Profile, RunSection, Worker
from armature.config.router import Router
from armature.config.runtime import Runtime
from armature.config.section import Invalid, Section, merged
from armature.config.servers import check_http_url
from armature.config.topology import Disaggregation, Topology
from armature.limits import RequestLimits

KV_BLOCK = 16  # tokens in a block, where the router looks at blocks and nobody set engine.args.page_size


class Deployment(Section):
    """Everything that one `armature up` was asked for."""

    model: Model
    topology: Topology
    hardware: Hardware
    runtime: Runtime
    launcher: LauncherSection
    run: RunSection = RunSection()
    frontend: Frontend
    worker: Worker
    requests: RequestLimits = RequestLimits()
    disaggregation: Disaggregation = Disaggregation()
    observe: Observe = Observe()
    load: Load = Load()
    profile: Profile = Profile()
    engine: EngineSection
    url: str | None = Field(default=None, description="An existing OpenAI-compatible server to measure (topology=external).")

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
            raise Invalid("topology=external measures an existing server", field="url", fix="add url=http://HOST:PORT")
        if self.url and not self.external:
            raise Invalid(f"topology={self.topology.name} starts its own server", field="url", fix="remove url=, or add topology=external")
        if self.external and not self.load:
            raise Invalid("topology=external needs a load", field="load.name", fix="add load=closed")
        if self.external and self.profile.name != "none":
            raise Invalid("topology=external has no processes to profile", field="profile.name", fix="add profile=none")
        profile = self.profile.kind
        if profile and profile.beside_load and not self.load:
            raise Invalid(f"profile={profile.name} needs a load", field="profile.name", fix="add load=closed")
        if profile and profile.needs_gpus and self.hardware.device == "cpu":
            raise Invalid(
                f"profile={profile.name} traces GPUs, and hardware=cpu has none", field="profile.name", fix="add profile=torch load=closed"
            )
        return self

    @model_validator(mode="after")
    def _load_asks_what_is_served(self) -> Deployment:
        served = self.topology.apis
        for api, user in self.load.apis.items():
            if not self.external and api not in served:
                others = [name for name, wanted in API_OF.items() if wanted in served]
                raise Invalid(
                    f"topology={self.topology.name} does not answer {user}",
                    field="load.user",
                    expected=" | ".join(others),
                    fix=f"add load.user={others[0]}" if others else "add load=none",
                )
        return self

    @property
    def external(self) -> bool:
        """Whether an existing server is measured."""
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
            raise Invalid(
                f"router mode kv needs the same page_size for all workers, got: {found}",
                field="topology.router.mode",
                fix=f"add engine.args.page_size={KV_BLOCK}",
            )
        for name in filter(self.publishes_kv_events, self.topology.roles):
            args = self.engine_args(name)
            for flag in ("disable_radix_cache", "speculative_algorithm"):
                if args.get(flag):
                    raise Invalid(
                        f"router mode kv needs KV events, but with {flag} workers of {name} publish none that it can use",
                        field="topology.router.mode",
                        fix="add topology.router.kv_events=false, or use another mode",
                    )
        return self

    @property
    def publishes_load(self) -> bool:
        """Whether workers tell the router how full they are: where it makes use of it."""
        return self.router.mode == "kv" or self.router.busy_blocks is not None

    def publishes_kv_events(self, group: str) -> bool:
        """Whether workers of `group` tell the router what their prefix caches hold."""
        return self.router.mode == "kv" and self.router.kv_events and self.topology.roles[group].kind.keeps_prefixes

    def worker_env(self, group: str) -> dict[str, str]:
        """The environment of one group of workers: hardware's, then the group's own."""
        return merged(self.hardware.env, self.topology.roles[group].env)

    def engine_args(self, group: str) -> dict[str, EngineArg]:
        """The native flags of one group of workers: hardware's, then the model's, then everyone's, then the group's own."""
        parts = (self.hardware.engine, self.model.engine, self.engine, self.topology.roles[group].engine)
        merged: dict[str, EngineArg] = {"page_size": KV_BLOCK} if self.router.mode == "kv" else {}
        for part in parts:
            merged.update(part.args)
        return {k: v for k, v in merged.items() if v is not None}
