"""No folder of tests is left out of `./bazelw test //...`, and no topology out of //deploy."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).absolute().parents[2]
# Not targets: Nix needs its store, which Bazel's sandbox keeps read-only.
ONLY_PYTEST = {"tests/nix"}

pytestmark = pytest.mark.skipif("TEST_SRCDIR" in os.environ, reason="needs the whole checkout: run `pytest tests/build`")


def test_every_folder_of_tests_is_a_target() -> None:
    folders = {file.parent.relative_to(ROOT).as_posix() for file in (ROOT / "tests").rglob("test_*.py")}
    targets = {
        file.parent.relative_to(ROOT).as_posix() for file in (ROOT / "tests").rglob("BUILD.bazel") if "pytest_test(" in file.read_text()
    }
    assert folders - targets == ONLY_PYTEST


def test_every_folder_of_tests_is_linted() -> None:
    listed = (ROOT / "tests/BUILD.bazel").read_text()
    folders = {file.parent.relative_to(ROOT).as_posix() for file in (ROOT / "tests").rglob("BUILD.bazel") if file.parent != ROOT / "tests"}
    assert [f for f in sorted(folders) if f'"//{f}:sources"' not in listed] == []


def test_every_topology_can_be_run() -> None:
    targets = (ROOT / "deploy/BUILD.bazel").read_text()
    topologies = sorted(file.stem for file in (ROOT / "conf/topology").glob("*.yaml"))
    assert [t for t in topologies if f'"{t}"' not in targets] == []


def test_no_two_test_modules_have_one_name() -> None:
    """Without packages, pytest imports a test module by its bare name: it would refuse the second one, in a run over all folders only."""
    names = [file.name for file in (ROOT / "tests").rglob("test_*.py")]
    assert sorted({n for n in names if names.count(n) > 1}) == []


def test_no_test_imports_a_conftest() -> None:
    """Every folder has one, and pytest knows one module of that name: which one depends on what else runs."""
    files = (ROOT / "tests").rglob("*.py")
    importing = [f for f in files if "\nfrom conftest import" in f.read_text()]
    assert importing == []
