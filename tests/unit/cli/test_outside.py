"""A role, a profile, a launcher and configs from a folder of the user's. No file of the package knows them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

OUTSIDE = Path(__file__).parent / "outside"
UP = ("-m", "armature", "up", "agg", "+model=tiny-qwen3")


def python(*words: str, plugins: str = str(OUTSIDE)) -> subprocess.CompletedProcess[str]:
    environ = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "ARMATURE_PLUGINS": plugins}
    return subprocess.run([sys.executable, *words], capture_output=True, text=True, env=environ, check=False)


@pytest.mark.parametrize("how", [["--dry-run"], ["--json"], ["--draw", "mermaid"]], ids=str)
def test_it_is_composed_planned_and_drawn(how: list[str]) -> None:
    done = python(*UP, "topology.roles.worker.role=parrot", *how)
    assert done.returncode == 0 and "parrot" in done.stdout, done.stderr


def test_it_is_documented() -> None:
    assert "parrot: repeats what it is told" in " ".join(python("-m", "armature", "worker", "--help").stdout.split())


def test_without_the_folder_it_does_not_exist() -> None:
    done = python(*UP, "topology.roles.worker.role=parrot", "--dry-run", plugins="")
    assert done.returncode == 2 and "topology.roles.worker.role" in done.stderr and "'parrot' does not exist" in done.stderr


def test_the_worker_finds_it_with_its_command() -> None:
    code = """
from armature.worker.roles import load
found = load("parrot")
role = object.__new__(found.Parrot)
role.engine, role._profiler, role._kv_events = None, type("None", (), {"routes": lambda self: ()})(), None
print(found.open_role.__module__, role.ROLE.name, *(route.name for route in role.routes()))
"""
    done = python("-c", code)
    assert done.stdout.split() == ["armature.worker.roles.parrot", "parrot", "load", "squawk"], done.stderr


@pytest.mark.parametrize("how", [["--dry-run"], ["--json"], ["--draw", "mermaid"]], ids=str)
def test_a_profile_is_planned_and_drawn(how: list[str]) -> None:
    done = python(*UP, "load=closed", "profile=heap", *how)
    assert done.returncode == 0 and "heap" in done.stdout, done.stderr


def test_a_profile_opens_the_commands_that_it_sends() -> None:
    done = python(*UP, "load=closed", "profile=heap", "--json")
    worker = next(node for node in json.loads(done.stdout)["nodes"] if node["name"] == "worker-0")
    assert "squawk" in worker["argv"]


def test_a_profile_needs_its_load() -> None:
    done = python(*UP, "profile=heap", "--dry-run")
    assert done.returncode == 2 and "profile=heap needs a load" in done.stderr and "fix: add load=closed" in done.stderr


def test_a_profile_is_taken_where_reports_look(tmp_path: Path) -> None:
    done = python("-m", "armature", "profile", "heap", "--node", "worker-0", "--tmp", str(tmp_path), "--out", str(tmp_path / "out"))
    assert done.returncode == 0 and (tmp_path / "out/worker-0/heap.svg").exists(), done.stderr


def test_a_profile_is_documented() -> None:
    assert "heap: what fills memory" in " ".join(python("-m", "armature", "profile", "--help").stdout.split())


def test_a_launcher_runs_the_plan() -> None:
    done = python(*UP, "launcher=memo")
    assert done.returncode == 0 and "worker-0 on local" in done.stdout.splitlines(), done.stderr


def test_configs_are_completed_and_say_where_they_are() -> None:
    done = python(*UP, "launcher=memoo", "--dry-run")
    assert done.returncode == 2 and "launcher=memo" in done.stderr, done.stderr


@pytest.mark.parametrize("word", ["launcher.name=nosuch", "profile.name=nosuch"])
def test_what_does_not_exist_is_refused_with_its_field(word: str) -> None:
    done = python(*UP, word, "--dry-run")
    assert done.returncode == 2 and word.partition("=")[0] in done.stderr and "'nosuch' does not exist" in done.stderr
