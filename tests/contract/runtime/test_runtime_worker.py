"""A worker's life: when it is ready, and how it ends."""

from __future__ import annotations

import signal
import time

import pytest
from processes import Host, Running, Stream, call, chat, wait_for
from scripted_worker import APART, DIE, HANG, SILENT

CHAT = "/v1/chat/completions"


def test_health_says_ready_only_after_the_canary_and_registration(fresh: Host) -> None:
    worker = fresh.worker(wait=False)
    seen = []
    wait_for(lambda: (seen.append(call(worker.port, "/health").status), seen[-1] == 200)[1], "it is ready")
    assert set(seen) <= {0, 503, 200}
    assert [e for e in worker.events("end") if e["id"].startswith("canary-")]
    frontend = fresh.frontend()
    fresh.routable(frontend)
    assert call(frontend.port, CHAT, chat()).status == 200


def test_failed_canary_never_registers(fresh: Host) -> None:
    worker = fresh.worker(wait=False, SCRIPT_CANARY_FAILS="1")
    assert worker.ended() == 1
    assert "no canary today" in worker.text()
    assert worker.events("shutdown")


@pytest.mark.parametrize("egress", ["pull", "push"])
def test_signal_unregisters_first_and_lets_streams_finish(fresh: Host, egress: str) -> None:
    frontend, worker = fresh.frontend(), fresh.worker("--egress", egress)
    fresh.routable(frontend)
    stream = Stream(frontend.port, max_tokens=600)
    stream.next()
    worker.signal()
    wait_for(lambda: call(frontend.port, CHAT, chat()).status == 404, "the frontend routes nothing there any more", 2)
    assert worker.process.poll() is None, "the stream still runs"
    assert call(worker.port, "/health").status == 503
    assert len([e for e in stream.rest() if e["choices"][0]["delta"].get("content")]) == 599
    assert worker.ended() == 0
    assert worker.events("shutdown")


def until_all_answer(frontend: Running, *workers: Running) -> None:
    """/health tells what is registered; the frontend's own list of workers may still lack some of it."""

    def each_was_asked() -> bool:
        return call(frontend.port, CHAT, chat(max_tokens=1)).status == 200 and all(w.events("request") for w in workers)

    wait_for(each_was_asked, "every worker answers")


def test_no_request_fails_while_one_of_two_workers_leaves(fresh: Host) -> None:
    """With migration, as every topology has it: the runtime gives up a request that its worker has not answered yet when that
    worker leaves discovery."""
    frontend, leaving = fresh.frontend("--migration-limit", "1"), fresh.worker()
    staying = fresh.worker()
    fresh.routable(frontend)
    until_all_answer(frontend, leaving, staying)
    leaving.signal()
    statuses = []
    while leaving.process.poll() is None:
        statuses.append(call(frontend.port, CHAT, chat(max_tokens=1)).status)
    assert len(statuses) > 5 and set(statuses) == {200}


def test_drain_is_bounded(fresh: Host) -> None:
    frontend, worker = fresh.frontend(), fresh.worker("--drain-s", "1")
    fresh.routable(frontend)
    stream = Stream(frontend.port, seed=SILENT)
    wait_for(lambda: worker.events("request"), "it arrived")
    began = time.monotonic()
    worker.signal()
    assert worker.ended() == 0
    assert 0.9 < time.monotonic() - began < 6
    assert "1 requests did not finish" in worker.text()
    stream.cut()


def test_second_signal_ends_the_engine_and_the_process_at_once(fresh: Host) -> None:
    frontend, worker = fresh.frontend(), fresh.worker()
    fresh.routable(frontend)
    stream = Stream(frontend.port, seed=SILENT)
    wait_for(lambda: worker.events("request"), "it arrived")
    worker.signal()
    wait_for(lambda: call(worker.port, "/health").status == 503, "it drains")
    began = time.monotonic()
    worker.signal(signal.SIGINT)
    assert worker.ended() == 128 + signal.SIGINT
    assert time.monotonic() - began < 1
    assert worker.events("shutdown")
    stream.cut()


def test_dead_engine_unregisters_at_once_and_fails_with_the_reason(fresh: Host) -> None:
    frontend, worker = fresh.frontend(), fresh.worker()
    fresh.routable(frontend)
    began = time.monotonic()
    stream = Stream(frontend.port, seed=SILENT)
    call(frontend.port, CHAT, chat(seed=DIE))
    assert worker.ended() == 1
    assert time.monotonic() - began < 4
    assert "a process of the engine died" in worker.text()
    assert worker.events("shutdown")
    wait_for(lambda: call(frontend.port, CHAT, chat()).status == 404, "the frontend knows", 2)
    stream.cut()


def test_a_stream_goes_on_at_another_worker_when_its_engine_dies(fresh: Host) -> None:
    frontend, workers = fresh.frontend("--migration-limit", "2"), (fresh.worker(), fresh.worker())
    fresh.routable(frontend)
    until_all_answer(frontend, *workers)
    before = [len(worker.events("request")) for worker in workers]
    stream = Stream(frontend.port, max_tokens=100)
    stream.next()
    served = [len(worker.events("request")) > count for worker, count in zip(workers, before, strict=True)]
    dying, other = workers if served[0] else reversed(workers)
    known = len(other.events("request"))
    dying.signal(signal.SIGQUIT)
    assert dying.ended() == 1
    assert len([e for e in stream.rest() if e["choices"][0]["delta"].get("content")]) == 99
    assert len(other.events("request")) > known, "it never moved"


