"""What a role is, as data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from armature.roles.apis import TEXT, Api

Handover = Literal["none", "sends", "receives"]


@dataclass(frozen=True, slots=True)
class RoleKind:
    """One kind of worker.

    name: what configs call it. summary: one line for help and documentation.
    apis: what its workers answer (`roles.apis`); `prefill`: the first leg of others' requests. worker_type: what the runtime calls them.
    component: the runtime's component under which its workers are found; `backend` for those that clients' requests go to.
    partners: roles without which no request can be served. handover: whether its engines send KV caches to others, or receive
        them; such engines meet at `disaggregation.host`, and every pair of them is probed before the run is ready.
    keeps_prefixes: its engines keep the KV caches of prompts for later requests, and can publish events about them.
    control: the control routes that the run's own tasks use.
    """

    name: str
    summary: str
    apis: tuple[Api, ...] = TEXT
    worker_type: Literal["aggregated", "prefill", "decode", "encode"] = "aggregated"
    component: str = "backend"
    partners: tuple[str, ...] = ()
    handover: Handover = "none"
    keeps_prefixes: bool = True
    control: tuple[str, ...] = ()

    @property
    def hands_over(self) -> bool:
        """Whether its engines exchange KV caches with others."""
        return self.handover != "none"
