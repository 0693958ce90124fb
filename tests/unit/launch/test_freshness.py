"""When a task runs again, and what the user is told."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from armature.graph.node import TaskSpec
from armature.graph.plan import PlannedNode
from armature.launch.freshness import STAMP, code_digest, drop_stamp, why, write_stamp

PARAMS = {"seed": 0, "shape": {"layers": 2, "hidden": 128}}


def task(
    folder: Path, params: dict[str, object] | None = None, code: tuple[str, ...] = ("stale_pkg.made",), name: str = "config.json"
) -> PlannedNode:
    spec = TaskSpec(outputs=(str(folder / name),), params=PARAMS if params is None else params, code=code)
    return PlannedNode(name="model", kind="task", argv=("true",), task=spec)


@pytest.fixture
def built(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A task's folder after a good run; its code is stale_pkg.made, whose parent must never be imported."""
    source = tmp_path / "src" / "stale_pkg"
    source.mkdir(parents=True)
    (source / "__init__.py").write_text("raise RuntimeError('imported')\n")
    (source / "made.py").write_text("x = 1\n")
    monkeypatch.syspath_prepend(str(tmp_path / "src"))
    folder = tmp_path / "out"
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    spec = task(folder).task
    assert spec
    write_stamp(spec)
    return folder


def touch_code(folder: Path) -> None:
    (folder.parent / "src/stale_pkg/made.py").write_text("x = 2\n")


@pytest.mark.parametrize(
    ("change", "node", "run", "reason"),
    [
        (lambda f: None, task, False, "up to date"),
        (lambda f: (f / "config.json").unlink(), task, True, "no result yet"),
        (lambda f: (f / STAMP).unlink(), task, True, "no record of what made {f}/config.json"),
        (lambda f: (f / STAMP).write_text("[half"), task, True, "no record of what made {f}/config.json"),
        (lambda f: None, lambda f: task(f, {**PARAMS, "seed": 1}), True, "parameters changed: seed 0 -> 1"),
        (
            lambda f: None,
            lambda f: task(f, {"seed": 0, "shape": {"layers": 4, "heads": 8}}),
            True,
            "parameters changed: shape.heads nothing -> 8, shape.hidden 128 -> nothing, shape.layers 2 -> 4",
        ),
        (
            lambda f: None,
            lambda f: task(f, {str(i): i for i in range(4)}),
            True,
            "parameters changed: 0 nothing -> 0, 1 nothing -> 1, 2 nothing -> 2 and 4 more",
        ),
        (touch_code, task, True, "code changed: stale_pkg.made"),
        (lambda f: None, lambda f: task(f, code=()), True, "code changed: stale_pkg.made"),
        (lambda f: None, lambda f: task(f, code=("stale_pkg.made", "no.such")), True, "code cannot be found: no.such"),
        (lambda f: None, lambda f: task(f, name="other"), True, "no result yet"),
    ],
)
def test_why(built: Path, change: Callable[[Path], object], node: Callable[[Path], PlannedNode], run: bool, reason: str) -> None:
    change(built)
    verdict = why(node(built))
    assert (verdict.run, verdict.reason) == (run, reason.replace("{f}", str(built)))
    assert "stale_pkg" not in sys.modules


def test_what_it_was_made_from_ran_again(built: Path) -> None:
    verdict = why(task(built), reran=["tokenizer"])
    assert verdict.run and verdict.reason == "inputs changed: tokenizer ran again"


def test_tasks_that_share_a_folder_have_stamps_of_their_own(built: Path) -> None:
    (built / "other").touch()
    first, second = task(built), task(built, {"a": 1}, name="other")
    assert first.task and second.task
    write_stamp(second.task)
    assert not why(first).run and not why(second).run
    drop_stamp(first.task)
    assert why(first).run and not why(second).run


def test_a_moved_folder_stays_fresh(built: Path) -> None:
    moved = built.rename(built.parent / "moved")
    assert not why(task(moved)).run


def test_a_service_has_no_freshness() -> None:
    from armature.graph.node import HttpProbe

    node = PlannedNode(name="a", kind="service", argv=("true",), ready=HttpProbe(url="http://127.0.0.1:1"))
    assert why(node).run


def test_the_digest_of_a_package_covers_all_below_it(built: Path) -> None:
    before = code_digest("stale_pkg")
    touch_code(built)
    assert before is not None and code_digest("stale_pkg") != before
    assert code_digest("stale_pkg.absent") is None and code_digest("stale_pkg.made.x") is None
