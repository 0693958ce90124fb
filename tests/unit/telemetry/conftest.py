"""A nats-server with JetStream for these tests."""

from __future__ import annotations

import subprocess
import time
import urllib.request
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from nats.aio.client import Client

from armature.graph.ports import is_free
from armature.graph.programs import find
from armature.telemetry.kv_events import jetstream


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
        while not self._answers():
            assert time.monotonic() < deadline and self._process.poll() is None, "nats-server does not start"
            time.sleep(0.02)

    def stop(self) -> None:
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def _answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self._monitor}/healthz", timeout=2) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    running = Server(tmp_path_factory.mktemp("jetstream"))
    running.start()
    yield running
    running.stop()


@pytest.fixture
async def client(server: Server) -> AsyncIterator[Client]:
    connected = await jetstream.connect(server.url)
    yield connected
    await connected.close()
