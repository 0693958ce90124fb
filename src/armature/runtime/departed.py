"""Workers of this machine that died are forgotten at once, however they died.

With file discovery a worker that was killed stays listed for 10 s, and requests are sent to it meanwhile. Here each worker leaves a
card with its process beside what the runtime writes, `processes/INSTANCE`, and each frontend watches these processes (pidfd). When one
ends, the frontend removes what it had listed, which all frontends see at once. A process of another machine or container cannot be
watched so: its entries end as the runtime has it.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

CARDS = "processes"
LOOK_S = 0.25  # how often frontends look for new cards

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Process:
    """One process, never another one that got its number later. started: clock ticks since boot. space: its PID namespace."""

    pid: int
    started: int
    space: int


def process(pid: int) -> Process | None:
    """The process that has this number now; None when there is none, or it is dead already."""
    try:
        state, *fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (OSError, ValueError):
        return None
    return None if state in "ZX" else Process(pid, int(fields[18]), _space())


def sign_in(folder: Path, instance: int) -> None:
    """Leave this process's card as that of `instance`, which the runtime lists in the discovery's `folder`. Errors are logged: without
    a card the worker is forgotten late."""
    card = folder / CARDS / f"{instance:x}"
    me = process(os.getpid())
    assert me is not None
    try:
        card.parent.mkdir(exist_ok=True)
        card.with_suffix(".new").write_text(json.dumps(asdict(me)))
        card.with_suffix(".new").replace(card)
    except OSError as e:
        logger.warning("the card %s cannot be written, so routers will drop this worker late if it is killed: %s", card, e.strerror)


def forget(folder: Path, instance: int) -> None:
    """Remove everything that `instance` has listed, and its card."""
    for entry in folder.glob(f"v1/*/*%2F{instance:x}"):
        entry.unlink(missing_ok=True)
    (folder / CARDS / f"{instance:x}").unlink(missing_ok=True)


class Departures:
    """The watch of one frontend over the workers that have a card in the discovery's `folder`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._watched: dict[int, int] = {}  # instance -> pidfd, or -1 for one that cannot be watched

    async def watch(self) -> None:
        """Forget workers as they die, until cancelled."""
        try:
            while True:
                for instance, card in self._cards():
                    if instance not in self._watched:
                        self._begin(instance, card)
                await asyncio.sleep(LOOK_S)
        finally:
            for fd in self._watched.values():
                self._end(fd)
            self._watched.clear()

    def _cards(self) -> Iterator[tuple[int, Path]]:
        with contextlib.suppress(OSError), os.scandir(self._folder / CARDS) as cards:
            for card in cards:
                with contextlib.suppress(ValueError):  # one that is being written
                    yield int(card.name, 16), Path(card.path)

    def _begin(self, instance: int, card: Path) -> None:
        try:
            owner = Process(**json.loads(card.read_text()))
        except (OSError, ValueError, TypeError):
            return
        if owner.space != _space():
            self._watched[instance] = -1
            return
        fd = -1
        with contextlib.suppress(ProcessLookupError):
            fd = os.pidfd_open(owner.pid)
        if fd < 0 or process(owner.pid) != owner:
            self._end(fd)
            self._forget(instance)
            return
        self._watched[instance] = fd
        asyncio.get_running_loop().add_reader(fd, self._died, instance)

    def _died(self, instance: int) -> None:
        self._end(self._watched.pop(instance))
        self._forget(instance)

    def _forget(self, instance: int) -> None:
        try:
            forget(self._folder, instance)
        except OSError as e:
            logger.warning("worker %x died but cannot be removed from discovery now: %s", instance, e)

    def _end(self, fd: int) -> None:
        if fd >= 0:
            asyncio.get_running_loop().remove_reader(fd)
            os.close(fd)


def _space() -> int:
    return os.stat("/proc/self/ns/pid").st_ino
