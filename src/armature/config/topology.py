"""Which workers there are, and how prefill and decode workers meet."""

from __future__ import annotations

import re

from pydantic import Field, field_validator, model_validator

from armature import roles
from armature.address import LOOPBACK
from armature.config.engine_section import EngineSection
from armature.config.router import Router
from armature.config.section import Invalid, Section, TextMap, refusing
from armature.config.servers import Host
from armature.naming import NODE_NAME
from armature.roles.apis import APIS, Api
from armature.roles.kind import RoleKind

LONGEST_NAME = 40


class RoleGroup(Section):
    """Workers of one kind within a topology."""

    role: str = Field(description="The kind of worker: a module of armature.roles.")
    replicas: int = Field(default=1, ge=1, le=1024)
    gpus: int = Field(default=1, ge=0, description="GPUs of each replica, on hardware with GPUs.")
    cores: int = Field(default=0, ge=0, description="Cores of each replica, counted against hardware.cores.")
    share_gpus_with: str | None = Field(
        default=None, description="An earlier group whose GPUs this one shares: replica i uses those of its replica i."
    )
    engine: EngineSection = EngineSection()
    env: TextMap = Field(default_factory=dict, description="Environment of these workers; null removes a variable of hardware.env.")

    @field_validator("role")
    @classmethod
    def _role_exists(cls, name: str) -> str:
        return refusing(roles.get, name).name

    @property
    def kind(self) -> RoleKind:
        """The facts of its role."""
        return roles.get(self.role)


class Topology(Section):
    """The workers, and how requests reach them."""

    name: str
    router: Router = Router()
    roles: dict[str, RoleGroup] = Field(description="Group name -> workers of that kind; empty for topology=external.")

    @model_validator(mode="after")
    def _groups_fit(self) -> Topology:
        if not self.roles and self.name != "external":
            raise Invalid("the topology has no workers", field="roles", fix="add a group of workers, or use topology=external")
        names = list(self.roles)
        for name in names:
            if not re.fullmatch(NODE_NAME, name) or len(name) > LONGEST_NAME:
                raise Invalid(
                    f"{name!r} cannot be a group's name",
                    field="roles",
                    expected=f"letters and digits with single - or _ between, {LONGEST_NAME} at most",
                )
        for name, group in self.roles.items():
            other = group.share_gpus_with
            if other is not None and (other not in names[: names.index(name)] or self.roles[other].share_gpus_with):
                raise Invalid(
                    f"got {other!r}", field=f"roles.{name}.share_gpus_with", expected=f"a group before {name} that has GPUs of its own"
                )
            if other is not None and self.roles[other].replicas < group.replicas:
                raise Invalid(
                    f"{group.replicas} replicas cannot share the GPUs of {self.roles[other].replicas} replicas of {other}",
                    field=f"roles.{name}.replicas",
                    expected=f"at most {self.roles[other].replicas}",
                )
        kinds = {group.role: group.kind for group in self.roles.values()}
        for kind in kinds.values():
            for partner in kind.partners:
                if partner not in kinds:
                    raise Invalid(
                        f"there are {kind.name} workers but no {partner} workers, so no request can be served",
                        field="roles",
                        fix=f"add a group with role: {partner}",
                    )
        return self

    @property
    def apis(self) -> tuple[Api, ...]:
        """What clients can ask its workers for. Empty where there are none."""
        found = dict.fromkeys(api for group in self.roles.values() for api in group.kind.apis)
        return tuple(api for api in found if APIS[api].path)


class Disaggregation(Section):
    """How prefill and decode workers meet, and how long each waits for the other. All figures are per request."""

    host: Host = Field(
        default=LOOPBACK, description="The address at which workers meet and move KV caches; loopback serves one machine only."
    )
    bootstrap_timeout_s: int = Field(default=30, gt=0, description="Seconds that prefill waits for its decode worker's handshake.")
    transfer_timeout_s: int = Field(
        default=30, gt=0, description="Seconds that decode waits for the KV cache, including prefill's queue and computation."
    )
    heartbeat_s: float = Field(
        default=1.0,
        gt=0,
        description="Heartbeat interval in seconds: decode checks prefill, and prefill checks a decode worker after a failed transfer.",
    )
    heartbeat_failures: int = Field(default=3, ge=1, description="Failed heartbeats after which prefill counts as dead.")
    probe_timeout_s: float = Field(
        default=60.0, gt=0, description="Timeout in seconds for the first token of each pair, in the check before a run is ready."
    )
