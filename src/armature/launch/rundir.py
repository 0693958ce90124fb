"""The run directory: what a run was, what happened in it, and what its nodes said.

plan.json      the plan
events.jsonl   one JSON object a line: t (seconds since 1970), elapsed_s, node (null: the run), event, detail, and
               what belongs to the event (url, model, pid, exit_code)
FILE.json      what whoever started the run wants to be kept with it: the composed deployment, the host it ran on
logs/NODE.log  what a node wrote, byte for byte; its guard writes it, so that it is complete after any death of node or launcher
logs/all.log   the lines of all nodes, prefixed with their names, as UTF-8
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from armature.errors import UserError
from armature.graph.plan import Plan
from armature.launch import tree
from armature.recording import LineFile


@dataclass(frozen=True)
class Event:
    """One thing that happened.

    event: of a node: waiting, starting, started, ready, skipped, exited, restarting, failed, stopping, stopped; of the run:
        serving, ending, interrupted, unrecorded (what the record lacks), ended.
    t: seconds since 1970. elapsed_s: since the run began. node: None for the run as a whole.
    """

    t: float
    elapsed_s: float
    node: str | None
    event: str
    detail: str = ""
    facts: Mapping[str, Any] = field(default_factory=dict)

    def as_json(self) -> str:
        shown = {
            "t": round(self.t, 3),
            "elapsed_s": round(self.elapsed_s, 3),
            "node": self.node,
            "event": self.event,
            "detail": self.detail,
        }
        return json.dumps({**shown, **self.facts})

    @classmethod
    def from_json(cls, line: bytes) -> Event:
        """The event of a line of events.jsonl. Raises ValueError for a line that is none, such as one that broke off."""
        row = json.loads(line)
        try:
            own = {name: row.pop(name) for name in ("t", "elapsed_s", "node", "event", "detail")}
        except (AttributeError, KeyError, TypeError):
            raise ValueError(f"no event: {line[:80]!r}") from None
        return cls(**own, facts=row)


def read_events(lines: Iterable[bytes]) -> list[Event]:
    """The events of lines of events.jsonl. Lines that broke off, as on a full disk, are left out."""
    found = []
    for line in lines:
        with contextlib.suppress(ValueError):
            found.append(Event.from_json(line))
    return found


class RunDir:
    """The directory of one run, made by `create`."""

    def __init__(self, root: Path, width: int) -> None:
        """Raises OSError."""
        self.root = root
        self.logs = root / "logs"
        self._width = width
        self._opened: set[str] = set()
        self._events = LineFile(os.open(root / "events.jsonl", _FRESH, 0o644))
        self._all = LineFile(os.open(self.logs / "all.log", _FRESH, 0o644))
        with contextlib.suppress(OSError):  # a file system without locks: `is_live` says no, and nothing else suffers
            fcntl.flock(self._events.fileno(), fcntl.LOCK_SH)  # for the life of this process
        self._begun = time.monotonic()

    @classmethod
    def create(cls, plan: Plan, records: Mapping[str, str] | None = None) -> RunDir:
        """Make the run's directories and write its plan, and `records`: file name -> text. What an earlier run left there is replaced.

        Raises UserError when that cannot be done; what was made until then is removed.
        """
        made = [folder for folder in (plan.tmp_dir, plan.run_dir) if not folder.exists()]
        try:
            for folder in (plan.run_dir / "logs", plan.tmp_dir):
                folder.mkdir(parents=True, exist_ok=True)
            plan.tmp_dir.chmod(0o700)  # sockets lie here
            for name, text in {"plan.json": plan.model_dump_json(indent=2), **(records or {})}.items():
                (plan.run_dir / name).write_text(text + "\n")
            return cls(plan.run_dir, max((len(n.name) for n in plan.nodes), default=0))
        except OSError as e:
            for folder in made:
                tree.remove_folder(str(folder))
            raise _no_directory(plan, e) from e

    def open_log(self, node: str) -> int:
        """A descriptor to which `node` appends its output; after what it wrote before, when it is started again. Raises OSError."""
        again = node in self._opened
        self._opened.add(node)
        return os.open(self.logs / f"{node}.log", _FRESH & ~os.O_TRUNC if again else _FRESH, 0o644)

    def event(self, node: str | None, event: str, detail: str = "", **facts: Any) -> Event:
        """An event that happens now."""
        return Event(time.time(), time.monotonic() - self._begun, node, event, detail, facts)

    def record(self, event: Event) -> None:
        """Write an event down. Raises OSError."""
        self._events.add(event.as_json().encode())

    def merged(self, node: str, line: str) -> str:
        """A node's line as it stands in the merged log."""
        return f"{node:{self._width}} | {line}"

    def add_line(self, merged: str) -> None:
        """Add a line to the merged log. Raises OSError."""
        self._all.add(merged.encode("utf-8", "replace"))

    def close(self) -> None:
        """Raises OSError."""
        self._events.close()
        self._all.close()


def _no_directory(plan: Plan, e: OSError) -> UserError:
    """Why the run's directories cannot be made, and what to do."""
    where = e.filename or plan.run_dir
    if e.errno in (errno.ENOSPC, errno.EDQUOT):
        return UserError(
            f"no space for the run's directory: {where}: {e.strerror}; nothing was started",
            fix="free some space, or name folders on another disk: run.dir=DIR for runs, TMPDIR=DIR for sockets",
        )
    return UserError(
        f"the run's directory cannot be created: {where}: {e.strerror}",
        fix="choose a folder that you may write to: run.dir=DIR for runs, TMPDIR=DIR for sockets",
    )


def is_live(root: Path) -> bool:
    """Whether the launcher of the run in `root` still runs: however it ended, the kernel has let go of its lock."""
    try:
        with (root / "events.jsonl").open("rb") as f:
            fcntl.flock(f, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False


_FRESH = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND
