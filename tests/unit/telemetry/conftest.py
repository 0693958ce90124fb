"""A nats-server with JetStream for these tests."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest
from jetstream_server import Server
from nats.aio.client import Client

from armature.telemetry.kv_events import jetstream


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
