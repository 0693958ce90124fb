"""Watching: files that grow, the figures of the last seconds, and a run that ends, is killed, or is left."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from armature.bench.live import LoadWatch, Tail
from armature.errors import UserError
from armature.graph.plan import Plan, PlannedNode
from armature.launch.rundir import Event, RunDir, is_live
from support.interrupts import sigint_as_python_has_it
from support.load_files import BEGAN, failed, load, request


@given(st.lists(st.binary(max_size=20).filter(lambda b: b"\n" not in b and b.strip()), max_size=20), st.lists(st.integers(1, 30)))
def test_a_tail_gives_each_line_once_however_it_was_written(lines: list[bytes], cuts: list[int]) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "f"
        tail, found = Tail(file), []
        data = b"".join(line + b"\n" for line in lines)
        for size in [*cuts, len(data)]:
            piece, data = data[:size], data[size:]
            with file.open("ab") as f:
                f.write(piece)
            found += tail.lines()
        assert found == lines


def test_a_file_that_is_not_there_yet_has_no_lines(tmp_path: Path) -> None:
    assert Tail(tmp_path / "none").lines() == []


def write(folder: Path, *rows: dict[str, object]) -> None:
    folder.mkdir(exist_ok=True)
    with (folder / "requests.0.jsonl").open("a") as f:
        f.writelines(json.dumps(row) + "\n" for row in rows)


def test_figures_are_those_of_the_last_ten_seconds(tmp_path: Path) -> None:
    watch = LoadWatch(tmp_path / "load")
    assert watch.look(BEGAN).phase is None
    write(tmp_path / "load", *(request(i, at=i, ttft_ms=100, gaps_ms=[10] * 9) for i in range(10)))
    write(tmp_path / "load", *(request(i, at=i, ttft_ms=500, gaps_ms=[20] * 9) for i in range(10, 30)), failed(99, started=BEGAN + 29))
    now = watch.look(BEGAN + 30)
    assert (now.phase, now.done, now.failed) == ("measure", 30, 1)
    assert now.requests_per_s == pytest.approx(1.0)
    assert now.ttft_ms and now.itl_ms and (now.ttft_ms.p50, now.itl_ms.p99) == (500, 20)
    assert watch.look(BEGAN + 60).ttft_ms is None


def test_a_load_that_has_ended_says_why(tmp_path: Path) -> None:
    write(tmp_path / "load", request(0))
    (tmp_path / "load/load.json").write_text(json.dumps(load(end_reason="time")))
    assert LoadWatch(tmp_path / "load").look(BEGAN).phase == "ended (time)"


def test_a_load_that_runs_is_not_taken_for_one_that_failed(tmp_path: Path) -> None:
    """The generator writes `error` first, and what it was at its end."""
    write(tmp_path / "load", request(0))
    (tmp_path / "load/load.json").write_text(json.dumps(load(end_reason="error")))
    assert LoadWatch(tmp_path / "load").look(BEGAN).phase == "measure"


def test_records_of_another_version_are_named(tmp_path: Path) -> None:
    write(tmp_path / "load", request(0, v=2))
    with pytest.raises(UserError, match=r"requests\.0\.jsonl has version 2"):
        LoadWatch(tmp_path / "load").look(BEGAN)


def test_an_event_is_read_back_as_it_was_written() -> None:
    event = Event(1.5, 0.25, "worker-0", "started", "why", {"pid": 7})
    assert Event.from_json(event.as_json().encode()) == event


@pytest.fixture
def run(tmp_path: Path) -> Iterator[RunDir]:
    """A run whose launcher is this process."""
    node = PlannedNode(name="worker-0", kind="service", argv=("true",))
    folder = tmp_path / "agg/1"
    made = RunDir.create(Plan(name="agg", hash="h", run_dir=folder, cache_dir=tmp_path, tmp_dir=tmp_path / "t", nodes=(node,)))
    made.record(made.event("worker-0", "starting"))
    made.record(made.event("worker-0", "ready", "1.0 s"))
    yield made
    if is_live(folder):
        made.close()


def watching(run: RunDir, **streams: object) -> subprocess.Popen[str]:
    env = os.environ | {"PYTHONPATH": os.pathsep.join(p for p in sys.path if p), "TERM": "xterm", "COLUMNS": "120"}
    argv = [sys.executable, "-P", "-m", "armature", "watch", str(run.root)]
    return subprocess.Popen(argv, env=env, text=True, **({"stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | streams))  # type: ignore[call-overload, no-any-return]


def test_a_run_is_live_while_its_launcher_holds_its_events(run: RunDir) -> None:
    assert is_live(run.root)
    run.close()
    assert not is_live(run.root)
    assert not is_live(run.root / "nowhere")


def test_a_watch_ends_with_the_run_and_its_exit_code(run: RunDir) -> None:
    child = watching(run)
    now = time.time()
    write(run.root / "load", *(request(i, started=now, ended=now + 0.1) for i in range(3)))
    assert child.stdout
    text = ""
    while "load measure" not in text and (line := child.stdout.readline()):
        text += line
    run.record(run.event(None, "ended", "worker-0 died", exit_code=3))
    out, err = child.communicate(timeout=30)
    text += out
    assert (child.returncode, err) == (3, "")
    assert "worker-0  ready (1.0 s)" in text
    assert "load measure: 3 done, 0 failed" in text
    assert text.rstrip().endswith("agg/1 is over: worker-0 died")


def test_a_launcher_that_was_killed_is_noticed(run: RunDir) -> None:
    run.close()
    out, _ = (child := watching(run)).communicate(timeout=30)
    assert child.returncode == 1
    assert "its launcher was killed" in out


def test_ctrl_c_leaves_quietly(run: RunDir) -> None:
    with sigint_as_python_has_it():
        child = watching(run)
    assert child.stdout
    child.stdout.readline()
    child.send_signal(signal.SIGINT)
    _, err = child.communicate(timeout=30)
    assert (child.returncode, err) == (130, "")


def test_on_a_terminal_the_nodes_and_the_load_are_redrawn(run: RunDir) -> None:
    now = time.time()
    write(run.root / "load", request(0, started=now, ended=now, ttft_ms=123.0))
    ours, theirs = pty.openpty()
    child = watching(run, stdout=theirs, stderr=theirs)
    os.close(theirs)
    seen = b""
    while b"load measure: 1 done" not in seen:
        seen += os.read(ours, 65536)
    run.record(run.event(None, "ended", "all went well", exit_code=0))
    while b"is over" not in seen:
        seen += os.read(ours, 65536)
    assert child.wait(timeout=30) == 0
    os.close(ours)
    assert b"worker-0" in seen and b"TTFT p50 123" in seen
