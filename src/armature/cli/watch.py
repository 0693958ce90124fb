"""`armature watch [RUN]`: a run while it runs: its nodes, and the load on it."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

from armature.cli.load_now import load_lines
from armature.cli.options import Parser

if TYPE_CHECKING:
    from rich.console import Group

    from armature.bench.live import LoadNow
    from armature.bench.runs import Run
    from armature.launch.rundir import Event

DESCRIPTION = """\
Follow a run, by default the newest: the state of its nodes and, while load runs, requests done and failed, and the rate, TTFT and
ITL of the last 10 s. Exits when the run ends, with the run's exit code (1 if its launcher was killed). Ctrl-C stops watching.
If the output is not a terminal, prints one line per event, and one every 5 s while load runs.
"""

LOOK_S = 0.25
LINE_S = 5.0
GONE_S = 1.0  # a run that begins has its plan before its launcher can be seen


def parser() -> Parser:
    p = Parser(prog="armature watch", description=DESCRIPTION)
    p.add_argument("run", nargs="?", metavar="RUN", help="a run's directory, <name>/<id>, or the beginning of an id (default: the newest)")
    return p


def main(argv: list[str]) -> int:
    a = parser().parse_args(argv)

    from armature.bench.runs import find, newest
    from armature.launch.show import redrawable

    run = find([a.run])[0] if a.run else newest()
    view = RunView(run)
    return _redraw(view) if redrawable(sys.stdout) else _lines(view)


class RunView:
    """What is known of a run: events so far, its nodes' rows, the load."""

    def __init__(self, run: Run) -> None:
        from armature.bench.live import LoadWatch, Tail
        from armature.launch.table import Row

        self.run, self.plan = run, run.plan
        self.rows = {n.name: Row() for n in self.plan.nodes} if self.plan else {}
        self.width = max(map(len, self.rows), default=0)
        self._events, self._load = Tail(run.path / "events.jsonl"), LoadWatch(run.load)
        self.code: int | None = None  # the exit code, when it is over
        self.why = ""
        self._dead = 0  # looks in a row at which no launcher was there

    def look(self) -> tuple[list[Event], LoadNow]:
        """What is new."""
        from armature.launch.rundir import is_live, read_events
        from armature.launch.table import note

        live = is_live(self.run.path)  # before the events are read: the last one is written before the launcher goes
        events = read_events(self._events.lines())
        for event in events:
            if event.node in self.rows:
                note(self.rows[event.node], event)
            if event.node is None and event.event == "ended":
                self.code, self.why = int(event.facts.get("exit_code", 0)), event.detail
        now = self._load.look(time.time())
        self._dead = 0 if live else self._dead + 1
        if self.code is None and self._dead * LOOK_S >= GONE_S and (self.plan or self._load.ended):
            self.code, self.why = (1, "its launcher was killed") if self.plan else (0, "the load ended")
        return events, now


def _lines(view: RunView) -> int:
    from armature.launch.show import render

    shown = 0.0
    print(f"watching {view.run.path}", flush=True)
    last: tuple[object, ...] = (None, 0, 0)
    while True:
        events, load = view.look()
        for event in events:
            for text in render(event, view.plan, view.width) if view.plan else []:
                print(text, flush=True)
        over = view.code is not None
        news = (load.phase, load.done, load.failed)
        if news != last and (over or time.monotonic() - shown >= LINE_S):
            shown, last = time.monotonic(), news
            print("  ".join(load_lines(load)), flush=True)
        if view.code is not None:
            print(f"{view.run.label} is over: {view.why}", flush=True)
            return view.code
        time.sleep(LOOK_S)


def _redraw(view: RunView) -> int:
    from rich.console import Console
    from rich.live import Live

    console = Console(highlight=False)
    with Live(console=console, auto_refresh=False) as live:
        while True:
            _, load = view.look()
            live.update(shown(view, load, console.width), refresh=True)
            if view.code is not None:
                break
            time.sleep(LOOK_S)
    console.print(f"{view.run.label} is over: {view.why}", markup=False)
    return view.code


def shown(view: RunView, load: LoadNow, width: int) -> Group:
    """The run's folder, its nodes, and the load under them."""
    from rich.console import Group
    from rich.text import Text

    from armature.launch.table import picture

    lines = load_lines(load)
    folder = Text(f"{view.run.path}\n", style="dim")
    return Group(folder, picture(view.plan, view.rows, lines, width) if view.plan else Text("\n".join(lines)))
