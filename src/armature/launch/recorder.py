"""One run's record, as its supervisor writes it: events, logs and display. None of it can stop the run; see `armature.recording`."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from armature.launch.nodelog import NodeLog
from armature.launch.rundir import RunDir
from armature.launch.show import Show
from armature.recording import Losses


class Recorder:
    """One run's events, logs and display, none of which can stop it."""

    def __init__(self, run: RunDir, show: Show, losses: Losses) -> None:
        self._run, self._show, self._losses = run, show, losses
        self._unopened: set[str] = set()  # nodes whose log's loss has been noted

    def emit(self, node: str | None, event: str, detail: str = "", **facts: Any) -> None:
        """Record that something happened to a node (None: to the run), and show it."""
        made = self._run.event(node, event, detail, **facts)
        self._losses.keep("events.jsonl", lambda: self._run.record(made))
        self._losses.keep("the display", lambda: self._show.event(made))

    def keep(self, what: str, action: Callable[[], object]) -> None:
        """Any other piece of bookkeeping. what: what is lost when it fails."""
        self._losses.keep(what, action)

    def open_log(self, node: str, keep: int) -> tuple[int, NodeLog]:
        """A descriptor for the output of a process of `node` that is about to start, and the log that follows it.

        Where the log cannot be opened, the process starts all the same: the descriptor takes nothing, and the guard hands the output
        to `unwritten`.
        """
        what = f"logs/{node}.log"
        fd = self._losses.attempt(what, lambda: self._run.open_log(node), -1)
        path = self._run.logs / f"{node}.log" if fd >= 0 else os.devnull
        if fd < 0:
            fd = os.open(os.devnull, os.O_RDONLY)
            self._unopened.add(node)
        return fd, NodeLog(path, lambda line: self._line(node, line), lambda read: self._losses.attempt(what, read, b""), keep)

    def unwritten(self, node: str, log: NodeLog, data: bytes, why: str) -> None:
        """Take in output of `node` that its log file did not get: it is shown, and probes see it."""
        if node not in self._unopened:
            self._losses.note(f"logs/{node}.log", why)
        log.take(data)

    def close(self) -> None:
        """Let go of display and files."""
        self._losses.keep("the display", self._show.close)
        self._losses.keep("the run's record", self._run.close)

    def tell_losses(self) -> None:
        """An event that says what is missing in the record, if anything is."""
        if lost := self._losses.summary():
            self.emit(None, "unrecorded", lost)

    def _line(self, node: str, line: str) -> None:
        merged = self._run.merged(node, line)
        self._losses.keep("logs/all.log", lambda: self._run.add_line(merged))
        self._losses.keep("the display", lambda: self._show.line(node, merged))
