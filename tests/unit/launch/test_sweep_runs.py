"""Which runs of a sweep run, and what becomes of the others."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from armature.errors import UserError
from armature.launch.sweep import FILE, Journal, Outcome, PointRun, run_all


def runs(folder: Path, **made_by: Any) -> list[PointRun]:
    return [PointRun(name, folder / name, {"plan": "p", **made_by}) for name in ("a/seed-0", "b/seed-0", "c/seed-0")]


class Launcher:
    """Leaves what a run leaves, and ends as it is told. codes: name -> exit code, or an error."""

    def __init__(self, **codes: int | UserError) -> None:
        self.codes = codes
        self.ran: list[str] = []

    def __call__(self, run: PointRun) -> int:
        name = run.name[0]
        self.ran.append(name)
        code = self.codes.get(name, 0)
        if isinstance(code, UserError):
            raise code
        (run.folder / "results").mkdir(parents=True)  # fails where an earlier attempt was left
        for file in ("plan.json", "results/summary.json", "report.html"):
            (run.folder / file).write_text("{}")
        return code


def go(folder: Path, launcher: Launcher, force: bool = False, **made_by: Any) -> list[Outcome]:
    with Journal(folder) as journal:
        return run_all(runs(folder, **made_by), journal, launcher, lambda text: None, force)


def states(outcomes: list[Outcome]) -> list[str]:
    return [o.state for o in outcomes]


def test_what_is_done_is_skipped_and_why(tmp_path: Path) -> None:
    assert states(go(tmp_path, Launcher())) == ["done"] * 3
    again = go(tmp_path, second := Launcher())
    assert states(again) == ["skipped"] * 3 and not second.ran
    assert again[0].text == "up to date"


def test_what_is_made_by_something_else_runs_again(tmp_path: Path) -> None:
    go(tmp_path, Launcher())
    changed = Launcher()
    assert states(go(tmp_path, changed, load={"rate": 2})) == ["done"] * 3


def test_force_runs_all(tmp_path: Path) -> None:
    go(tmp_path, Launcher())
    assert states(go(tmp_path, Launcher(), force=True)) == ["done"] * 3


@pytest.mark.parametrize("failure", [1, UserError("the port is taken")])
def test_a_run_that_fails_loses_no_other_and_runs_again(tmp_path: Path, failure: int | UserError) -> None:
    assert states(go(tmp_path, Launcher(b=failure))) == ["done", "failed", "done"]
    again = Launcher()
    assert states(go(tmp_path, again)) == ["skipped", "done", "skipped"]
    assert again.ran == ["b"]


def test_a_signal_ends_the_sweep(tmp_path: Path) -> None:
    assert states(go(tmp_path, Launcher(b=130))) == ["done", "failed", "not run"]


def test_a_run_that_was_killed_runs_again(tmp_path: Path) -> None:
    """Killed after its results were written, and before the sweep knew that it ended well."""
    Launcher()(runs(tmp_path)[0])
    launcher = Launcher()
    go(tmp_path, launcher)
    assert launcher.ran == ["a", "b", "c"]


def test_the_journal_is_appended_to(tmp_path: Path) -> None:
    go(tmp_path, Launcher())
    go(tmp_path, Launcher())
    events = [json.loads(line)["event"] for line in (tmp_path / FILE).read_text().splitlines()]
    assert events == ["started", "ended"] * 3 + ["skipped"] * 3


def test_two_sweeps_do_not_share_a_folder(tmp_path: Path) -> None:
    with Journal(tmp_path), pytest.raises(UserError, match="another sweep"):
        Journal(tmp_path)