def test_a_failed_handoff_is_a_504_and_the_worker_stays(fresh: Host) -> None:
    frontend, worker = fresh.frontend("--migration-limit", "2"), fresh.worker(SCRIPT_APART="1")
    fresh.routable(frontend)
    assert call(frontend.port, CHAT, chat(seed=APART)).status == 504
    assert len(worker.events("request")) == 3, "two more attempts"
    assert call(frontend.port, CHAT, chat()).status == 200


def test_a_failed_handoff_goes_on_at_another_worker(fresh: Host) -> None:
    frontend = fresh.frontend("--migration-limit", "2")
    apart, other = fresh.worker(SCRIPT_APART="1"), fresh.worker()
    fresh.routable(frontend)
    until_all_answer(frontend, apart, other)
    assert {call(frontend.port, CHAT, chat(seed=APART)).status for _ in range(6)} == {200}


def test_an_engine_that_hangs_ends_the_worker(fresh: Host) -> None:
    frontend, worker = fresh.frontend(), fresh.worker("--check-s", "1.5")
    fresh.routable(frontend)
    time.sleep(3.2)
    assert worker.process.poll() is None, "an idle engine is no hung engine"
    began = time.monotonic()
    stream = Stream(frontend.port, seed=HANG)
    assert worker.ended(10) == 1
    assert time.monotonic() - began < 1.5 + 1, "found dead within check_s, and a second to end"
    assert "the engine hangs: its rank 0 has been silent for 1." in worker.text()
    stream.cut()


@pytest.mark.parametrize("mode", ["round_robin", "kv"])
def test_a_killed_worker_is_forgotten_at_once(fresh: Host, mode: str) -> None:
    """Without migration, so that each request that is sent to it fails."""
    frontend = fresh.frontend("--migration-limit", "0", "--router-mode", mode, "--no-kv-events", "--kv-temperature", "10")
    killed, other = fresh.worker(), fresh.worker()
    fresh.routable(frontend)
    until_all_answer(frontend, killed, other)
    planes = fresh.folder / "planes"

    def listed() -> int:
        return len(list(planes.glob("v1/instances/*")))

    assert (listed(), len(list(planes.glob("processes/*")))) == (2, 2)
    killed.signal(signal.SIGKILL)
    killed.process.wait()
    wait_for(lambda: listed() == 1, "it is forgotten", timeout_s=2)
    assert {call(frontend.port, CHAT, chat()).status for _ in range(12)} == {200}
    other.signal()
    assert other.ended() == 0
    wait_for(lambda: not list(planes.glob("processes/*")), "nothing is left")


def test_a_suspect_worker_gets_no_new_request_until_it_is_heard_again(fresh: Host) -> None:
    """It keeps what it has, and nobody's request fails."""
    stall = fresh.folder / "stall"
    frontend = fresh.frontend()
    suspect, other = fresh.worker("--check-s", "30", SCRIPT_STALL=str(stall), SCRIPT_PACE_S="0.05"), fresh.worker()
    fresh.routable(frontend)
    until_all_answer(frontend, suspect, other)
    streams = [Stream(frontend.port, max_tokens=600) for _ in range(4)]
    wait_for(lambda: [s.next() for s in streams] and suspect.events("request"), "both stream")
    stall.touch()
    wait_for(lambda: "not accepting requests: rank 0 has been silent" in suspect.text(), "it is suspected", timeout_s=25)
    wait_for(lambda: call(suspect.port, "/health").status == 503, "it says so")
    had = len(suspect.events("request"))
    assert {call(frontend.port, CHAT, chat()).status for _ in range(8)} == {200}
    assert len(suspect.events("request")) == had
    stall.unlink()
    wait_for(lambda: call(suspect.port, "/health").status == 200, "it is heard again")
    until_all_answer(frontend, suspect, other)
    for stream in streams:
        assert sum(bool(e["choices"] and e["choices"][0]["delta"].get("content")) for e in stream.rest()) > 100


@pytest.mark.parametrize(
    ("argv", "says"),
    [
        (["--endpoint", "backend.generate"], "namespace.component.endpoint"),
        (["--system-port", "40000"], "at most 32767"),
        (["--event-plane", "nat"], "did you mean 'nats'?"),
    ],
)
def test_wrong_options_are_named(fresh: Host, argv: list[str], says: str) -> None:
    worker = fresh.worker(*argv, wait=False)
    assert worker.ended() != 0
    assert says in worker.text()


def test_engine_that_dies_while_draining_ends_the_drain(fresh: Host) -> None:
    frontend, worker = fresh.frontend(), fresh.worker()
    fresh.routable(frontend)
    stream = Stream(frontend.port, seed=SILENT)
    wait_for(lambda: worker.events("request"), "it arrived")
    worker.signal()
    wait_for(lambda: call(worker.port, "/health").status == 503, "it drains")
    worker.signal(signal.SIGQUIT)
    assert worker.ended(4) == 1
    assert "a process of the engine died" in worker.text()
    stream.cut()


def test_a_folder_without_a_model_is_named(fresh: Host) -> None:
    (fresh.folder / "empty").mkdir()
    worker = fresh.worker("--model-path", str(fresh.folder / "empty"), wait=False)
    assert worker.ended() != 0
    assert "the model cannot be registered from" in worker.text() and "--model-path" in worker.text()
    assert worker.events("shutdown")


def test_system_port_in_use_is_named(fresh: Host) -> None:
    first = fresh.worker()
    second = fresh.worker("--system-port", str(first.port), wait=False)
    assert second.ended() != 0
    assert f"port {first.port} on 127.0.0.1 is in use by" in second.text() and "--system-port" in second.text()


def test_metrics_of_the_system_server(fresh: Host) -> None:
    worker = fresh.worker()
    metrics = call(worker.port, "/metrics")
    assert metrics.status == 200 and "dynamo_" in metrics.body
