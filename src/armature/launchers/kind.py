"""What a launcher is, as data."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class LauncherKind:
    """One way to run a plan.

    name: what configs call it. summary: one line for help and documentation. several_hosts: it runs plans over several hosts.
    """

    name: str
    summary: str
    several_hosts: bool = False
