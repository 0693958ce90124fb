"""Recording may fail, supervising may not: a full disk, a run directory that was removed, a terminal that went away."""

from __future__ import annotations

import errno
import mmap
import os
import shutil
import signal
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from faulty_launcher import CALLS
from launch_bench import Bench, wait_for

from armature.graph.node import LogProbe

FAULTY = Path(__file__).with_name("faulty_launcher.py")


@pytest.fixture
def small_disk(bench: Bench) -> Iterator[Path]:
    """A file system of one MiB."""
    mount = bench.root / "disk"
    mount.mkdir()
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(mount)], capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"no file system can be mounted here: {done.stderr.strip()}")
    yield mount
    subprocess.run(["umount", "--lazy", str(mount)], check=True)


def fill(disk: Path) -> None:
    """Not one more page is left. What is appended to has no room in its last page either: blank lines are there."""
    for file in (*disk.glob("run/*.jsonl"), *disk.glob("run/logs/*.log")):
        with file.open("ab") as f:
            f.write(b"\n" * (-file.stat().st_size % mmap.PAGESIZE))
    with pytest.raises(OSError, match="No space left"):
        write_until_full(disk / "filler")


def write_until_full(path: Path) -> None:
    with path.open("wb", buffering=0) as f:
        while True:
            f.write(bytes(mmap.PAGESIZE))


def answers(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=5) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def serve(bench: Bench, *flags: str, program: tuple[str, ...] = ("-m", "armature.launch"), restarts: int = 1) -> subprocess.Popen[str]:
    """A run with a task, and a worker that may be restarted; returns when it serves."""
    bench.task("make", "mkdir -p $ROOT/out && echo made > $ROOT/out/a", ["out/a"])
    bench.service("worker", "--say", "loading", needs=["make"], restarts=restarts)
    bench.service("front", "--say", "hello", needs=["worker"])
    launcher = bench.launch(*flags, program=program)
    wait_for(lambda: bench.happened("serving") or (bench.root / "serving").exists() or launcher.poll() is not None, 20)
    assert launcher.poll() is None, launcher.communicate()[0]
    return launcher


def kill_worker_until_it_is_back(bench: Bench) -> None:
    port = next(n for n in bench.nodes if n.name == "worker").ports["http"].first
    os.kill(main_process(bench, "worker"), signal.SIGKILL)
    try:
        wait_for(lambda: bench.begun("worker") == 2 and answers(port), 60)
    except AssertionError as e:
        launcher = bench.launchers[-1]
        launcher.kill()
        raise AssertionError(f"{e}: the worker began {bench.begun('worker')} times; the launcher:\n{launcher.communicate()[0]}") from e


def main_process(bench: Bench, node: str) -> int:
    """The node's process itself, not its guard: found without what the launcher records."""

    def is_it(pid: int) -> bool:
        process = Path(f"/proc/{pid}")
        return f"NODE={node}\0".encode() in (process / "environ").read_bytes() and b"guard.py" not in (process / "cmdline").read_bytes()

    return next(filter(is_it, bench.alive()))


def end(launcher: subprocess.Popen[str]) -> tuple[int, str]:
    launcher.send_signal(signal.SIGINT)
    out, _ = launcher.communicate(timeout=20)
    return launcher.returncode, out


def test_a_dead_worker_is_restarted_while_the_runs_disk_is_full(bench: Bench, small_disk: Path) -> None:
    bench.run_dir = small_disk / "run"
    launcher = serve(bench)
    fill(small_disk)
    kill_worker_until_it_is_back(bench)
    code, out = end(launcher)
    assert code == 0, out
    assert out.count("recording failed") == 1 and "No space left on device. The run continues" in out
    assert "restarting: 1 of 1" in out and "stopping" in out, "what cannot be recorded is shown all the same"
    assert "unrecorded: No space left on device: " in out and "events.jsonl (" in out
    assert bench.times().keys() >= {("front", "end"), ("worker", "end")}, "both drained"
    assert not bench.alive() and not (bench.root / "tmp").exists()


