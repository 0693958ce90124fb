"""The frontend process: its routes, its port, its listener, its end."""

from __future__ import annotations

import json
import signal
import socket
import time

import pytest
from processes import Host, Pair, Stream, call, chat, listeners, wait_for

CHAT = "/v1/chat/completions"
ROUTES = [
    "/health",
    "/live",
    "/metrics",
    "/v1/models",
    "/v1/models/{*model_id}",
    "/v1/chat/completions",
    "/v1/completions",
    "/v1/responses",
    "/v1/embeddings",
    "/v1/rerank",
    "/v1/images/generations",
    "/v1/images/edits",
    "/v1/videos",
    "/v1/audio/speech",
    "/v1/classify",
    "/v1/pooling",
]


def test_every_route_of_the_runtime_is_there(pair: Pair) -> None:
    paths = call(pair.frontend.port, "/openapi.json").json["paths"]
    assert set(ROUTES) <= set(paths)


@pytest.mark.parametrize("admin", [False, True])
def test_nothing_changes_the_frontend_unless_that_is_asked_for(fresh: Host, admin: bool) -> None:
    """Whoever reaches the public port could turn workers away from all others: `busy` at a threshold of 0."""
    port = fresh.frontend(*(["--admin-routes"] if admin else [])).port
    paths = call(port, "/openapi.json").json["paths"]
    assert ("/busy_threshold" in paths) == admin
    assert (call(port, "/busy_threshold").status == 200) == admin
    changed = call(port, "/busy_threshold", {"model": "scripted", "active_decode_blocks_threshold": 0.0})
    assert changed.status == 404 and ("Route not found" in changed.body) != admin
    others = set(paths) - {"/busy_threshold", "/health", "/live", "/metrics", "/runtime/live"}
    assert all(path.startswith("/v1/") for path in others), f"other routes than those that answer requests: {others}"


def test_a_body_beyond_the_limit_is_refused_before_it_is_read(fresh: Host) -> None:
    frontend = fresh.frontend("--body-mb", "1")
    fresh.worker()
    fresh.routable(frontend)
    large = {"model": "scripted", "prompt": "x" * 1_100_000, "messages": [], "input": ""}
    for route in ("chat/completions", "completions", "responses", "messages", "embeddings"):
        refused = call(frontend.port, f"/v1/{route}", large).status
        assert refused in (413, 0), route  # 0: it closed the connection while the rest was on its way
    assert call(frontend.port, "/v1/completions", {"model": "scripted", "prompt": "x" * 900_000, "max_tokens": 1}).status == 400


@pytest.mark.parametrize("path", ["/health", "/live", "/metrics", "/v1/models"])
def test_plain_routes_answer(pair: Pair, path: str) -> None:
    assert call(pair.frontend.port, path).status == 200


def test_completions_and_responses_answer(pair: Pair) -> None:
    completion = call(pair.frontend.port, "/v1/completions", {"model": "scripted", "prompt": "hi", "max_tokens": 3})
    assert completion.json["choices"][0]["text"] == "def"
    response = call(pair.frontend.port, "/v1/responses", {"model": "scripted", "input": "hi", "max_output_tokens": 3})
    assert response.status == 200 and "def" in response.body


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/embeddings", {"input": "hi"}),
        ("/v1/rerank", {"query": "q", "documents": ["d"]}),
        ("/v1/images/generations", {"prompt": "p"}),
        ("/v1/videos", {"prompt": "p"}),
        ("/v1/audio/speech", {"input": "hi", "voice": "v"}),
    ],
)
def test_routes_that_no_model_serves_are_404(pair: Pair, path: str, body: dict[str, object]) -> None:
    answer = call(pair.frontend.port, path, {"model": "scripted", **body})
    assert answer.status == 404


def test_nothing_listens_beyond_this_machine(pair: Pair) -> None:
    call(pair.frontend.port, CHAT, chat())  # the frontend opens its side of the request plane with the first request
    found = listeners(pair.frontend.process.pid) + listeners(pair.worker.process.pid)
    assert {pair.frontend.port, pair.worker.port} < {port for _, port in found}
    assert len(found) >= 4  # HTTP, responses; system server, requests
    assert {address for address, _ in found} == {"127.0.0.1"}


def test_first_token_of_a_kept_connection_is_not_held_back(pair: Pair) -> None:
    """Without TCP_NODELAY each answer after the first takes at least the peer's delayed acknowledgement, 40 ms."""
    assert sorted(_first_tokens(pair.frontend.port, 15))[7] < 0.030


