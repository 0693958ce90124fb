"""The run directory: what a run was, what happened in it, and what its nodes said.

plan.json      the plan
events.jsonl   one JSON object a line: t (seconds since 1970), elapsed_s, node (null: the run), event, detail, and
               what belongs to the event (url, model, pid, exit_code)
FILE.json      what whoever started the run wants to be kept with it: the composed deployment, the host it ran on
logs/NODE.log  what a node wrote, byte for byte; the node writes it itself, so that it is complete after any death
logs/all.log   the lines of all nodes, prefixed with their names, as UTF-8
"""

from __future__ import annotations

import fcntl
import json
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from armature.errors import UserError
from armature.graph.plan import Plan


@dataclass(frozen=True)
class Event:
    """One thing that happened.

    event: of a node: waiting, starting, ready, skipped, exited, failed, stopping, stopped; of the run: serving, ended.
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
        """The event of a line of events.jsonl."""
        row = json.loads(line)
        own = {name: row.pop(name) for name in ("t", "elapsed_s", "node", "event", "detail")}
        return cls(**own, facts=row)


class RunDir:
    """The directory of one run, made by `create`. What is written is in the kernel at once: a killed launcher loses nothing."""

    def __init__(self, root: Path, width: int) -> None:
        self.root = root
        self.logs = root / "logs"
        self._width = width
        self._opened: set[str] = set()
        self._events = os.open(root / "events.jsonl", _FRESH, 0o644)
        self._all = os.open(self.logs / "all.log", _FRESH, 0o644)
        fcntl.flock(self._events, fcntl.LOCK_SH)  # for the life of this process: see `is_live`
        self._begun = time.monotonic()

    @classmethod
    def create(cls, plan: Plan, records: Mapping[str, str] | None = None) -> RunDir:
        """Make the run's directories and write its plan, and `records`: file name -> text. What an earlier run left there is replaced.

        Raises UserError when that cannot be done.
        """
        for folder in (plan.run_dir / "logs", plan.tmp_dir):
            try:
                folder.mkdir(parents=True, exist_ok=True)
            except OSError as e:
                raise UserError(
                    f"the run's directory {folder} cannot be made: {e.strerror}", fix="choose a folder that you may write to"
                ) from e
        plan.tmp_dir.chmod(0o700)  # sockets lie here
        for name, text in {"plan.json": plan.model_dump_json(indent=2), **(records or {})}.items():
            (plan.run_dir / name).write_text(text + "\n")
        return cls(plan.run_dir, max((len(n.name) for n in plan.nodes), default=0))

    def open_log(self, node: str) -> int:
        """A file descriptor to which `node` appends its output; after what it wrote before, when it is started again."""
        again = node in self._opened
        self._opened.add(node)
        return os.open(self.logs / f"{node}.log", _FRESH & ~os.O_TRUNC if again else _FRESH, 0o644)

    def record(self, node: str | None, event: str, detail: str = "", **facts: Any) -> Event:
        """Write an event down, as of now."""
        made = Event(time.time(), time.monotonic() - self._begun, node, event, detail, facts)
        os.write(self._events, made.as_json().encode() + b"\n")
        return made

    def add_line(self, node: str, line: str) -> str:
        """Add a line to the merged log; returns it as it stands there."""
        merged = f"{node:{self._width}} | {line}"
        os.write(self._all, merged.encode("utf-8", "replace") + b"\n")
        return merged

    def close(self) -> None:
        os.close(self._events)
        os.close(self._all)


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
