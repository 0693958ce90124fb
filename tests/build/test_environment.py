"""What Bazel builds is what runs: declared imports only, nothing of the host's, and a plan's processes see the same."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from armature.graph import programs
from armature.graph.site import this_machine

UNDER_BAZEL = "TEST_SRCDIR" in os.environ
bazel_only = pytest.mark.skipif(not UNDER_BAZEL, reason="a property of Bazel's environment; run ./bazelw test //tests/build")

SHOW = "import json, sys; print(json.dumps([sys.prefix, sys.path]))"


ROOT = Path(__file__).absolute().parents[2]


def added(folder: str) -> bool:
    """Whether a folder was put on the path by pytest, for the tests, or by Python, for the program: not built."""
    here = Path(folder)
    return here in (ROOT, Path(sys.argv[0]).absolute().parent) or any(
        here.is_relative_to(ROOT / d) for d in ("loadtests", "src", "tests", "tools")
    )


def absolute(path: list[str]) -> set[str]:
    return {str(Path(p).absolute()) for p in path if p}


def test_a_process_of_a_plan_sees_this_process_import_path() -> None:
    site = this_machine("build", gpus=0)
    # What the launcher does: the plan's interpreter, with the plan's environment over this process's own.
    shown = subprocess.run(
        [*site.python, "-c", SHOW], env=os.environ | site.env, capture_output=True, text=True, check=True, cwd="/", timeout=60
    )
    prefix, path = json.loads(shown.stdout)
    assert prefix == sys.prefix
    assert {p for p in absolute(sys.path) - absolute(path) if not added(p)} == set()
    assert absolute(path) - absolute(sys.path) == set()


@bazel_only
def test_the_project_is_read_from_runfiles() -> None:
    import armature

    assert armature.__file__ is not None
    assert Path(armature.__file__).is_relative_to(os.environ["TEST_SRCDIR"])


@bazel_only
def test_nothing_that_is_installed_on_the_host_is_visible() -> None:
    runfiles = os.environ["TEST_SRCDIR"]
    installed = [p for p in sys.path if "-packages" in p and not p.startswith(runfiles) and Path(p).is_dir() and any(Path(p).iterdir())]
    assert installed == []


@bazel_only
@pytest.mark.parametrize("module", ["torch", "sglang", "ruff", "importlinter"])
def test_an_import_that_is_not_declared_fails(module: str) -> None:
    assert importlib.util.find_spec(module) is None


def test_the_nats_server_of_the_lock_is_found_and_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    shown = subprocess.run([programs.find("nats-server"), "--version"], capture_output=True, text=True, check=True, timeout=60)
    assert shown.stdout.startswith("nats-server: v")
