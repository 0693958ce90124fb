"""Requests through NATS: they wait for a server that is away, and none hangs when it is back."""

from __future__ import annotations

import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from processes import Host, call, chat, free_port, wait_for

from armature import env
from armature.graph import programs
from armature.graph.rules.common import NATS_REQUEST_S

pytestmark = pytest.mark.timeout(120)

AWAY_S = 11  # more than the 10 s that the runtime itself would wait
CHAT = "/v1/chat/completions"
TOKENS = 5


def nats_server(folder: Path, port: int, monitor: int) -> subprocess.Popen[bytes]:
    words = ["--addr", "127.0.0.1", "--port", str(port), "--http_port", str(monitor)]
    with (folder / "nats.log").open("ab") as log:
        process = subprocess.Popen([programs.find("nats-server"), *words], stdout=log, stderr=subprocess.STDOUT)
    wait_for(lambda: call(monitor, "/healthz").status == 200, "the NATS server is ready")
    return process


def test_requests_wait_for_a_server_that_is_away(fresh: Host, tmp_path: Path) -> None:
    port, monitor = free_port(), free_port()
    server = nats_server(tmp_path, port, monitor)
    try:
        planes = {
            env.DYN_REQUEST_PLANE: "nats",
            env.NATS_SERVER: f"nats://127.0.0.1:{port}",
            env.NATS_REQUEST_S: str(NATS_REQUEST_S),
        }
        frontend = fresh.frontend(**planes)
        fresh.worker(**planes)
        fresh.routable(frontend)
        assert call(frontend.port, CHAT, chat(max_tokens=TOKENS)).status == 200
        server.kill()
        server.wait()
        time.sleep(0.5)  # what is sent in this very moment may be lost
        with ThreadPoolExecutor(8) as pool:
            asked = [pool.submit(call, frontend.port, CHAT, chat(max_tokens=TOKENS), timeout_s=60) for _ in range(8)]
            time.sleep(AWAY_S)
            assert not any(a.done() for a in asked)
            server = nats_server(tmp_path, port, monitor)
            answers = [a.result() for a in asked]
        # A frontend that finds the server before its worker does has nobody to send them to.
        assert {a.status for a in answers} <= {200, 503}
        wait_for(lambda: call(frontend.port, CHAT, chat(max_tokens=TOKENS)).status == 200, "requests are answered again")
    finally:
        server.kill()
        server.wait()
    assert {a.json["usage"]["completion_tokens"] for a in answers if a.status == 200} <= {TOKENS}
