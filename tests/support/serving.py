"""Starts `armature up` as a user does, for tests that talk to what it serves."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from armature import control
from armature.graph.ports import is_free

START_TIMEOUT_S = 240.0
END_TIMEOUT_S = 90.0


@dataclass
class Up:
    """A running `armature up`."""

    process: subprocess.Popen[bytes]
    output: Path
    runs: Path

    def text(self) -> str:
        """What it has printed so far."""
        return self.output.read_text(errors="replace")

    @property
    def run_dir(self) -> Path:
        return next(self.runs.glob("*/*/events.jsonl")).parent

    @property
    def plan(self) -> dict[str, Any]:
        plan: dict[str, Any] = json.loads((self.run_dir / "plan.json").read_text())
        return plan

    def events(self) -> list[dict[str, Any]]:
        files = list(self.runs.glob("*/*/events.jsonl"))
        return [json.loads(line) for f in files for line in f.read_text().splitlines() if line.endswith("}")]

    def event(self, name: str, node: str | None = None) -> dict[str, Any] | None:
        """The first event of that name (of that node)."""
        return next((e for e in self.events() if e["event"] == name and node in (None, e.get("node"))), None)

    def times_ready(self, node: str) -> int:
        """How often a node has become ready: once, and once more after each restart."""
        return sum(e["event"] == "ready" and e["node"] == node for e in self.events())

    def pids(self, node: str) -> list[int]:
        """The processes that a node has been, the present one last."""
        return [e["pid"] for e in self.events() if e["event"] == "started" and e["node"] == node]

    def wait_event(self, name: str, node: str | None = None, timeout_s: float = START_TIMEOUT_S) -> dict[str, Any]:
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            if found := self.event(name, node):
                return found
            if self.process.poll() is not None:
                break
            time.sleep(0.05)
        raise AssertionError(f"no event {name!r} (exit code {self.process.poll()}):\n{self.text()}{self._logs_of_failed()}")

    def _logs_of_failed(self) -> str:
        """What the nodes that failed wrote, more of it than a user is shown: libraries say why long before they give up."""
        failed = {e["node"] for e in self.events() if e["event"] == "failed" and e.get("node")}
        logs = [log for log in self.runs.glob("*/*/logs/*.log") if log.stem in failed]
        return "".join(f"\n== {log.name}\n{log.read_text(errors='replace')[-12_000:]}" for log in logs)

    def end(self, number: int = signal.SIGINT) -> int:
        """Ask it to end, and return its exit code."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        return self.process.wait(END_TIMEOUT_S)


def tell(running: Up, node: str, route: str, body: dict[str, Any]) -> dict[str, Any]:
    """Give a worker a command."""
    return control.call(Path(running.plan["tmp_dir"]) / node / "control", route, body, timeout_s=60)


def environment(root: Path, cache: Path) -> dict[str, str]:
    """A user's environment with directories of the test's own."""
    return os.environ | {
        "ARMATURE_RUNS": str(root / "runs"),
        "ARMATURE_CACHE": str(cache),
        "PYTHONPATH": os.pathsep.join(p for p in sys.path if p),
        "PYTHONUNBUFFERED": "1",
        "HOME": os.environ.get("HOME", str(root)),
    }


def up(root: Path, cache: Path, *words: str) -> AbstractContextManager[Up]:
    """`armature up WORDS`; see `_running`."""
    return _running(root, cache, "-m", "armature", "up", *words)


def up_changed(root: Path, cache: Path, change: Callable[[dict[str, Any]], None], *words: str) -> AbstractContextManager[Up]:
    """The plan of `armature up WORDS` as `change` leaves it; see `_running`."""
    made = subprocess.run(
        [sys.executable, "-m", "armature", "up", *words, "--json"],
        stdout=subprocess.PIPE,
        env=environment(root, cache),
        cwd=root,
        check=True,
    )
    plan = json.loads(made.stdout)
    change(plan)
    (root / "changed.json").write_text(json.dumps(plan))
    return _running(root, cache, "-m", "armature.launch", str(root / "changed.json"))


@contextmanager
def _running(root: Path, cache: Path, *command: str) -> Iterator[Up]:
    """A launcher in a session of its own; ended, by force if need be, at the end."""
    output = root / "output.txt"
    with output.open("wb") as file:
        process = subprocess.Popen(
            [sys.executable, *command],
            stdout=file,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            env=environment(root, cache),
            start_new_session=True,
            cwd=root,
        )
        running = Up(process, output, root / "runs")
        try:
            yield running
        finally:
            if process.poll() is None:
                running.end()
            if process.poll() is None:
                process.kill()


def processes_of(running: Up) -> list[psutil.Process]:
    """Every process of the run, whoever its parent is by now: they all know the run's directory."""
    found = []
    for process in psutil.process_iter():
        try:
            if any(str(running.runs) in value for value in process.environ().values()) and process.pid != os.getpid():
                found.append(process)
        except (psutil.AccessDenied, psutil.NoSuchProcess, psutil.ZombieProcess):
            continue
    return found


CLEAN = {"processes": [], "ports": [], "shm": [], "tmp": False}


def leftovers(running: Up, shm_before: Collection[str] | None = None, within_s: float = 5.0) -> dict[str, object]:
    """Processes, ports, shared memory and temporary files of a run that are still there after `within_s`; CLEAN when none is.

    shm_before: what lay under /dev/shm before the run; None: other runs go on, so that shared memory is nobody's in particular.
    """
    plan = running.plan
    ports = [block["first"] for node in plan["nodes"] for block in node["ports"].values()]
    deadline = time.monotonic() + within_s
    while True:
        shm = set() if shm_before is None else set(os.listdir("/dev/shm")) - set(shm_before)
        left = {
            "processes": [p.pid for p in processes_of(running)],
            "ports": [p for p in ports if not is_free("127.0.0.1", p)],
            "shm": sorted(n for n in shm if n.startswith(("sglang_loads", "psm_", "torch_"))),
            "tmp": Path(plan["tmp_dir"]).exists(),
        }
        if not any(left.values()) or time.monotonic() > deadline:
            return left
        time.sleep(0.1)
