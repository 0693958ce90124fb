"""Locks that are stale, and what makes them so."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

import lock

ROOT = Path(lock.__file__).absolute().parents[1]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A copy of what the locks are made from, and the locks."""
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    shutil.copytree(ROOT / "requirements", tmp_path / "requirements")
    return tmp_path


def edit(file: Path, before: str, after: str) -> None:
    text = file.read_text()
    assert before in text
    file.write_text(text.replace(before, after, 1))


def found(project: Path) -> list[str]:
    return [k.name for k in lock.LOCKS if lock.stale(k, project)]


def test_the_committed_locks_are_up_to_date() -> None:
    assert lock.main(["--check"]) == 0


def test_a_new_version_makes_every_lock_that_has_it_stale(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    edit(project / "pyproject.toml", "psutil>=7", "psutil>=8")
    assert found(project) == ["cpu", "dev", "cuda"]
    assert lock.main(["--check"], root=project) == 1
    assert "requirements/cuda.lock was made from other dependencies" in capsys.readouterr().out


def test_a_development_tool_makes_only_its_lock_stale(project: Path) -> None:
    edit(project / "pyproject.toml", "pytest>=9", "pytest>=10")
    assert found(project) == ["dev"]


def test_settings_of_the_resolver_count(project: Path) -> None:
    edit(project / "requirements/cpu.uv.toml", '"einops"', '"einops>=0.8"')
    assert found(project) == ["cpu", "dev"]


def test_a_changed_constraint_makes_the_lock_within_it_stale(project: Path) -> None:
    edit(project / "requirements/cpu.lock", "numpy==", "numpy==0")
    assert found(project) == ["dev"]


def test_a_new_description_makes_nothing_stale(project: Path) -> None:
    edit(project / "pyproject.toml", 'description = "', 'description = "New: ')
    assert found(project) == []


def test_a_version_without_its_hash_is_refused(project: Path) -> None:
    file = project / "requirements/loadtests.lock"
    kept = [line for line in file.read_text().splitlines() if "--hash" not in line]
    file.write_text("\n".join(kept) + "\n")
    assert (
        lock.stale(next(k for k in lock.LOCKS if k.name == "loadtests"), project)
        == "requirements/loadtests.lock has versions without a hash"
    )


def test_a_missing_lock_is_named(project: Path) -> None:
    (project / "requirements/cpu.lock").unlink()
    assert found(project) == ["cpu", "dev"]


def test_locks_name_no_address_and_no_folder() -> None:
    for k in lock.LOCKS:
        text = (ROOT / k.path).read_text()
        assert "://" not in text
        assert "--index" not in text
        assert "--find-links" not in text
