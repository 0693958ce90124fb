"""Finding runs by what a user types."""

from __future__ import annotations

from pathlib import Path

import pytest

from armature.bench.runs import Run, find, newest
from armature.errors import UserError
from support.load_files import request, write_load

IDS = ("agg-tiny/20260101-000000-aaaa", "agg-tiny/20260102-000000-bbbb", "disagg-tiny/20260103-000000-cccc")


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)  # words may be paths
    for name in IDS:
        write_load(tmp_path / name, [request(0)])
    return tmp_path


@pytest.mark.parametrize(
    ("word", "found"),
    [(IDS[0], IDS[:1]), ("20260103", IDS[2:]), ("agg-tiny", IDS[:2]), (".", IDS), ("agg-tiny/20260102", IDS[1:2])],
)
def test_a_word_names_runs(root: Path, word: str, found: tuple[str, ...]) -> None:
    assert [r.label for r in find([word], root)] == list(found)


def test_a_folder_that_holds_no_run_is_named(root: Path) -> None:
    (root / "empty").mkdir()
    with pytest.raises(UserError, match="empty is not a run and contains none"):
        find(["empty"], root)


def test_a_folder_named_from_where_the_user_stands(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BUILD_WORKING_DIRECTORY", str(root / "agg-tiny"))
    assert [r.label for r in find(["20260101-000000-aaaa"], root / "elsewhere")] == [IDS[0]]


def test_of_a_folder_those_runs_are_meant_that_had_load(root: Path) -> None:
    served = root / "agg-tiny/20260104-000000-dddd"
    served.mkdir()
    (served / "plan.json").write_text("{}")
    assert [r.label for r in find(["agg-tiny"], root)] == list(IDS[:2])
    assert [r.path for r in find(["20260104"], root)] == [served]


def test_runs_of_a_sweep_come_in_the_order_of_their_values(tmp_path: Path) -> None:
    for value in (16, 1, 4):
        write_load(tmp_path / f"s/agg,load.concurrency={value}/seed-0", [request(0)])
    assert [r.path.parent.name[-2:] for r in find([str(tmp_path / "s")])] == ["=1", "=4", "16"]


def test_a_run_that_is_named_twice_is_there_once(root: Path) -> None:
    assert len(find([IDS[0], "agg-tiny"], root)) == 2


@pytest.mark.parametrize(("word", "text"), [("2026", "matches 3 runs"), ("agg-tinny/20260101-000000-aaaa", "did you mean agg-tiny/2026")])
def test_a_word_that_names_none_or_several_is_refused(root: Path, word: str, text: str) -> None:
    with pytest.raises(UserError, match=text):
        find([word], root)


def test_the_newest_run(root: Path) -> None:
    import os

    for age, name in enumerate(IDS):
        os.utime(root / name, (age, age))
    assert newest(root).label == IDS[2]


def test_without_a_run_there_is_no_newest(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="there is no run"):
        newest(tmp_path)


def test_a_plan_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "plan.json").write_text('{"version": 1}')
    with pytest.raises(UserError, match=r"plan\.json cannot be read"):
        _ = Run(tmp_path).plan
