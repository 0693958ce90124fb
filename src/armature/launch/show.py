"""What a user sees of a run: a live table on a terminal, one line an event elsewhere."""

from __future__ import annotations

import os
import sys
from typing import Protocol, TextIO

from armature.graph.node import ModelProbe
from armature.graph.plan import Plan
from armature.launch.asking import CHAT, COMPLETIONS, command
from armature.launch.rundir import Event
from armature.output import discard

TALKS = "smollm2-135m"  # a file of conf/model


class Show(Protocol):
    """Shows a run to somebody."""

    def event(self, event: Event) -> None: ...
    def line(self, node: str, merged: str) -> None: ...
    def close(self) -> None: ...


class PlainShow:
    """One line an event. A reader that goes away (a closed pipe or terminal) ends the show, not the run."""

    def __init__(self, plan: Plan, logs: bool = False, out: TextIO | None = None) -> None:
        self._plan, self._logs, self._out = plan, logs, out or sys.stdout
        self._width = max((len(n.name) for n in plan.nodes), default=0)

    def event(self, event: Event) -> None:
        for text in render(event, self._plan, self._width):
            self.write(text)

    def line(self, node: str, merged: str) -> None:
        if self._logs:
            self.write(merged)

    def write(self, text: str) -> None:
        try:
            print(text, file=self._out, flush=True)
        except (OSError, ValueError):
            self.write = lambda text: None  # type: ignore[method-assign]
            discard(self._out)

    def close(self) -> None:
        pass


def redrawable(out: TextIO) -> bool:
    """Whether `out` is a terminal on which lines can be redrawn."""
    return out.isatty() and os.environ.get("TERM", "dumb") != "dumb"


def render(event: Event, plan: Plan, width: int) -> list[str]:
    """An event as lines of text; none for what only the record needs."""
    stamp = f"[{event.elapsed_s:6.1f}s]"
    if event.node is None:
        return serving(plan) if event.event == "serving" else [f"{stamp} {event.event}: {event.detail}"]
    if event.event == "started":
        return []
    detail = f" ({event.detail})" if event.event == "ready" else f": {event.detail}" if event.detail else ""
    return [f"{stamp} {event.node:{width}}  {event.event}{detail}", *last_lines(event, plan)]


def last_lines(event: Event, plan: Plan) -> list[str]:
    """The end of a failed node's output, and where the rest is."""
    lines = event.facts.get("last_lines") or ()
    if not lines:
        return [f"    no output ({plan.run_dir}/logs/{event.node}.log)"] if event.event == "failed" else []
    return [f"    last lines of {plan.run_dir}/logs/{event.node}.log:", *(f"    | {line}" for line in lines)]


def _is_random(plan: Plan) -> bool:
    """Whether the model is built here, with random weights or for an engine that makes some."""
    return any(node.task is not None and node.task.params.get("weights") in ("random", "none") for node in plan.nodes)


def _writes(probe: ModelProbe | None) -> bool:
    """Whether what is served writes text."""
    return probe is None or probe.path in (CHAT, COMPLETIONS)


def serving(plan: Plan) -> list[str]:
    """What to do with a run that is ready."""
    lines = ["", f"serving {plan.model} at {plan.url}" if plan.url else "everything is ready"]
    probe = next((n.ready for n in plan.nodes if isinstance(n.ready, ModelProbe)), None)
    if plan.url and _is_random(plan):
        what, hint = ("text", f" A small model that answers in English: +model={TALKS}") if _writes(probe) else ("output", "")
        lines.append(f"{plan.model} has random weights: its {what} is noise.{hint}")
    if plan.url and probe:
        lines += ["", *(f"  {line}" for line in command(plan.url, probe))]
    return [*lines, "", f"logs     {plan.run_dir}/logs", "stop     Ctrl-C drains and stops everything; a second Ctrl-C kills", ""]
