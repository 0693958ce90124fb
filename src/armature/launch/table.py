"""The live table of a run, for terminals: its nodes, and under them what else there is to say while it runs."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TextIO

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from armature.graph.plan import Plan, PlannedNode
from armature.launch.rundir import Event
from armature.launch.show import PlainShow, last_lines, render
from armature.output import discard

_COLOURS = {"ready": "green", "skipped": "green", "exited": "green", "failed": "bold red", "starting": "yellow"}
_GOOD = ("ready", "skipped", "exited")  # what a need must be before a node that needs it starts
_STATE = max(map(len, ("starting", "restarting", "stopping")))
_SECONDS, _PID = len("86400.0 s"), len("4194304")
_NARROW = 60  # columns below which the pid goes
_LEAST = 8  # columns without which the last column goes
_BELOW_S = 1.0  # how often the lines under the table are made anew; the table itself is redrawn more often
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
    """A table of all nodes until the run serves, fails or ends; then what its tasks told, and one line an event.

    below: makes the lines under the table.
    """

    def __init__(self, plan: Plan, logs: bool, out: TextIO, below: Callable[[], Sequence[str]] = lambda: ()) -> None:
        super().__init__(plan, logs, out)
        self._rows = {n.name: Row() for n in plan.nodes}
        self._below, self._made = below, float("-inf")
        self._lines: Sequence[str] = ()
        self._told: list[Event] = []
        self._console = Console(file=out, highlight=False)
        self._live: Live | None = Live(console=self._console, get_renderable=self.table, refresh_per_second=8)
        self._live.start()

    def event(self, event: Event) -> None:
        if event.node is not None:
            note(self._rows[event.node], event)
        if self._live and event.event == "exited" and event.facts.get("last_lines"):
            self._told.append(event)
        if event.event in _OVER:
            table_ends = self._live is not None
            self.close()
            for told in self._told if table_ends else ():
                for text in ("", *told.facts["last_lines"]):
                    self.write(text)
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
        self._made = float("-inf")  # the last picture stays
        if live:
            with contextlib.suppress(OSError, ValueError):
                live.stop()

    def table(self) -> Group:
        """The table as of now, and the lines under it."""
        if time.monotonic() - self._made >= _BELOW_S:
            self._lines, self._made = self._below(), time.monotonic()
        return picture(self._plan, self._rows, self._lines, self._console.width)


def picture(plan: Plan, rows: dict[str, Row], below: Sequence[str], width: int) -> Group:
    """The nodes' table, and lines under it, in `width` columns."""
    return Group(node_table(plan, rows, width), *([Text("\n" + "\n".join(below))] if below else []))


def node_table(plan: Plan, rows: dict[str, Row], width: int) -> Table:
    """A plan's nodes and what is known of each, in `width` columns. States are always whole; long names lose their middle."""
    names = min(max(len(n.name) for n in plan.nodes), max(12, width // 4)) if plan.nodes else 0
    columns = {"node": names, "state": _STATE, **({"pid": _PID} if width >= _NARROW else {}), "time": _SECONDS}
    if (rest := width - sum(columns.values()) - 2 * len(columns)) >= _LEAST:
        columns[""] = rest
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="dim")
    for title, size in columns.items():
        table.add_column(title, width=size, no_wrap=True, overflow="ellipsis", style="" if title else "dim")
    for node in plan.nodes:
        row = rows[node.name]
        cells = {
            "node": Text(middle_cut(node.name, names)),
            "state": Text(_state(node, row), style=_COLOURS.get(row.state, "dim")),
            "pid": Text(str(row.pid or "")),
            "time": Text(_seconds(row)),
            "": Text(about(node, rows)),
        }
        table.add_row(*(cells[title] for title in columns))
    return table


def _state(node: PlannedNode, row: Row) -> str:
    """A task has no moment at which it is ready: as soon as it has started, it runs."""
    return "running" if node.kind == "task" and row.state == "starting" and row.pid else row.state


def middle_cut(text: str, width: int) -> str:
    """`text` in at most `width` columns: names of one kind differ at their ends."""
    if len(text) <= width:
        return text
    tail = (width - 1) // 2
    return f"{text[: width - 1 - tail]}…{text[len(text) - tail :]}"


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
    """The last column: what a node waits for, the last line that it wrote, where it listens, or why it is in its state."""
    row = rows[node.name]
    if row.state == "waiting":
        return row.detail or f"for {', '.join(_missing(node.needs, rows))}"
    if row.state == "starting":
        return row.last or row.detail
    return _ports(node) if row.state == "ready" else row.detail


def _missing(needs: Iterable[str], rows: dict[str, Row]) -> list[str]:
    return [n for n in needs if rows[n].state not in _GOOD]


def _ports(node: PlannedNode) -> str:
    return " ".join(f"{name}:{b.first}" + (f"-{b.first + b.count - 1}" if b.count > 1 else "") for name, b in node.ports.items())


def _seconds(row: Row) -> str:
    return "" if row.begun is None else f"{(row.ended or time.monotonic()) - row.begun:.1f} s"
