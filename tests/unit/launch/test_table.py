"""The live table: what it keeps on narrow terminals, and what stays when it ends."""

from __future__ import annotations

import io
import os
import pty
from pathlib import Path
from typing import TextIO

import pytest
from rich.console import Console

from armature.graph.node import HttpProbe, TaskSpec
from armature.graph.plan import Plan, PlannedNode, PortBlock
from armature.launch.rundir import Event
from armature.launch.table import Row, TableShow, middle_cut, picture

LONG = "prefill-of-a-group-with-a-very-long-name"
STATES = ("waiting", "starting", "ready", "skipped", "exited", "restarting", "failed", "stopping", "stopped")
BELOW = ["load 42%: 84 done, 0 failed, 3.12 requests/s, TTFT p50 120 ms"]


def service(name: str) -> PlannedNode:
    ports = {"system": PortBlock(first=20000), "nccl": PortBlock(first=20001), "bootstrap": PortBlock(first=20002)}
    return PlannedNode(name=name, kind="service", argv=("x",), ready=HttpProbe(url="http://x"), ports=ports)


TASK = PlannedNode(name="load", kind="task", argv=("x",), task=TaskSpec(outputs=()))


def plan(*nodes: PlannedNode, root: Path = Path("/runs")) -> Plan:
    return Plan(name="p", hash="0", run_dir=root, cache_dir=root, tmp_dir=root, nodes=nodes)


def lines(of: Plan, rows: dict[str, Row], width: int) -> list[str]:
    """What a terminal of `width` columns shows."""
    out = io.StringIO()
    Console(file=out, width=width).print(picture(of, rows, BELOW, width))
    return out.getvalue().splitlines()


def row(state: str) -> Row:
    return Row(state=state, detail="a detail " * 20, pid=4194304, begun=0.0, ended=86400.0, last="a line of the log " * 20)


@pytest.mark.parametrize("width", [40, 60, 80, 140])
@pytest.mark.parametrize("state", STATES)
def test_a_state_is_whole_at_any_width_and_no_line_is_longer(state: str, width: int) -> None:
    made = plan(*(service(f"{LONG}-{i}") for i in range(3)))
    shown = lines(made, {n.name: row(state) for n in made.nodes}, width)
    assert all(state in line.split() for line in shown[1:4])
    assert max(map(len, shown[:4])) <= width


@pytest.mark.parametrize("width", [40, 60, 80, 140])
def test_nodes_whose_names_differ_at_the_end_can_be_told_apart(width: int) -> None:
    made = plan(*(service(f"{LONG}-{i}") for i in range(3)))
    names = [line.split()[0] for line in lines(made, {n.name: Row() for n in made.nodes}, width)[1:4]]
    assert [name[-2:] for name in names] == ["-0", "-1", "-2"] and all(name.startswith("pref") for name in names)


@pytest.mark.parametrize("width", [80, 140])
def test_pid_and_ports_of_a_service_that_is_ready_are_shown(width: int) -> None:
    made = plan(service("prefill-0"))
    (shown,) = [line for line in lines(made, {"prefill-0": Row(state="ready", pid=4194304)}, width) if "prefill-0" in line]
    assert "4194304" in shown and "system:20000 nccl:20001" in shown


@pytest.mark.parametrize(("pid", "state"), [(None, "starting"), (7, "running")])
def test_a_task_that_has_started_runs(pid: int | None, state: str) -> None:
    assert state in lines(plan(TASK), {"load": Row(state="starting", pid=pid)}, 80)[1].split()


def test_lines_about_the_load_stand_under_the_table() -> None:
    assert lines(plan(TASK), {"load": Row()}, 80)[-1] == BELOW[0]


@pytest.mark.parametrize(
    ("text", "width", "cut"),
    [("worker-0", 8, "worker-0"), ("worker-10", 8, "work…-10"), ("worker-10", 7, "wor…-10"), ("worker-10", 1, "…"), ("", 3, "")],
)
def test_a_name_is_cut_in_its_middle(text: str, width: int, cut: str) -> None:
    assert middle_cut(text, width) == cut


@pytest.fixture
def terminal() -> tuple[TextIO, int]:
    ours, theirs = pty.openpty()
    return os.fdopen(theirs, "w"), ours


def test_what_tasks_told_stays_on_the_terminal_when_the_run_ends(terminal: tuple[TextIO, int], tmp_path: Path) -> None:
    out, ours = terminal
    show = TableShow(plan(TASK, root=tmp_path), logs=False, out=out)
    show.event(Event(0, 1, "load", "exited", "exit code 0", {"last_lines": ("200 requests: 200 ok", f"wrote {tmp_path}/report.html")}))
    show.event(Event(0, 2, None, "ended", "all tasks ended", {"exit_code": 0}))
    show.close()
    out.close()
    seen = b""
    while chunk := _read(ours):
        seen += chunk
    end = seen.decode()[-300:]
    assert "200 requests: 200 ok" in end and f"wrote {tmp_path}/report.html" in end and "ended: all tasks ended" in end


def _read(fd: int) -> bytes:
    try:
        return os.read(fd, 65536)
    except OSError:  # the other end is closed
        return b""