def test_a_node_whose_log_is_full_lives_and_is_heard(bench: Bench, small_disk: Path) -> None:
    """Its writes succeed, its lines are shown, and a probe that waits for one of them is content."""
    bench.run_dir = small_disk / "run"
    bench.service(
        "worker", *[word for i in range(2000) for word in ("--say", f"line {i}")], restarts=1, ready=LogProbe(pattern="line 1999")
    )
    launcher = bench.launch("--logs")
    bench.until("serving")
    fill(small_disk)
    os.kill(main_process(bench, "worker"), signal.SIGKILL)
    wait_for(lambda: bench.begun("worker") == 2 and answers(bench.nodes[0].ports["http"].first), 20)
    code, out = end(launcher)
    assert code == 0, out
    assert out.count("worker | line 1999\n") == 2 and out.count("worker | line 0\n") == 2
    assert "logs/worker.log (" in next(line for line in out.splitlines() if "unrecorded" in line)


def test_a_restart_too_many_ends_the_run_with_one_on_a_full_disk_too(bench: Bench, small_disk: Path) -> None:
    bench.run_dir = small_disk / "run"
    launcher = serve(bench, restarts=0)
    fill(small_disk)
    os.kill(main_process(bench, "worker"), signal.SIGKILL)
    out, _ = launcher.communicate(timeout=20)
    assert launcher.returncode == 1 and "worker ended while needed: killed by SIGKILL" in out, out
    assert not bench.alive()


def test_no_line_is_broken_and_none_is_lost_once_there_is_room_again(bench: Bench, small_disk: Path) -> None:
    """Space that comes back: the events from then on are all there."""
    bench.run_dir = small_disk / "run"
    launcher = serve(bench, restarts=2)
    fill(small_disk)
    kill_worker_until_it_is_back(bench)
    (small_disk / "filler").unlink()
    code, _ = end(launcher)
    lines = (bench.run_dir / "events.jsonl").read_bytes().splitlines()
    assert code == 0 and b'"event": "ended"' in lines[-1] and b'"event": "unrecorded"' in lines[-2]


@pytest.mark.parametrize("full", ["run", "tmp"])
def test_a_disk_that_is_full_at_the_start_is_one_clear_error(bench: Bench, small_disk: Path, full: str) -> None:
    bench.service("one")
    if full == "run":
        bench.run_dir = small_disk / "run"
        fill(small_disk)
    else:
        subprocess.run(["mount", "-o", "remount,size=1m,nr_inodes=1", str(small_disk)], check=True)  # not even a folder has room
        bench.tmp = small_disk / "tmp"
    launcher = bench.launch()
    out, _ = launcher.communicate(timeout=20)
    assert launcher.returncode == 2 and "Traceback" not in out, out
    assert out.startswith("armature: no space for the run's directory: ") and "nothing was started" in out
    assert "fix: free some space" in out
    assert not bench.run_dir.exists() and not bench.tmp.exists() and not bench.trace.exists()


def test_a_run_directory_that_was_removed(bench: Bench) -> None:
    launcher = serve(bench)
    shutil.rmtree(bench.run_dir)
    kill_worker_until_it_is_back(bench)
    code, out = end(launcher)
    assert code == 0 and out.count("recording failed: logs/worker.log: No such file or directory") == 1, out
    assert not bench.alive()


@pytest.mark.parametrize(
    ("number", "calls"),
    [(errno.ENOSPC, [call]) for call in CALLS] + [(number, list(CALLS)) for number in (errno.ENOSPC, errno.EIO, errno.EBADF, errno.ENOENT)],
    ids=lambda value: errno.errorcode[value] if isinstance(value, int) else ("everything" if len(value) > 1 else value[0]),
)
def test_no_call_of_the_bookkeeping_steers_the_run(bench: Bench, number: int, calls: list[str]) -> None:
    """Whatever fails: the run serves, a dead worker comes back, Ctrl-C drains and ends with 0, and the user hears of it once."""
    launcher = serve(bench, str(number), *calls, program=(str(FAULTY),))
    kill_worker_until_it_is_back(bench)
    code, out = end(launcher)
    own = [line for line in out.splitlines() if " | " not in line]  # without what the nodes wrote
    assert code == 0 and not any("Traceback" in line for line in own), out
    told = 0 if calls == ["lock's pid"] else 1  # which nobody misses
    assert out.count("recording failed: ") == told, out
    assert bench.times().keys() >= {("front", "end"), ("worker", "end")}, "both drained"
    assert not bench.alive() and not (bench.root / "tmp").exists()
