"""What a run leaves behind."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
from jsonschema import validate
from record_schemas import CLIENT, LOAD, REQUEST

from support import load_run
from support.scripted_server import MODEL, ScriptedServer


@pytest.mark.parametrize("user", ["chat", "completions", "embeddings", "images", "multimodal"])
def test_every_user_keeps_the_contract(server: ScriptedServer, tmp_path: Path, user: str) -> None:
    load = load_run.run(server.url, tmp_path, "--load-user", user, "--count", "6", "--output", "5", "--warmup-count", "2")
    assert load.code == 0, load.output
    for request in load.requests:
        validate(request, REQUEST)
        assert request["ok"] and (request["user"], request["class"]) == (user, user)
    for client in load.clients:
        validate(client, CLIENT)
    validate(load.load, LOAD)
    assert (len(load.measured), len(load.requests), load.load["model"]) == (6, 8, MODEL)


def test_a_streamed_requests_figures_agree_with_each_other(server: ScriptedServer, tmp_path: Path) -> None:
    script = {"script": {"first_ms": 30, "gap_ms": 10}}
    load = load_run.run(server.url, tmp_path, "--count", "5", "--output", "6", "--input", "40", "--extra-body", json.dumps(script))
    for r in load.measured:
        assert r["chunks"] == 6 and len(r["gaps_ms"]) == 5
        assert r["ttft_ms"] >= 30 and min(r["gaps_ms"]) >= 0 and sum(r["gaps_ms"]) >= 45
        assert r["ttft_ms"] + sum(r["gaps_ms"]) == pytest.approx(r["e2e_ms"], abs=5)
        assert r["ended"] - r["started"] == pytest.approx(r["e2e_ms"] / 1e3, abs=1e-4)
        assert (r["asked_input"], r["input_tokens"], r["asked_output"], r["output_tokens"], r["cached_tokens"]) == (40, 40, 6, 6, 3)
        assert r["chunk_tokens"] == [1] * 6 and r["scheduled"] is None


def test_connections_are_kept(server: ScriptedServer, tmp_path: Path) -> None:
    load = load_run.run(server.url, tmp_path, "--count", "12", "--concurrency", "2")
    assert len({a.connection for a in server.asked}) == 2  # the probe had one of its own
    assert sum(r["connect_ms"] is not None for r in load.measured) == 2


@pytest.mark.parametrize(
    ("words", "counts", "effect", "tokens"),
    [
        ([], "yes", "usage", [1] * 6),
        ([], "ignores", "plain", None),
        ([], "refuses", "plain", None),
        (["--server", "usage"], "yes", "usage", [1] * 6),
        (["--server", "usage"], "ignores", "usage", None),
        (["--server", "dynamo"], "refuses", "dynamo", [1] * 6),
        (["--server", "plain"], "yes", "plain", None),
    ],
)
@pytest.mark.parametrize("user", ["chat", "completions"])
def test_every_token_is_counted_where_the_server_can_tell(
    server: ScriptedServer, tmp_path: Path, user: str, words: list[str], counts: str, effect: str, tokens: list[int] | None
) -> None:
    """Every second token has no text of its own, as half of a character has none."""
    script = json.dumps({"script": {"counts": counts, "textless": 2}})
    words = ["--load-user", user, "--count", "2", "--output", "6", "--extra-body", script, *words]
    load = load_run.run(server.url, tmp_path, *words)
    assert load.code == 0, load.output
    assert load.load["settings"]["server"] == effect
    assert [r["chunk_tokens"] for r in load.measured] == [tokens] * 2
    assert {r["chunks"] for r in load.measured} == {6 if tokens else 3}, "tokens 1, 3 and 5 have text"
    assert all(r["output_tokens"] == 6 and r["ok"] for r in load.measured)
    assert len(server.probes) == ("--server" not in words)


def test_processes_take_over_how_the_first_one_found_tokens_counted(server: ScriptedServer, tmp_path: Path) -> None:
    load = load_run.run(server.url, tmp_path, "--count", "4", "--concurrency", "2", "--processes", "2")
    assert all(r["chunk_tokens"] for r in load.measured) and len(load.measured) == 4 and len(server.probes) == 1


@pytest.mark.parametrize("user", ["embeddings", "images"])
def test_what_has_no_tokens_to_count_asks_no_probe(server: ScriptedServer, tmp_path: Path, user: str) -> None:
    load_run.run(server.url, tmp_path, "--load-user", user, "--count", "1")
    assert (server.probes, len(server.asked)) == ([], 1)


def test_what_is_asked_is_what_the_settings_say(server: ScriptedServer, tmp_path: Path) -> None:
    load_run.run(server.url, tmp_path, "--count", "1", "--output", "4", "--ignore-eos", "true", "--extra-body", '{"top_p": 0.5}')
    body = server.asked[0].body
    assert (body["temperature"], body["ignore_eos"], body["top_p"], body["max_tokens"]) == (0.0, True, 0.5, 4)
    assert body["stream"] and body["stream_options"] == {"include_usage": True, "continuous_usage_stats": True}


def test_a_run_does_not_write_over_another(server: ScriptedServer, tmp_path: Path) -> None:
    load_run.run(server.url, tmp_path, "--count", "1")
    again = load_run.run(server.url, tmp_path, "--count", "1")
    assert again.code == 2 and "holds the records of another run" in again.output
    assert len(again.requests) == 1


def test_a_seed_sends_the_same_prompts_again_also_over_processes(server: ScriptedServer, tmp_path: Path) -> None:
    sent = []
    for name, processes in (("one", []), ("two", ["--processes", "2"])):
        server.asked.clear()
        words = ["--count", "20", "--rate", "200", "--input", "uniform:5:20", "--seed", "9", *processes]
        load = load_run.run(server.url, tmp_path / name, *words)
        begin = load.load["measure_started"]
        due = sorted(round(r["scheduled"] - begin, 3) for r in load.measured)
        sent.append((sorted(a.body["prompt"] for a in server.asked), due))
        assert {r["process"] for r in load.measured} == set(range(len(processes) or 1))
    assert sent[0][0] == sent[1][0]
    assert sent[0][1] == pytest.approx(sent[1][1], abs=2e-3)


def test_warming_up_is_apart(server: ScriptedServer, tmp_path: Path) -> None:
    load = load_run.run(server.url, tmp_path, "--count", "6", "--warmup-s", "0.5", "--concurrency", "2", "--rate", "20")
    assert load.code == 2  # a concurrency and a rate
    load = load_run.run(server.url, tmp_path, "--count", "6", "--warmup-s", "0.5", "--warmup-concurrency", "2", "--rate", "20")
    warm = [r for r in load.requests if r["phase"] == "warmup"]
    assert warm and max(r["ended"] for r in warm) <= load.load["measure_started"] <= min(r["started"] for r in load.measured)
    assert len(load.measured) == 6 and all(r["scheduled"] is None for r in warm)
    prompts = [tuple(a.body["prompt"]) for a in server.asked]
    assert len(set(prompts)) == len(prompts)


def test_records_are_written_while_it_runs(server: ScriptedServer, tmp_path: Path) -> None:
    process = load_run.start(server.url, tmp_path, "--time-s", "60", "--concurrency", "2")
    try:
        load_run.wait_for_requests(tmp_path, 10)
        began = time.monotonic()
    finally:
        process.kill()
        process.communicate()
    assert time.monotonic() - began < 5
    load = load_run.Load(process.returncode, "", tmp_path)
    assert len(load.requests) >= 10 and load.load["end_reason"] == "error"  # what stands there until the end is known
