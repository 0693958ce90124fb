"""What a launcher is: something that runs a plan."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from armature.graph.plan import Plan


@dataclass(frozen=True)
class Options:
    """What a launcher is told besides the plan.

    logs: show the nodes' output, merged and prefixed, on standard output. records: files kept in the run directory, by name.
    below: makes the lines under the live table.
    """

    logs: bool = False
    records: Mapping[str, str] = field(default_factory=dict)
    below: Callable[[], Sequence[str]] = lambda: ()


class LauncherModule(Protocol):
    """A module of `armature.launch.launchers`.

    run: runs a plan until it ends; the exit code. Raises UserError before anything starts when it cannot work. A launcher that only
    writes manifests makes them by a pure function of the plan, and prints them.
    """

    run: Callable[[Plan, Options], Awaitable[int]]
