"""Runs of small plans by a launcher in a process of its own, and what is left after them."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from armature.graph.node import HttpProbe, Probe, RestartPolicy, StopPolicy, TaskSpec
from armature.graph.plan import Plan, PlannedNode, PortBlock
from armature.launch import tree

NODE = Path(__file__).with_name("small_node.py")


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return int(s.getsockname()[1])


def wait_for(what: Callable[[], Any], timeout_s: float = 10.0) -> Any:
    """The first true value of `what`; fails after `timeout_s`."""
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        if value := what():
            return value
        time.sleep(0.02)
    raise AssertionError(f"waited {timeout_s} s in vain")


class Bench:
    """A folder in which plans are made and run."""

    def __init__(self, root: Path) -> None:
        self.root, self.run_dir, self.tmp, self.trace = root, root / "run", root / "tmp", root / "trace"
        self.launchers: list[subprocess.Popen[str]] = []
        self.nodes: list[PlannedNode] = []

    def service(
        self,
        name: str,
        *flags: str,
        needs: Sequence[str] = (),
        ready: Probe | None = None,
        drain_s: float = 5.0,
        port: int | None = None,
        restarts: int = 0,
    ) -> int:
        """Add a small node that listens; returns its port."""
        port = port or free_port()
        self.nodes.append(
            PlannedNode(
                name=name,
                kind="service",
                argv=(sys.executable, str(NODE), "--port", str(port), "--trace", str(self.trace), *flags),
                env={"NODE": name},
                needs=tuple(needs),
                ports={"http": PortBlock(first=port)},
                ready=ready or HttpProbe(url=f"http://127.0.0.1:{port}/health", timeout_s=10),
                stop=StopPolicy(drain_s=drain_s),
                restart=RestartPolicy(times=restarts),
            )
        )
        return port

    def task(self, name: str, script: str, outputs: Sequence[str], needs: Sequence[str] = (), **params: Any) -> None:
        """Add a task that is a shell script."""
        spec = TaskSpec(outputs=tuple(str(self.root / o) for o in outputs), params=params)
        self.nodes.append(
            PlannedNode(name=name, kind="task", argv=("sh", "-c", script), needs=tuple(needs), task=spec, env={"ROOT": str(self.root)})
        )

    def plan(self, **more: Any) -> Plan:
        cache = self.root / "cache"
        return Plan(name="test", hash="0", run_dir=self.run_dir, cache_dir=cache, tmp_dir=self.tmp, nodes=tuple(self.nodes), **more)

    def launch(self, *flags: str, program: Sequence[str] = ("-m", "armature.launch"), **more: Any) -> subprocess.Popen[str]:
        """Start a launcher with the plan of all nodes so far. program: Python's words before the plan's path."""
        path = self.root / "plan.json"
        path.write_text(self.plan(**more).model_dump_json())
        env = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}  # the project as this process sees it
        launcher = subprocess.Popen(
            [sys.executable, *program, str(path), *flags],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=env,
        )
        self.launchers.append(launcher)
        return launcher

    def events(self) -> list[dict[str, Any]]:
        path = self.run_dir / "events.jsonl"
        return [json.loads(line) for line in path.read_text().splitlines() if line.strip()] if path.exists() else []

    def happened(self, event: str, node: str | None = None) -> dict[str, Any] | None:
        return next((e for e in self.events() if e["event"] == event and e["node"] == node), None)

    def until(self, event: str, node: str | None = None) -> dict[str, Any]:
        found = wait_for(lambda: self.happened(event, node) or all(p.poll() is not None for p in self.launchers))
        assert isinstance(found, dict), f"the launcher ended before {event}"
        return found

    def times(self) -> dict[tuple[str, str], float]:
        """(node, begin | term | end) -> seconds, as the nodes themselves saw it."""
        rows = [line.split() for line in self.trace.read_text().splitlines()]
        return {(node, what): float(t) for node, what, t in rows}

    def begun(self, node: str) -> int:
        """How often a node was started, as its processes themselves noted."""
        return sum(line.startswith(f"{node} begin ") for line in self.trace.read_text().splitlines()) if self.trace.exists() else 0

    def alive(self) -> list[int]:
        """Processes of the run, wherever they hang, launchers apart."""
        mark = str(self.tmp).encode()
        ours = {p.pid for p in self.launchers}

        def belongs(pid: int) -> bool:
            try:
                return b"TMPDIR=" + mark in Path(f"/proc/{pid}/environ").read_bytes()
            except OSError:
                return False

        return [pid for pid, p in tree.processes().items() if pid not in ours and p.state != "Z" and belongs(pid)]

    def log(self, name: str) -> str:
        return (self.run_dir / "logs" / f"{name}.log").read_text()
