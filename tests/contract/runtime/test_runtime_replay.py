"""What the frontend does with a request whose worker dies: `runtime.wire.Note` and docs/how-to/guarantees.md build on it."""

from __future__ import annotations

import contextlib
import signal
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from processes import Host, Running, Stream, call, chat, wait_for
from scripted_worker import SILENT

CHAT = "/v1/chat/completions"
TOKENS = 30


def busy(workers: list[Running], attempt: int, tokens: int = 0) -> Running:
    """The living worker that has the attempt of that number, counted over all workers, once it has given so many tokens."""

    def found() -> Running | None:
        if sum(len(w.events("request")) for w in workers) < attempt:
            return None
        return next((w for w in workers if w.process.poll() is None and w.events("request") and given(w) >= tokens), None)

    found_one: Running = wait_for(found, f"attempt {attempt} has {tokens} tokens")
    return found_one


def given(worker: Running) -> int:
    """How many tokens a worker has given to clients."""
    return sum(not e["id"].startswith("canary-") for e in worker.events("token"))


def kill(worker: Running) -> None:
    worker.signal(signal.SIGKILL)
    worker.process.wait()


@contextlib.contextmanager
def asked(frontend: Running, **more: Any) -> Any:
    """A request that is being answered; its `.result()` is the Answer."""
    with ThreadPoolExecutor(1) as pool:
        yield pool.submit(call, frontend.port, CHAT, chat(max_tokens=TOKENS, **more), 60)


def test_a_request_that_was_cut_twice_reads_as_one_that_was_not(fresh: Host) -> None:
    ask: dict[str, Any] = {"min_tokens": 9, "logprobs": True, "top_logprobs": 2, "stop": ["zz"]}
    frontend = fresh.frontend("--migration-limit", "2")
    workers = [fresh.worker(SCRIPT_PACE_S="0.05", SCRIPT_CACHED=str(cached)) for cached in range(3)]
    fresh.routable(frontend)
    with asked(frontend, **ask) as answer:
        order = [busy(workers, 1, tokens=2)]
        kill(order[0])
        order.append(busy(workers, 2, tokens=3))
        kill(order[1])
        cut = answer.result().json
    raw = [w.events("request")[0]["raw"] for w in [*order, *(w for w in workers if w not in order)]]
    uncut = call(frontend.port, CHAT, chat(max_tokens=TOKENS, **ask), 60).json
    assert cut["choices"] == uncut["choices"]
    assert cut["usage"]["prompt_tokens_details"]["cached_tokens"] == workers.index(order[0])
    del cut["usage"]["prompt_tokens_details"], uncut["usage"]["prompt_tokens_details"]
    assert cut["usage"] == uncut["usage"]
    sent = [len(r["token_ids"]) - len(raw[0]["token_ids"]) for r in raw]
    assert 0 < sent[1] < sent[2]
    assert [r["stop_conditions"]["max_tokens"] for r in raw] == [TOKENS - s for s in sent]
    assert [r["stop_conditions"]["min_tokens"] for r in raw] == [max(0, 9 - s) for s in sent]
    assert "migration_link" not in raw[0]
    assert raw[1]["migration_link"] == raw[2]["migration_link"]


@pytest.mark.parametrize(("limit", "mode"), [(0, "round_robin"), (1, "round_robin"), (2, "round_robin"), (1, "kv")])
def test_a_request_that_ends_its_workers_costs_the_limit_and_one(fresh: Host, limit: int, mode: str) -> None:
    frontend = fresh.frontend("--migration-limit", str(limit), "--router-mode", mode, "--no-kv-events")
    workers = [fresh.worker() for _ in range(4)]
    fresh.routable(frontend)
    with asked(frontend, seed=SILENT) as answer:
        for attempt in range(1, limit + 2):
            kill(busy(workers, attempt))
        failed = answer.result()
    assert failed.status == 503
    assert sum(w.process.poll() is None for w in workers) == 4 - (limit + 1)
    assert call(frontend.port, CHAT, chat()).status == 200


def test_a_stream_that_cannot_go_on_ends_with_an_error(fresh: Host) -> None:
    frontend, worker = fresh.frontend("--migration-limit", "1"), fresh.worker(SCRIPT_PACE_S="0.05")
    fresh.routable(frontend)
    stream = Stream(frontend.port, max_tokens=TOKENS)
    stream.next()
    kill(worker)
    assert stream.rest()[-1]["error"]["code"] == 503


@pytest.mark.parametrize("ask", [{"n": 2}, {"guided_regex": "d+"}, {"response_format": {"type": "json_object"}}])
def test_what_cannot_go_on_exactly_fails_and_is_not_sent_again(fresh: Host, ask: dict[str, Any]) -> None:
    frontend = fresh.frontend("--migration-limit", "3")
    workers = [fresh.worker(SCRIPT_PACE_S="0.05") for _ in range(2)]
    fresh.routable(frontend)
    with asked(frontend, **ask) as answer:
        kill(busy(workers, 1))
        assert answer.result().status == 503
    assert sum(len(w.events("request")) for w in workers) == 1


def test_a_stop_string_across_the_cut_is_cut_off_whole(fresh: Host) -> None:
    """Tokens 70, 71, ... are d, e, ...; the scripted engine looks for no stop string, so the frontend must find it by itself."""
    frontend = fresh.frontend("--migration-limit", "1")
    workers = [fresh.worker(SCRIPT_PACE_S="0.2") for _ in range(2)]
    fresh.routable(frontend)
    with asked(frontend, stop=["fghijk"]) as answer:
        first = busy(workers, 1, tokens=4)
        kill(first)
        choice = answer.result().json["choices"][0]
    assert given(first) < 8, "it had found the whole stop string"
    assert all(w.events("request") for w in workers), "it was not cut"
    assert (choice["message"]["content"], choice["finish_reason"]) == ("de", "stop")
