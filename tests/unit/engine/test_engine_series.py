"""Where an engine's processes keep their series."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from armature import env
from armature.engine.series import fresh_folder, gather, remove

COUNTS = "import prometheus_client as p; p.Counter('asked', 'Requests', ['dp_rank']).labels('1').inc(3)"


@pytest.fixture
def folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Path]:
    """As a process gets it that inherited the folder of another one."""
    monkeypatch.setenv(env.PROMETHEUS_DIR, str(tmp_path))
    made = fresh_folder()
    yield made
    remove(made)


def count() -> None:
    """Another process counts, as a scheduler does."""
    subprocess.run([sys.executable, "-c", COUNTS], check=True, timeout=60)


def shown(folder: Path) -> list[tuple[str, dict[str, str], float]]:
    return [(s.name, s.labels, s.value) for metric in gather(folder) for s in metric.samples]


def test_an_inherited_folder_is_not_used(folder: Path, tmp_path: Path) -> None:
    assert os.environ[env.PROMETHEUS_DIR] == str(folder) != str(tmp_path)


def test_nobody_else_may_read_it(folder: Path) -> None:
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_what_other_processes_count_is_gathered_after_their_end(folder: Path) -> None:
    count()
    assert shown(folder) == [("asked_total", {"dp_rank": "1"}, 3.0)]


def test_a_second_launch_has_nothing_of_the_first(folder: Path) -> None:
    count()
    second = fresh_folder()
    try:
        assert shown(second) == []
        count()
        assert shown(second) == shown(folder) != []
    finally:
        remove(second)


def test_it_is_removed_with_its_name(folder: Path) -> None:
    remove(folder)
    assert not folder.exists() and env.PROMETHEUS_DIR not in os.environ
