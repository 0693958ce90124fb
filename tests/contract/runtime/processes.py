"""Real processes for these tests: a frontend, scripted workers, and HTTP calls to them."""

from __future__ import annotations

import contextlib
import http.client
import itertools
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

HERE = Path(__file__).parent
NAME = "scripted"
_candidates = itertools.count(20_000 + os.getpid() % 1000 * 12)


def free_port() -> int:
    """A free port below 32768, because the runtime takes no greater one for its system server; different in each process."""
    while True:
        port = next(_candidates)
        with socket.socket() as s, contextlib.suppress(OSError):
            s.bind(("127.0.0.1", port))
            return port


def wait_for(condition: Callable[[], Any], what: str, timeout_s: float = 20.0) -> Any:
    """What `condition` gives as soon as that is true."""
    end = time.monotonic() + timeout_s
    while time.monotonic() < end:
        if got := condition():
            return got
        time.sleep(0.02)
    raise AssertionError(f"not within {timeout_s} s: {what}")


@dataclass
class Answer:
    status: int
    body: str

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def events(self) -> list[Any]:
        """The JSON of each server-sent event, without the closing [DONE]."""
        data = [line[6:] for line in self.body.splitlines() if line.startswith("data: ")]
        return [json.loads(d) for d in data if d != "[DONE]"]


def call(port: int, path: str, body: dict[str, Any] | None = None, timeout_s: float = 15.0) -> Answer:
    """GET, or POST of `body` as JSON. Status 0 when nobody answers."""
    c = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout_s)
    try:
        c.request(
            "POST" if body is not None else "GET",
            path,
            json.dumps(body) if body is not None else None,
            {"content-type": "application/json"},
        )
        r = c.getresponse()
        return Answer(r.status, r.read().decode())
    except (ConnectionError, http.client.HTTPException):
        return Answer(0, "")
    finally:
        c.close()


def chat(**more: Any) -> dict[str, Any]:
    return {"model": NAME, "messages": [{"role": "user", "content": "hi"}], "max_tokens": 4, **more}


class Stream:
    """A streamed chat whose events are read one by one, and which can be cut."""

    def __init__(self, port: int, **more: Any) -> None:
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=15)
        self.connection.request("POST", "/v1/chat/completions", json.dumps(chat(stream=True, **more)), {"content-type": "application/json"})
        self._response: http.client.HTTPResponse | None = None

    def next(self) -> Any:
        """The next event's JSON, or None at the end."""
        if self._response is None:
            self._response = self.connection.getresponse()
        for line in iter(self._response.readline, b""):
            if line.startswith(b"data: "):
                return None if line.strip() == b"data: [DONE]" else json.loads(line[6:])
        return None

    def rest(self) -> list[Any]:
        return list(iter(self.next, None))

    def cut(self) -> None:
        if self._response is not None:
            self._response.close()
        self.connection.close()


@dataclass
class Running:
    """A started process, its log, and for a worker its record."""

    process: subprocess.Popen[bytes]
    log: Path
    port: int
    record: Path = field(default_factory=Path)

    def text(self) -> str:
        return self.log.read_text(errors="replace")

    def events(self, kind: str) -> list[Any]:
        if not self.record.exists():
            return []
        lines = [json.loads(line) for line in self.record.read_text().splitlines() if line.endswith("}")]
        return [line for line in lines if line["event"] == kind]

    def signal(self, number: int = signal.SIGTERM) -> None:
        self.process.send_signal(number)

    def ended(self, timeout_s: float = 20.0) -> int:
        """The exit code, waited for."""
        return self.process.wait(timeout_s)


class Host:
    """Starts processes that share one set of planes, and ends them all."""

    def __init__(self, folder: Path, model: Path) -> None:
        self.folder, self.model = folder, model
        self._stack = contextlib.ExitStack()

    def environment(self, **more: str) -> dict[str, str]:
        keep = {k: v for k, v in os.environ.items() if not k.startswith("DYN_")}
        planes = {
            "DYN_DISCOVERY_BACKEND": "file",
            "DYN_FILE_KV": str(self.folder / "planes"),
            "DYN_REQUEST_PLANE": "tcp",
            "DYN_EVENT_PLANE": "zmq",
            "PYTHONPATH": os.pathsep.join(p for p in sys.path if p),
        }
        return {**keep, **planes, **more}

    def start(self, name: str, argv: list[str], port: int, **env: str) -> Running:
        log = self.folder / f"{name}-{port}.log"
        with log.open("wb") as out:
            process = subprocess.Popen([sys.executable, *argv], stdout=out, stderr=subprocess.STDOUT, env=self.environment(**env))
        self._stack.callback(_end, process)
        return Running(process, log, port)

    def frontend(self, *more: str, wait: bool = True, **env: str) -> Running:
        port = free_port()
        argv = ["-m", "armature", "frontend", "--http-port", str(port), *more]
        running = self.start("frontend", argv, port, **env)
        if wait:
            wait_for(lambda: "frontend ready" in running.text() or running.process.poll() is not None, "the frontend is ready")
        return running

    def worker(self, *more: str, wait: bool = True, **env: str) -> Running:
        port = free_port()
        record = self.folder / f"record-{port}.jsonl"
        own = ["--model-path", str(self.model), "--served-model-name", NAME, "--system-port", str(port)]
        running = self.start("worker", [str(HERE / "scripted_worker.py"), str(record), *own, *more], port, **env)
        running.record = record
        if wait:
            wait_for(lambda: call(port, "/health").status == 200 or running.process.poll() is not None, "the worker is ready")
        return running

    def routable(self, frontend: Running) -> None:
        wait_for(lambda: NAME in call(frontend.port, "/v1/models").body, "the model is routable")

    def close(self) -> None:
        self._stack.close()


class Pair(NamedTuple):
    """A frontend and the worker behind it."""

    frontend: Running
    worker: Running


@contextlib.contextmanager
def host(folder: Path, model: Path) -> Iterator[Host]:
    h = Host(folder, model)
    try:
        yield h
    finally:
        h.close()


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.kill()
    process.wait()


def listeners(pid: int) -> list[tuple[str, int]]:
    """(address, port) of every socket on which `pid` and its children listen."""
    import psutil

    root = psutil.Process(pid)
    found = []
    for p in [root, *root.children(recursive=True)]:
        found += [(c.laddr.ip, c.laddr.port) for c in p.net_connections("tcp") if c.status == psutil.CONN_LISTEN]
    return found
