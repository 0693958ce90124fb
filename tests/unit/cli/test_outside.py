"""A role from a folder of the user's: composed, planned, drawn, documented, and found by the worker. No file of the package knows it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

OUTSIDE = Path(__file__).parent / "outside"


def python(*words: str, plugins: str = str(OUTSIDE)) -> subprocess.CompletedProcess[str]:
    environ = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "ARMATURE_PLUGINS": plugins}
    return subprocess.run([sys.executable, *words], capture_output=True, text=True, env=environ, check=False)


@pytest.mark.parametrize("how", [["--dry-run"], ["--json"], ["--draw", "mermaid"]], ids=str)
def test_it_is_composed_planned_and_drawn(how: list[str]) -> None:
    done = python("-m", "armature", "up", "agg", "+model=tiny-qwen3", "topology.roles.worker.role=parrot", *how)
    assert done.returncode == 0 and "parrot" in done.stdout, done.stderr


def test_it_is_documented() -> None:
    assert "parrot: repeats what it is told" in " ".join(python("-m", "armature", "worker", "--help").stdout.split())


def test_without_the_folder_it_does_not_exist() -> None:
    done = python("-m", "armature", "up", "agg", "+model=tiny-qwen3", "topology.roles.worker.role=parrot", "--dry-run", plugins="")
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
