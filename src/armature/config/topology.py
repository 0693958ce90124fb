"""Which workers there are, and how prefill and decode workers meet."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import Field, field_validator, model_validator

from armature.config.engine_section import EngineSection
from armature.config.router import Router
from armature.config.section import Section


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
