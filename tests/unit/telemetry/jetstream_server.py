"""A nats-server with JetStream that a test may kill."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

from armature.graph.ports import is_free
from armature.graph.programs import find
from support.answering import answers


class Server:
    """`stop` kills it as a power cut would; `start` begins again with the same address and data."""

    def __init__(self, root: Path) -> None:
        self.port, self._monitor = (next(p for p in range(first, first + 900) if is_free("127.0.0.1", p)) for first in (24100, 25100))
        self._root = root
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"nats://127.0.0.1:{self.port}"

    def start(self) -> None:
        words = [find("nats-server"), "-a", "127.0.0.1", "-p", str(self.port), "-m", str(self._monitor), "-js", "-sd", str(self._root)]
        self._process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 20
        while not answers(f"http://127.0.0.1:{self._monitor}/healthz"):
            assert time.monotonic() < deadline and self._process.poll() is None, "nats-server does not start"
            time.sleep(0.02)

    def stop(self) -> None:
        assert self._process is not None
        self._process.kill()
        self._process.wait()
