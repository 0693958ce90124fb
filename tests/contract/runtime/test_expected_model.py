"""A frontend that expects a model: what clients get while no worker serves it."""

from __future__ import annotations

import signal
import time
from typing import Any

import pytest
from processes import NAME, Host, Pair, Running, call, chat, wait_for

MESSAGES = {"model": NAME, "messages": chat()["messages"], "max_tokens": 4}
ASKED = {
    "/v1/chat/completions": chat(),
    "/v1/completions": {"model": NAME, "prompt": "hi", "max_tokens": 4},
    "/v1/responses": {"model": NAME, "input": "hi"},
    "/v1/messages": MESSAGES,
}


def expecting(host: Host, *more: str) -> Running:
    return host.frontend("--expect-model", NAME, "--expect-path", str(host.model), *more)


# The KV router's 500 for a request that it was routing when the last worker left discovery; other routers answer 503 then.
NO_WORKER_LEFT = "Failed to generate completions"


def statuses(frontend: Running) -> set[int]:
    return {call(frontend.port, route, body).status for route, body in ASKED.items()}


@pytest.mark.parametrize("mode", ["round_robin", "kv"])
def test_503_until_a_worker_serves_and_again_when_the_last_has_gone(fresh: Host, mode: str) -> None:
    frontend = expecting(fresh, "--router-mode", mode)
    assert statuses(frontend) == {503}
    assert call(frontend.port, "/v1/models").json["data"] == []
    worker = fresh.worker()
    fresh.routable(frontend)
    wait_for(lambda: statuses(frontend) == {200}, "every route answers")
    worker.signal(signal.SIGTERM)
    while worker.process.poll() is None:
        answers = [call(frontend.port, route, body) for route, body in ASKED.items()]
        assert [a for a in answers if a.status not in (200, 503) and not (mode == "kv" and NO_WORKER_LEFT in a.body)] == []
    assert statuses(frontend) == {503}
    fresh.worker()
    wait_for(lambda: statuses(frontend) == {200}, "the next worker answers")


def test_503_while_a_killed_worker_is_forgotten_and_afterwards(fresh: Host) -> None:
    """The runtime forgets it after about ten seconds."""
    frontend, worker = expecting(fresh), fresh.worker()
    fresh.routable(frontend)
    worker.signal(signal.SIGKILL)
    worker.ended()
    end, ready = time.monotonic() + 60.0, f"/v1/models/{NAME}/ready"
    while "aggregated" in call(frontend.port, ready).json["namespaces"].get("dynamo", {}).get("worker_types", {}):
        assert statuses(frontend) == {503}
        assert time.monotonic() < end, "the dead worker is still known"
        time.sleep(0.1)
    assert statuses(frontend) == {503}


def test_a_frontend_that_starts_beside_a_worker_never_answers_404_once_it_is_ready(fresh: Host) -> None:
    fresh.worker()
    for _ in range(3):
        frontend, end = expecting(fresh), time.monotonic() + 20.0
        while (got := statuses(frontend)) != {200}:
            assert got <= {200, 503} and time.monotonic() < end
        frontend.signal(signal.SIGKILL)
        frontend.ended()


def test_no_request_goes_where_no_worker_is(one_pair: Pair) -> None:
    assert [call(one_pair.frontend.port, "/v1/chat/completions", chat(max_tokens=1)).status for _ in range(100)] == [200] * 100


def test_the_context_is_the_workers_or_what_was_said(fresh: Host) -> None:
    frontend = expecting(fresh, "--expect-context", "4096")
    fresh.worker()
    fresh.routable(frontend)
    assert [m["context_window"] for m in call(frontend.port, "/v1/models").json["data"]] == [4096]


def test_a_folder_that_is_no_model_is_named(fresh: Host) -> None:
    frontend = fresh.frontend("--expect-model", NAME, "--expect-path", "/no/such/folder", wait=False)
    assert frontend.ended() == 2
    assert "--expect-path" in frontend.text() and "Traceback" not in frontend.text()


def test_a_model_without_a_folder_is_named(fresh: Host) -> None:
    frontend = fresh.frontend("--expect-model", NAME, wait=False)
    assert frontend.ended() == 2
    assert "add --expect-path DIR" in frontend.text() and "Traceback" not in frontend.text()


def test_another_model_is_404(one_pair: Pair) -> None:
    answers = {route: call(one_pair.frontend.port, route, body | {"model": "another"}) for route, body in ASKED.items()}
    assert {answer.status for answer in answers.values()} == {404}
    assert answers["/v1/messages"].json["error"]["type"] == "not_found_error"


ERRORS: list[tuple[str, dict[str, Any], int]] = [
    ("/v1/chat/completions", chat(model="another"), 404),
    ("/v1/chat/completions", chat(foo=1), 400),
    ("/v1/chat/completions", {"model": NAME}, 400),
    ("/v1/chat/completions", chat(functions=[{"name": "f", "parameters": {"type": "object"}}]), 501),
    ("/v1/nothing", {}, 404),
    ("/v1/embeddings", {"model": NAME, "input": "hi"}, 404),
]


@pytest.mark.parametrize(("route", "body", "status"), ERRORS)
def test_the_shape_of_the_runtimes_errors(one_pair: Pair, route: str, body: dict[str, Any], status: int) -> None:
    """A known limit, said in docs/reference/requests.md: no `error` object around them."""
    answer = call(one_pair.frontend.port, route, body)
    assert answer.status == status
    assert set(answer.json) == {"message", "type", "code"} and answer.json["code"] == status


def test_the_busy_thresholds_are_closed_unless_asked_for(fresh: Host, one_pair: Pair) -> None:
    for body in (None, {"model": NAME, "active_decode_blocks_threshold": 0.1}):
        assert call(one_pair.frontend.port, "/busy_threshold", body).status == 404
    assert call(fresh.frontend("--admin-routes").port, "/busy_threshold").status == 200


def test_counting_tokens_is_a_guess(one_pair: Pair) -> None:
    """A known limit, said in docs/reference/requests.md."""
    asked = {key: value for key, value in MESSAGES.items() if key != "max_tokens"}
    guess = call(one_pair.frontend.port, "/v1/messages/count_tokens", asked).json["input_tokens"]
    usage = call(one_pair.frontend.port, "/v1/messages", MESSAGES).json["usage"]
    assert guess != usage["input_tokens"] + usage["cache_read_input_tokens"]
