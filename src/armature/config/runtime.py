"""How processes find and call each other."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator, model_validator

from armature.config.section import Invalid, Section
from armature.config.servers import check_server_url


class Runtime(Section):
    """How processes find and call each other."""

    name: str
    namespace: str = Field(default="armature", pattern=r"^[a-z0-9_-]+$", description="The deployment's namespace in the runtime.")
    discovery: Literal["file", "etcd"] = Field(
        default="file", description="How processes find each other: by files in the run directory, or by an etcd server."
    )
    requests: Literal["tcp", "nats"] = Field(default="tcp", description="How requests reach workers: directly, or through a NATS server.")
    events: Literal["zmq", "nats"] = Field(
        default="zmq", description="How workers' events reach the frontend: directly, or through a NATS server."
    )
    events_durable: bool = Field(default=False, description="Whether KV events are also kept in a JetStream stream of a NATS server.")
    nats_url: str | None = Field(default=None, description="An existing NATS server; null: the run starts one if it needs one.")
    etcd_url: str | None = Field(default=None, description="An existing etcd server; null: the run starts one if it needs one.")

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
            raise Invalid(
                f"nothing uses this server: requests={self.requests}, events={self.events}, events_durable=false",
                field="nats_url",
                fix="add runtime=nats, or runtime.nats_url=null",
            )
        if self.etcd_url and not self.uses_etcd:
            raise Invalid(
                f"nothing uses this server: discovery={self.discovery}",
                field="etcd_url",
                fix="add runtime.discovery=etcd, or runtime.etcd_url=null",
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
