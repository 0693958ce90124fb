"""nats-server and etcd as a run would start them, and processes that use them."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from armature.config.compose import compose
from armature.config.modelref import locate
from armature.graph import rules
from armature.graph.place import place
from armature.graph.plan import Plan
from armature.graph.site import this_machine
from support.answering import answers

SERVERS = ("nats", "etcd")
PUBLISHER = Path(__file__).with_name("publisher.py")


def servers_plan(root: Path) -> Plan:
    """The plan of `runtime=nats` with nothing but its servers."""
    deployment = compose(["model=tiny-qwen3", "runtime=nats"]).deployment
    graph = rules.build(deployment, locate(deployment.model, root))
    servers = graph.model_copy(update={"nodes": tuple(n for n in graph.nodes if n.name in SERVERS)})
    return place(servers, replace(this_machine("servers", 0), run_dir=root / "run"))


def urls(plan: Plan) -> dict[str, str]:
    """Where clients reach each server."""
    schemes = {"nats": "nats", "etcd": "http"}
    return {name: f"{schemes[name]}://127.0.0.1:{plan[name].ports['client'].first}" for name in SERVERS}


@dataclass
class Outside:
    """Servers that the test runs, as a user would: `stop` and `start` keep address and data."""

    plan: Plan
    running: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    @property
    def urls(self) -> dict[str, str]:
        return urls(self.plan)

    def start(self, name: str) -> None:
        """Start a server and wait until it says that it is ready."""
        node = self.plan[name]
        self.plan.run_dir.mkdir(parents=True, exist_ok=True)
        with (self.plan.run_dir / f"{name}.log").open("ab") as log:
            self.running[name] = subprocess.Popen(node.argv, stdout=log, stderr=subprocess.STDOUT)
        assert node.ready is not None and node.ready.kind == "http"
        deadline = time.monotonic() + 30
        while not answers(node.ready.url):
            assert time.monotonic() < deadline and self.running[name].poll() is None, f"{name} does not start"
            time.sleep(0.02)

    def stop(self, name: str) -> None:
        """Kill a server, as a power cut would."""
        self.running[name].kill()
        self.running[name].wait()


@contextlib.contextmanager
def outside(root: Path) -> Iterator[Outside]:
    servers = Outside(servers_plan(root))
    try:
        for name in SERVERS:
            servers.start(name)
        yield servers
    finally:
        for name in servers.running:
            servers.stop(name)


@contextlib.contextmanager
def publisher(env: dict[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    """A process that joined the planes and publishes an event five times a second."""
    process = subprocess.Popen([sys.executable, str(PUBLISHER)], env=env)
    try:
        yield process
    finally:
        process.kill()
        process.wait()
