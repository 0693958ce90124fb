"""A server of others, measured by the same ruler."""

from __future__ import annotations

import json

import pytest

from support.measuring import SMALL, Place
from support.scripted_server import MODEL, ScriptedServer

WORDS = ("external", *SMALL, "load.concurrency=2", "load.output=4")


def test_it_is_asked_and_reported_on(place: Place, server: ScriptedServer) -> None:
    code, output = place.run(["up", *WORDS, f"url={server.url}"])
    assert code == 0, output
    (report,) = place.runs.glob("*/*/report.html")
    summary = json.loads((report.parent / "results/summary.json").read_text())
    assert (summary["overall"]["counts"]["ok"], summary["model"], summary["failures"]) == (40, MODEL, [])


@pytest.mark.parametrize(("model", "message"), [("model.name=another", "it lists scripted, not 'another'"), (None, "refused")])
def test_a_server_that_cannot_be_measured_is_refused_at_once(place: Place, server: ScriptedServer, model: str | None, message: str) -> None:
    words = [model, f"url={server.url}"] if model else ["url=http://127.0.0.1:9"]
    code, output = place.run(["up", *WORDS, *words])
    assert code == 2 and message in output, output
    assert not place.runs.exists()


def test_a_load_whose_result_is_no_good_ends_with_one_and_is_reported_on(place: Place, server: ScriptedServer) -> None:
    code, output = place.run(["up", *WORDS, f"url={server.url}", "load.extra_body={script: {status: 503}}"])
    assert code == 1 and "none of 40 requests succeeded" in output, output
    assert list(place.runs.glob("*/*/report.html"))


def test_a_load_that_is_interrupted_does_not_end_well(place: Place, server: ScriptedServer) -> None:
    process = place.start("up", *WORDS, f"url={server.url}", "load.count=null", "load.time_s=300")
    assert process.stdout is not None
    while "load" not in (line := process.stdout.readline()) or "starting" not in line:
        assert line, "it ended"
    process.terminate()
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 128 + 15, output


def test_a_sweep_goes_over_it(place: Place, server: ScriptedServer) -> None:
    words = ["bench", "external", *SMALL, f"url={server.url}", "load.concurrency=1,2", "load.output=4", "--repeats", "2", "--name", "peers"]
    code, output = place.run(words)
    assert code == 0, output
    assert sorted(p.parent.relative_to(place.runs).as_posix() for p in place.runs.glob("*/*/*/report.html")) == [
        f"peers/external,load.concurrency={c}/seed-{s}" for c in (1, 2) for s in (0, 1)
    ]
    assert "A external,load.concurrency=1 (2 runs)" in output and "B external,load.concurrency=2 (2 runs)" in output
    assert (place.runs / "peers/report.html").is_file()


def test_a_run_that_fails_loses_no_other(place: Place, server: ScriptedServer) -> None:
    scripts = "load.extra_body={script: {status: 503}},{script: {first_ms: 1}}"
    code, output = place.run(
        ["bench", "external", *SMALL, f"url={server.url}", "load.concurrency=2", "load.output=4", scripts, "--name", "x"]
    )
    assert code == 1, output
    assert len(list(place.runs.glob("x/*/*/report.html"))) == 2
    assert "failed" in output and "done" in output
