"""A sweep that is killed, goes on, and is then left alone."""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path

import psutil
import pytest

from support.measuring import SMALL, Place

pytestmark = [pytest.mark.engine, pytest.mark.timeout(600)]

WORDS = ("bench", "agg", "+model=tiny-qwen3", *SMALL, "load.concurrency=2,4", "--name", "sweep")


def events(place: Place) -> list[tuple[str, str]]:
    file = place.runs / "sweep/sweep.jsonl"
    lines = file.read_text().splitlines() if file.exists() else []
    return [(event["run"].removeprefix("agg,load.concurrency=")[0], event["event"]) for event in map(json.loads, lines)]


def wait_for(what: object, within_s: float) -> None:
    deadline = time.monotonic() + within_s
    while not what():  # type: ignore[operator]
        assert time.monotonic() < deadline, "it did not come so far"
        time.sleep(0.1)


def processes_of(runs: Path) -> list[int]:
    found = []
    for process in psutil.process_iter():
        try:
            if str(runs) in " ".join(process.environ().values()) and process.pid != os.getpid():
                found.append(process.pid)
        except psutil.Error:
            continue
    return found


def test_a_killed_sweep_goes_on_where_it_was(place: Place) -> None:
    process = place.start(*WORDS)
    second = place.runs / "sweep/agg,load.concurrency=4/seed-0"
    wait_for(lambda: (second / "logs/worker-0.log").exists(), 200)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    wait_for(lambda: not processes_of(place.runs), 20)
    assert events(place) == [("2", "started"), ("2", "ended"), ("4", "started")]

    code, output = place.run(WORDS)
    assert code == 0, output
    assert events(place)[3:] == [("2", "skipped"), ("4", "started"), ("4", "ended")]
    assert "[1/2] agg,load.concurrency=2/seed-0: skipped: up to date" in output
    assert "A agg,load.concurrency=2 (1 run)" in output and "B agg,load.concurrency=4 (1 run)" in output

    began = time.monotonic()
    code, output = place.run(WORDS)
    assert code == 0 and time.monotonic() - began < 60
    assert events(place)[6:] == [("2", "skipped"), ("4", "skipped")], output
