"""How a run ends, and what becomes of what went wrong."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import time
import urllib.request
from pathlib import Path

import psutil
import pytest

from support import load_run
from support.scripted_server import ScriptedServer


def test_it_ends_when_time_is_up(server: ScriptedServer, tmp_path: Path) -> None:
    load = load_run.run(server.url, tmp_path, "--time-s", "1", "--concurrency", "2")
    assert load.load["end_reason"] == "time"
    assert max(r["started"] for r in load.measured) - load.load["measure_started"] == pytest.approx(1, abs=0.3)


@pytest.mark.parametrize("processes", [[], ["--processes", "2"]])
def test_it_ends_when_the_mean_is_known(server: ScriptedServer, tmp_path: Path, processes: list[str]) -> None:
    words = ["--known", "e2e:0.3", "--time-s", "40", "--concurrency", "4", "--output", "2", *processes]
    load = load_run.run(server.url, tmp_path, *words)
    assert load.load["end_reason"] == "known", load.output
    assert len(load.measured) >= 200


@pytest.mark.parametrize("processes", [[], ["--processes", "2"]])
@pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_keeps_the_records(server: ScriptedServer, tmp_path: Path, processes: list[str], sign: signal.Signals) -> None:
    process = load_run.start(server.url, tmp_path, "--concurrency", "2", "--time-s", "300", *processes)
    load_run.wait_for_requests(tmp_path, 4)
    os.kill(process.pid, sign)
    load = load_run.finish(process, tmp_path, 30)
    assert load.load["end_reason"] == "stopped"
    assert len(load.clients) == (len(processes) or 1)
    assert sum(r["ok"] for r in load.requests) >= 4
    assert {r["error"]["kind"] for r in load.requests if not r["ok"]} <= {"client"}


@pytest.mark.parametrize(
    ("script", "kind", "word"),
    [
        ({"die_after": 2}, "stream", "reset|closed"),
        ({"error_after": 2}, "server", "as the script says"),
        ({"status": 503}, "http", "as the script says"),
        ({"stream": False}, "server", "is not a stream"),
        ({"first_ms": 60_000}, "timeout", "longer than"),
    ],
)
def test_failures_are_counted_by_kind(server: ScriptedServer, tmp_path: Path, script: dict[str, int], kind: str, word: str) -> None:
    body = json.dumps({"script": script})
    load = load_run.run(server.url, tmp_path, "--count", "4", "--concurrency", "2", "--timeout-s", "1", "--extra-body", body)
    assert load.code == 1
    assert [r["error"]["kind"] for r in load.measured] == [kind] * 4
    assert all(re.search(word, r["error"]["text"]) for r in load.measured), load.measured[0]["error"]
    partial = "die_after" in script or "error_after" in script
    assert all((r["chunks"] == 2) == partial for r in load.measured)  # what had come is kept


def test_a_server_that_is_not_there_ends_it(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    load = load_run.run(f"http://127.0.0.1:{port}", tmp_path, "--model", "m", "--concurrency", "4", "--time-s", "60")
    assert (load.code, load.load["end_reason"]) == (1, "error")
    assert {r["error"]["kind"] for r in load.measured} == {"connection"} and len(load.measured) >= 100


def test_without_a_model_a_server_must_name_one(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    load = load_run.run(f"http://127.0.0.1:{port}", tmp_path, "--count", "1")
    assert load.code == 2 and "lists no model" in load.output and "--model" in load.output


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--rate", "none"], "--rate: expected N, got 'none'"),
        (["--concurrency", "0"], "--concurrency: expected more than 0"),
        (["--load-settings", "/nowhere.json"], "/nowhere.json cannot be read"),
        (["--trace", "/nowhere.jsonl"], "/nowhere.jsonl cannot be read"),
        (["--run-time", "5s"], "--run-time: is Locust's own"),
    ],
)
def test_a_wrong_setting_ends_it_before_it_begins(server: ScriptedServer, tmp_path: Path, words: list[str], message: str) -> None:
    load = load_run.run(server.url, tmp_path, *words)
    assert load.code == 2 and message in load.output
    assert not server.asked


@pytest.mark.parametrize("words", [["--rate", "0"], ["--trace", "/nowhere.jsonl"]])
def test_a_run_that_cannot_start_leaves_no_process(server: ScriptedServer, tmp_path: Path, words: list[str]) -> None:
    process = load_run.start(server.url, tmp_path, "--processes", "2", *words)
    load = load_run.finish(process, tmp_path, 30)
    assert load.code == 2, load.output
    with pytest.raises(ProcessLookupError):
        os.killpg(process.pid, 0)  # it had a group of its own


@pytest.mark.parametrize("processes", [[], ["--processes", "2"]])
def test_a_client_that_is_too_slow_says_so_itself(server: ScriptedServer, tmp_path: Path, processes: list[str]) -> None:
    words = ["--time-s", "1", "--concurrency", "2", "--lag-limit-ms", "0.0001", *processes]
    load = load_run.run(server.url, tmp_path, *words)
    assert load.code == 3 and "the run is invalid" in load.output
    assert not any(c["valid"] for c in load.clients) and "lagged" in load.clients[0]["reasons"][0]
    assert load.measured  # kept all the same


def test_locusts_page_shows_first_tokens(server: ScriptedServer, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    page = ["--web-host", "127.0.0.1", "--web-port", str(port), "--autostart"]
    process = load_run.start(server.url, tmp_path, "--time-s", "60", *page, headless=False)
    try:
        load_run.wait_for_requests(tmp_path, 5)
        series: dict[tuple[str, str], int] = {}
        deadline = time.monotonic() + 10
        while ("TTFT", "completions") not in series and time.monotonic() < deadline:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/stats/requests") as answer:
                series = {(s["method"], s["name"]): s["num_requests"] for s in json.load(answer)["stats"]}
            time.sleep(0.5)
    finally:
        process.send_signal(signal.SIGINT)
        load = load_run.finish(process, tmp_path, 30)
    assert {("POST", "completions"), ("TTFT", "completions"), ("ITL", "completions")} <= set(series)
    assert load.load["end_reason"] == "stopped"


def test_workers_that_were_started_apart_take_their_shares(server: ScriptedServer, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
    line = load_run.command(server.url, ["--worker", "--master-port", port])
    workers = [subprocess.Popen(line, stdout=subprocess.DEVNULL, env=load_run.environ()) for _ in range(2)]
    words = ["--master", "--master-bind-port", port, "--expect-workers", "2", "--count", "20", "--concurrency", "4"]
    load = load_run.run(server.url, tmp_path, *words)
    assert load.code == 0, load.output
    assert [sum(r["process"] == p for r in load.measured) for p in (0, 1)] == [10, 10]
    assert [w.wait(20) for w in workers] == [0, 0]


def test_a_worker_that_dies_ends_the_run(server: ScriptedServer, tmp_path: Path) -> None:
    process = load_run.start(server.url, tmp_path, "--processes", "2", "--concurrency", "2", "--time-s", "300")
    load_run.wait_for_requests(tmp_path, 10)
    files = sorted(tmp_path.glob("requests.*.jsonl"))
    os.kill(psutil.Process(process.pid).children()[0].pid, signal.SIGKILL)
    load = load_run.finish(process, tmp_path, 60)
    assert load.code == 1 and load.load["end_reason"] == "error", load.output
    assert len(files) == 2 and len(load.requests) >= 10