def test_port_in_use_is_named_with_its_holder(fresh: Host) -> None:
    first = fresh.frontend()
    second = fresh.start("second", ["-m", "armature", "frontend", "--http-port", str(first.port)], first.port + 1)
    assert second.ended() == 2
    text = second.text()
    assert f"port {first.port} on 127.0.0.1 is in use" in text and f" by pid {first.process.pid} (" in text
    assert "Traceback" not in text


@pytest.mark.parametrize(
    ("argv", "says"),
    [
        (["--router-mode", "round-robin"], "did you mean 'round_robin'?"),
        (["--event-plane", "zmp"], "did you mean 'zmq'?"),
        (["--http-host", "no.such.host.invalid"], "is not an address to listen on"),
    ],
)
def test_wrong_options_are_named(fresh: Host, argv: list[str], says: str) -> None:
    frontend = fresh.frontend(*argv, wait=False)
    assert frontend.ended() == 2
    assert says in frontend.text() and "Traceback" not in frontend.text()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_drain(fresh: Host, number: int) -> None:
    frontend, _ = fresh.frontend(), fresh.worker()
    fresh.routable(frontend)
    stream = Stream(frontend.port, max_tokens=600)
    stream.next()
    frontend.signal(number)
    wait_for(lambda: call(frontend.port, "/health").status == 503, "health says 503")
    assert call(frontend.port, "/live").status == 200
    assert call(frontend.port, CHAT, chat()).status == 503
    assert len([e for e in stream.rest() if e["choices"][0]["delta"].get("content")]) == 599
    assert frontend.ended() == 0


def test_drain_is_bounded(fresh: Host) -> None:
    frontend, _ = fresh.frontend("--drain-s", "1"), fresh.worker()
    fresh.routable(frontend)
    stream = Stream(frontend.port, max_tokens=2000)
    stream.next()
    began = time.monotonic()
    frontend.signal()
    assert frontend.ended() == 0
    assert 0.9 < time.monotonic() - began < 5


def test_second_signal_ends_at_once(fresh: Host) -> None:
    frontend, _ = fresh.frontend(), fresh.worker()
    fresh.routable(frontend)
    stream = Stream(frontend.port, max_tokens=2000)
    stream.next()
    frontend.signal()
    wait_for(lambda: call(frontend.port, "/health").status == 503, "health says 503")
    began = time.monotonic()
    frontend.signal()
    assert frontend.ended() == 128 + signal.SIGTERM
    assert time.monotonic() - began < 1


def test_idle_end_is_quick(fresh: Host) -> None:
    frontend = fresh.frontend()
    began = time.monotonic()
    frontend.signal()
    assert frontend.ended() == 0
    assert time.monotonic() - began < 3


def _first_tokens(port: int, count: int) -> list[float]:
    """Seconds from request to first content, one after the other on one kept connection with raw sockets."""
    times = []
    with socket.create_connection(("127.0.0.1", port)) as s:
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for _ in range(count):
            body = json.dumps(chat(stream=True, max_tokens=2)).encode()
            head = f"POST {CHAT} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
            began = time.perf_counter()
            s.sendall(head.encode() + body)
            got, first = b"", None
            while b"[DONE]" not in got or not got.endswith(b"0\r\n\r\n"):
                got += s.recv(65536)
                if first is None and b'"content":"d"' in got:
                    first = time.perf_counter() - began
            assert first is not None
            times.append(first)
    return times


def test_an_idle_kept_connection_does_not_hold_up_the_end(fresh: Host) -> None:
    frontend = fresh.frontend()
    with socket.create_connection(("127.0.0.1", frontend.port)) as s:
        s.sendall(b"GET /live HTTP/1.1\r\nhost: x\r\n\r\n")
        assert s.recv(4096).startswith(b"HTTP/1.1 200")
        began = time.monotonic()
        frontend.signal()
        assert frontend.ended() == 0
        assert time.monotonic() - began < 3


def test_without_a_worker_the_frontend_is_up_and_serves_no_model(fresh: Host) -> None:
    frontend = fresh.frontend()
    assert call(frontend.port, "/live").status == 200
    assert call(frontend.port, "/health").status == 200
    assert call(frontend.port, "/v1/models").json["data"] == []
    assert call(frontend.port, CHAT, chat()).status == 404
