"""When requests are sent, as the server saw it."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from support import load_run
from support.scripted_server import ScriptedServer

SLOW = '{"script": {"first_ms": 100, "gap_ms": 0}}'


def settings_file(folder: Path, **settings: Any) -> list[str]:
    file = folder / "settings.json"
    file.write_text(json.dumps(settings))
    return ["--load-settings", str(file)]


def test_a_closed_loop_keeps_its_concurrency(server: ScriptedServer, tmp_path: Path) -> None:
    load = load_run.run(server.url, tmp_path, "--concurrency", "5", "--count", "30", "--output", "2", "--extra-body", SLOW)
    assert (server.most_running, len(load.measured), load.load["end_reason"]) == (5, 30, "count")


def test_an_open_loop_keeps_its_rate_whatever_the_server_does(server: ScriptedServer, tmp_path: Path) -> None:
    words = ["--rate", "40", "--arrivals", "constant", "--time-s", "1.5", "--output", "2", "--extra-body", '{"script": {"first_ms": 800}}']
    load = load_run.run(server.url, tmp_path, *words)
    begin = load.load["measure_started"]
    assert [r["scheduled"] - begin for r in load.measured] == pytest.approx([k / 40 for k in range(60)], abs=2e-3)
    assert load.load["end_reason"] == "time" and server.most_running > 20


def test_what_waits_for_a_connection_is_counted_from_when_it_was_due(server: ScriptedServer, tmp_path: Path) -> None:
    words = ["--rate", "100", "--arrivals", "constant", "--count", "20", "--max-in-flight", "2", "--output", "1", "--extra-body", SLOW]
    load = load_run.run(server.url, tmp_path, *words)
    last = max(load.measured, key=lambda r: r["scheduled"])
    assert server.most_running == 2 and len(load.measured) == 20
    assert last["ttft_ms"] > 600 and last["ttft_ms"] == pytest.approx(1e3 * (last["ended"] - last["scheduled"]), abs=50)
    assert load.clients[0]["late"] >= 15 and load.clients[0]["dropped"] == 0


def test_what_was_never_sent_is_counted(server: ScriptedServer, tmp_path: Path) -> None:
    words = ["--rate", "50", "--time-s", "1", "--max-in-flight", "1", "--output", "1", "--drain-s", "0", "--extra-body", SLOW]
    load = load_run.run(server.url, tmp_path, *words)
    assert load.clients[0]["dropped"] > 20
    assert [r["error"]["kind"] for r in load.measured if not r["ok"]] == ["client"]  # the one that was cut off


def test_steps_end_with_the_last(server: ScriptedServer, tmp_path: Path) -> None:
    load = load_run.run(server.url, tmp_path, "--steps", "0.8:1,0.8:4", "--output", "2", "--extra-body", SLOW)
    begin = load.load["measure_started"]
    early = [r for r in load.measured if r["ended"] < begin + 0.8]
    assert load.load["end_reason"] == "time" and server.most_running == 4
    assert all(a["ended"] <= b["started"] for a, b in pairwise(early))  # one at a time


def test_a_ramp_of_a_rate_gathers_speed(server: ScriptedServer, tmp_path: Path) -> None:
    words = ["--rate", "60", "--arrivals", "constant", "--ramp", "0:2", "--time-s", "2", "--output", "1"]
    load = load_run.run(server.url, tmp_path, *words)
    begin = load.load["measure_started"]
    halves = [sum(a <= r["scheduled"] - begin < a + 1 for r in load.measured) for a in (0, 1)]
    assert halves == pytest.approx([15, 45], abs=2)


def test_a_ramp_of_a_concurrency_adds_users(server: ScriptedServer, tmp_path: Path) -> None:
    load = load_run.run(
        server.url, tmp_path, "--concurrency", "6", "--ramp", "1:1.5", "--time-s", "2.5", "--output", "2", "--extra-body", SLOW
    )
    begin = load.load["measure_started"]
    first = [r for r in load.measured if r["started"] < begin + 0.25]
    assert len(first) < 6 and server.most_running == 6


def test_a_trace_is_replayed_at_its_times_and_faster(server: ScriptedServer, tmp_path: Path) -> None:
    file = tmp_path / "trace.jsonl"
    lines = [{"timestamp": 400 * k, "input_length": 600, "output_length": 2 + k, "hash_ids": [0, k]} for k in range(5)]
    file.write_text("\n".join(map(json.dumps, lines)))
    load = load_run.run(server.url, tmp_path / "out", "--trace", str(file), "--speed", "2")
    begin = load.load["measure_started"]
    assert [r["scheduled"] - begin for r in load.measured] == pytest.approx([0, 0.2, 0.4, 0.6, 0.8], abs=2e-3)
    assert [r["output_tokens"] for r in load.measured] == [2, 3, 4, 5, 6]
    prompts = [a.body["prompt"] for a in server.asked]
    assert len({tuple(p[:512]) for p in prompts}) == 1 and len({tuple(p[512:]) for p in prompts}) == 5


def test_prefixes_are_shared(server: ScriptedServer, tmp_path: Path) -> None:
    load_run.run(server.url, tmp_path, "--prefix-groups", "2", "--prefix-length", "30", "--input", "5", "--count", "12", "--output", "1")
    prompts = [a.body["prompt"] for a in server.asked]
    assert len({tuple(p[:30]) for p in prompts}) == 2 and {len(p) for p in prompts} == {35}


def test_conversations_grow_and_think(server: ScriptedServer, tmp_path: Path) -> None:
    words = ["--load-user", "chat", "--turns", "3", "--think-s", "0.2", "--count", "6", "--concurrency", "2", "--output", "2"]
    load = load_run.run(server.url, tmp_path, *words)
    sessions = {r["session"] for r in load.measured}
    assert len(sessions) == 2
    for session in sessions:
        turns = [r for r in load.measured if r["session"] == session]
        assert [r["turn"] for r in turns] == [0, 1, 2]
        assert all(b["started"] - a["ended"] >= 0.2 for a, b in pairwise(turns))
    longest = max((a.body["messages"] for a in server.asked), key=len)
    assert [m["role"] for m in longest] == ["user", "assistant", "user", "assistant", "user"]
    assert longest[1]["content"] == "w1 w2 "  # what the server had said


def test_a_mix_has_its_shares_and_its_own_shapes(server: ScriptedServer, tmp_path: Path) -> None:
    classes = [
        {"name": "short", "weight": 3, "output": "1"},
        {"name": "long", "user": "chat", "weight": 1, "input": "uniform:20:40"},
        {"name": "steady", "user": "embeddings", "shape": {"kind": "open", "rate": 20, "arrivals": "constant"}},
    ]
    words = settings_file(tmp_path, classes=classes, shape={"concurrency": 4}, end={"time_s": 2})
    load = load_run.run(server.url, tmp_path / "out", *words)
    counts = {name: sum(r["class"] == name for r in load.measured) for name in ("short", "long", "steady")}
    assert counts["steady"] == pytest.approx(40, abs=1)
    assert 1.5 < counts["short"] / counts["long"] < 6


def test_processes_share_a_closed_loop(server: ScriptedServer, tmp_path: Path) -> None:
    words = ["--processes", "2", "--concurrency", "5", "--count", "31", "--warmup-count", "5", "--output", "2", "--extra-body", SLOW]
    load = load_run.run(server.url, tmp_path, *words)
    assert load.code == 0, load.output
    assert [sum(r["process"] == p for r in load.measured) for p in (0, 1)] == [16, 15]
    assert server.most_running == 5 and len(load.clients) == 2
    warm = [r["ended"] for r in load.requests if r["phase"] == "warmup"]
    assert max(warm) <= load.load["measure_started"] <= min(r["started"] for r in load.measured)
