"""What goes wrong around `armature up` with the real engine: the message that a user gets, and what is left behind."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import time
from pathlib import Path

import pytest

from support.models import tiny
from support.serving import CLEAN, leftovers, processes_of, up

pytestmark = pytest.mark.engine

WORDS = ("agg", "+model=tiny-qwen3", "frontend.port=0")


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def shm() -> set[str]:
    """What lies under /dev/shm before the run."""
    return set(os.listdir("/dev/shm"))


def test_ctrl_c_leaves_nothing(tmp_path: Path, cache: Path, shm: set[str]) -> None:
    with up(tmp_path, cache, *WORDS) as running:
        running.wait_event("serving")
        assert len(processes_of(running)) >= 4, "the run's processes were not found"
        assert running.end(signal.SIGINT) == 0
        assert leftovers(running, shm) == CLEAN


def test_a_killed_launcher_leaves_nothing(tmp_path: Path, cache: Path, shm: set[str]) -> None:
    with up(tmp_path, cache, *WORDS) as running:
        running.wait_event("serving")
        running.process.kill()
        running.process.wait()
        assert leftovers(running, shm) == CLEAN


def test_a_launcher_killed_during_start_leaves_nothing(tmp_path: Path, cache: Path, shm: set[str]) -> None:
    with up(tmp_path, cache, *WORDS) as running:
        running.wait_event("started", "worker-0")
        deadline = time.monotonic() + 60
        while not any("scheduler" in " ".join(p.cmdline()) for p in processes_of(running)) and time.monotonic() < deadline:
            time.sleep(0.2)
        running.process.kill()
        running.process.wait()
        assert leftovers(running, shm) == CLEAN


def test_a_worker_killed_during_start_is_named_with_the_signal(tmp_path: Path, cache: Path, shm: set[str]) -> None:
    with up(tmp_path, cache, *WORDS) as running:
        worker = running.wait_event("started", "worker-0")["pid"]
        time.sleep(2)
        os.kill(worker, signal.SIGKILL)
        assert running.process.wait(60) == 1
        assert "worker-0" in running.text()
        assert "SIGKILL" in running.text()
        assert leftovers(running, shm) == CLEAN


def test_a_worker_killed_while_serving_ends_the_run_when_it_may_not_be_restarted(tmp_path: Path, cache: Path, shm: set[str]) -> None:
    with up(tmp_path, cache, *WORDS, "launcher.restarts=0") as running:
        running.wait_event("serving")
        os.kill(running.wait_event("started", "worker-0")["pid"], signal.SIGKILL)
        assert running.process.wait(60) == 1
        assert "SIGKILL" in running.text()
        assert leftovers(running, shm) == CLEAN


def test_an_engine_that_cannot_start_is_told_with_its_last_lines(tmp_path: Path, cache: Path) -> None:
    broken = tmp_path / "broken"
    shutil.copytree(tiny("tiny-qwen3", cache), broken)
    os.truncate(broken / "model.safetensors", 1000)
    with up(tmp_path, cache, "agg", f"model.path={broken}", "frontend.port=0") as running:
        assert running.process.wait(100) == 1
        assert "worker-0" in running.text()
        assert "safetensors" in running.text().lower()


def test_a_port_in_use_is_refused_before_anything_starts(tmp_path: Path, cache: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with up(tmp_path, cache, "agg", "+model=tiny-qwen3", f"frontend.port={port}") as running:
            assert running.process.wait(30) == 2
            text = running.text()
    assert f"port {port}" in text
    assert f"pid {os.getpid()}" in text
    assert "frontend.port=" in text
    assert not list((tmp_path / "runs").glob("*/*/logs/worker*"))
