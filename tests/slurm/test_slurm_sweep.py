"""A sweep whose runs are jobs of a real Slurm."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from support.measuring import SMALL, Place
from support.scripted_server import ScriptedServer
from support.slurm import SlurmLab, slurm_lab, why_not

pytestmark = pytest.mark.timeout(300)
SLOW = "load.extra_body={script: {first_ms: 700}}"  # 40 requests by 2 users take 14 s


@pytest.fixture(scope="module")
def slurm() -> Iterator[SlurmLab]:
    if reason := why_not():
        pytest.skip(reason)
    with slurm_lab(hosts=2) as lab:
        yield lab


@pytest.fixture
def words(slurm: SlurmLab, server: ScriptedServer, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A sweep of two runs, each on a host of its own."""
    for name, value in slurm.env.items():
        monkeypatch.setenv(name, value)
    sweep = ["bench", "external", *SMALL, f"url={server.url}", "load.concurrency=2,4", "load.output=4", "--name", "s"]
    return [*sweep, "hydra/launcher=submitit_slurm", "hydra.launcher.timeout_min=5"]


def events(place: Place) -> list[dict[str, Any]]:
    file = place.runs / "s/sweep.jsonl"
    return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


def wait_for(holds: Callable[[], object], process: subprocess.Popen[str], within_s: float = 60) -> None:
    deadline = time.monotonic() + within_s
    while not holds():
        if process.poll() is not None or time.monotonic() > deadline:
            process.kill()
            raise AssertionError(process.communicate()[0])
        time.sleep(0.1)


def logs(place: Place) -> str:
    return "\n".join(
        f"{f.name}:\n{f.read_text()[-3000:]}" for f in sorted((place.runs / "s/jobs").glob("*.*")) if f.suffix in (".out", ".err")
    )


def test_its_runs_are_jobs_and_done_ones_are_left_alone(place: Place, words: list[str], slurm: SlurmLab) -> None:
    code, output = place.run(words)
    assert code == 0, output + logs(place)
    assert "A external,load.concurrency=2 (1 run)" in output and "B external,load.concurrency=4 (1 run)" in output
    assert len(list(place.runs.glob("s/*/seed-0/report.html"))) == 2
    assert [e["event"] for e in events(place)] == ["submitted", "submitted", "ended", "ended"]
    code, output = place.run(words)
    assert code == 0 and output.count("skipped: up to date") == 2, output
    assert not slurm.jobs()


def test_a_run_that_fails_loses_no_other_and_says_where_its_log_is(place: Place, words: list[str]) -> None:
    one_level = [word for word in words if not word.startswith("load.concurrency")]
    code, output = place.run([*one_level, "load.concurrency=2", "load.extra_body={script: {status: 503}},{script: {first_ms: 1}}"])
    assert code == 1, output
    assert sorted(e["exit_code"] for e in events(place) if e["event"] == "ended") == [0, 1], output
    assert "failed" in output


def test_a_killed_sweep_goes_on_with_the_jobs_that_it_had_submitted(place: Place, words: list[str], slurm: SlurmLab) -> None:
    process = place.start(*words, SLOW)
    wait_for(lambda: slurm.jobs() == ["RUNNING"] * 2, process)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    assert slurm.jobs(), "they outlive it"
    code, output = place.run([*words, SLOW])
    assert code == 0, output + logs(place)
    assert output.count("which an earlier call submitted") == 2
    assert [e["event"] for e in events(place)].count("submitted") == 2, "nothing was measured twice"


def test_ctrl_c_cancels_its_jobs(place: Place, words: list[str], slurm: SlurmLab) -> None:
    process = place.start(*words, SLOW)
    wait_for(lambda: slurm.jobs() == ["RUNNING"] * 2, process)
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 1 and "cancelling 2 jobs" in output
    deadline = time.monotonic() + 40
    while slurm.jobs() and time.monotonic() < deadline:
        time.sleep(0.2)
    assert not slurm.jobs()


def test_a_job_whose_time_is_up_ends_in_order_and_fails(place: Place, words: list[str], slurm: SlurmLab) -> None:
    process = place.start(*words, SLOW)
    wait_for(lambda: len(list(place.runs.glob("s/*/seed-0/load"))) == 2, process)
    slurm.run("scancel", "--signal=USR2", "--user=root")
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 1, output
    assert [e["exit_code"] for e in events(place) if e["event"] == "ended"] == [128 + signal.SIGTERM] * 2, output + logs(place)


def test_a_job_that_the_sweep_does_not_know_does_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from armature.launch import slurm_jobs

    monkeypatch.setattr(slurm_jobs, "KNOWN_S", 0.1)
    monkeypatch.setenv("SUBMITIT_EXECUTOR", "slurm")
    monkeypatch.setenv("SLURM_JOB_ID", "7")
    called: list[int] = []
    assert slurm_jobs.run_one(lambda: called.append(1) or 0, tmp_path, "a/seed-0") == 1
    assert not called


@pytest.mark.parametrize("word", ["hydra.launcher.partition=nowhere"])
def test_what_slurm_refuses_is_said(place: Place, words: list[str], word: str) -> None:
    code, output = place.run([*words, word])
    assert code == 2, output
    assert "Slurm rejected the job" in output and "invalid partition" in output, output
