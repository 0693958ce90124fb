"""What a profile is, as data."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class ProfileKind:
    """One way to profile nodes.

    name: what configs call it. summary: one line for help and documentation.
    nodes: which nodes it can profile; without a choice of the user's it profiles workers.
    beside_load: a task takes it in the steady part of the load (`armature.bench.profiling`), so there must be a load.
    control: the commands that the task sends to workers. programs: those that the task starts.
    needs_gpus: there is nothing to see on a CPU.
    wrap: the words before a node's command, for an output path without its suffix; None: the command stays as it is.
    write_s: seconds that a wrapped node needs to write its output after it has ended.
    """

    name: str
    summary: str
    nodes: Literal["workers", "services"] = "workers"
    beside_load: bool = True
    control: tuple[str, ...] = ()
    programs: tuple[str, ...] = ()
    needs_gpus: bool = False
    wrap: Callable[[str], tuple[str, ...]] | None = None
    write_s: float = 0.0
