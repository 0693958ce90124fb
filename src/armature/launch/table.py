"""The live table of a run that starts, for terminals."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TextIO

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from armature.graph.plan import Plan, PlannedNode
from armature.launch.rundir import Event
from armature.launch.show import PlainShow, last_lines, render
from armature.output import discard

_COLOURS = {"ready": "green", "skipped": "green", "exited": "green", "failed": "bold red", "starting": "yellow"}
_GOOD = ("ready", "skipped", "exited")  # what a need must be before a node that needs it starts
_OVER = ("serving", "failed", "interrupted", "ended")  # the table has done its work; lines follow


@dataclass
class Row:
    """What is known of one node."""

    state: str = "waiting"
    detail: str = ""
    pid: int | None = None
    begun: float | None = None
    ended: float | None = None
    last: str = ""


class TableShow(PlainShow):
    """A table of all nodes until everything is ready or something fails, then one line an event."""

    def __init__(self, plan: Plan, logs: bool, out: TextIO) -> None:
        super().__init__(plan, logs, out)
        self._rows = {n.name: Row() for n in plan.nodes}
        self._console = Console(file=out, highlight=False)
        self._live: Live | None = Live(console=self._console, get_renderable=self.table, refresh_per_second=8)
        self._live.start()

    def event(self, event: Event) -> None:
        if event.node is not None:
            note(self._rows[event.node], event)
        if event.event in _OVER:
            table_ends = self._live is not None
            self.close()
            if table_ends and event.event == "failed":  # the table says the rest
                for text in last_lines(event, self._plan):
                    self.write(text)
                return
        if self._live is None:
            for text in render(event, self._plan, self._width):
                self.write(text)

    def line(self, node: str, merged: str) -> None:
        self._rows[node].last = merged.partition(" | ")[2]
        super().line(node, merged)

    def write(self, text: str) -> None:
        try:
            self._console.print(Text(text), soft_wrap=True)
        except (OSError, ValueError):  # the terminal went away; the run goes on
            discard(self._console.file)  # type: ignore[arg-type]

    def close(self) -> None:
        live, self._live = self._live, None
        if live:
            with contextlib.suppress(OSError, ValueError):
                live.stop()

    def table(self) -> Table:
        """The table as of now."""
        return node_table(self._plan, self._rows)


def node_table(plan: Plan, rows: dict[str, Row]) -> Table:
    """A plan's nodes and what is known of each."""
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    for column in ("node", "state", "pid", "ports", "time"):
        table.add_column(column, no_wrap=True)
    table.add_column("", no_wrap=True, overflow="ellipsis", style="dim", ratio=1)
    for node in plan.nodes:
        row = rows[node.name]
        state = Text(row.state, style=_COLOURS.get(row.state, "dim"))
        table.add_row(node.name, state, str(row.pid or ""), Text(_ports(node)), _seconds(row), Text(about(node, rows)))
    return table


def note(row: Row, event: Event) -> None:
    """Change a row as an event says."""
    if event.event == "started":
        row.pid = event.facts.get("pid")
        return
    row.state, row.detail = event.event, event.detail
    when = time.monotonic() - (time.time() - event.t)  # of an event that may be read long after it happened
    if event.event == "starting":
        row.begun = when
    elif event.event in (*_GOOD, "failed"):
        row.ended = when


def about(node: PlannedNode, rows: dict[str, Row]) -> str:
    """The last column: what a node waits for, or the last line that it wrote, or why it is in its state."""
    row = rows[node.name]
    if row.state == "waiting":
        return row.detail or f"for {', '.join(_missing(node.needs, rows))}"
    if row.state == "starting":
        return row.last or row.detail
    return "" if row.state == "ready" else row.detail


def _missing(needs: Iterable[str], rows: dict[str, Row]) -> list[str]:
    return [n for n in needs if rows[n].state not in _GOOD]


def _ports(node: PlannedNode) -> str:
    return " ".join(f"{name}:{b.first}" + (f"-{b.first + b.count - 1}" if b.count > 1 else "") for name, b in node.ports.items())


def _seconds(row: Row) -> str:
    return "" if row.begun is None else f"{(row.ended or time.monotonic()) - row.begun:.1f} s"
