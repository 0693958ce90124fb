"""What every profile beside a load has in common: what it is told, and when it begins."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from armature import control
from armature.bench.live import LoadWatch
from armature.errors import UserError
from armature.naming import component

_LOOK_S = 0.1


@dataclass(frozen=True)
class Taking:
    """A profile to be taken. nodes: whose. tmp: the folder of the nodes' TMPDIRs. gpus: whether to look at them, too. out: where
    the files go, in a folder for each node."""

    nodes: tuple[str, ...]
    tmp: Path
    seconds: float
    out: Path
    gpus: bool = False

    def control(self, node: str) -> Path:
        """The node's control folder."""
        return Path(control.folder(str(self.tmp), node))

    def folder(self, node: str) -> Path:
        """Where the node's files go; made if it is missing."""
        folder = self.out / component(node)
        folder.mkdir(parents=True, exist_ok=True)
        return folder


class ProfileModule(Protocol):
    """A module of this package that has the name of a profile."""

    take: Callable[[Taking], list[Path]]
    """Takes the profile now and returns the files. The report shows `*.svg` as flame graphs and `top.json` as operators, and links
    to all files. Raises UserError."""


def wait_until_steady(load: Path, after_s: float) -> None:
    """Until the load has measured for `after_s` seconds. Raises UserError when it ends before."""
    watch, since = LoadWatch(load), None
    while since is None or time.monotonic() - since < after_s:
        now = watch.look(time.time())
        if now.phase is not None and now.phase.startswith("ended"):
            raise UserError(
                f"the load ended before it had measured for {after_s:g} s",
                fix="make the load longer: load.count= or load.time_s=",
            )
        if since is None and now.phase == "measure":
            since = time.monotonic()
        time.sleep(_LOOK_S)
