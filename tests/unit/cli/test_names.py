"""What users name: runs lie below the runs folder and are found by their names, whatever these are; a sweep's points are their values."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest

from armature.bench.runs import Run, find, newest
from armature.cli import bench, main
from armature.cli.summarize import main as summarize_main
from armature.cli.up import make_plan
from armature.errors import UserError
from armature.graph.plan import Plan
from armature.launch.rundir import RunDir
from armature.launch.sweep import Outcome, PointRun
from support.load_files import request, write_load

NAMES = ("tiny", "../../../x", "/models/org/M", "org/M", "..", ".", "a b", "é", "模型", '"quoted"', "x" * 300, "con:1|2", "~", "*?")


@pytest.fixture(autouse=True)
def runs_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "stands/here").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "stands/here")
    monkeypatch.setenv("ARMATURE_RUNS", str(tmp_path / "a/b/c/runs"))
    return tmp_path / "a/b/c/runs"


def planned(name: str) -> Plan:
    quoted = name.replace('"', '\\"')
    plan, _ = make_plan(["agg", "+model=tiny-qwen3", f'model.name="{quoted}"'])
    return plan


def run_of(plan: Plan) -> Run:
    """As if it had run, with load on it, and ended."""
    run_dir = RunDir.create(plan)
    run_dir.record(run_dir.event(None, "ended", "the load ended", exit_code=0))
    run_dir.close()
    shutil.rmtree(plan.tmp_dir)
    write_load(plan.run_dir, [request(i) for i in range(5)])
    return Run(plan.run_dir)


@pytest.mark.parametrize("name", NAMES)
def test_a_run_is_found_by_what_its_model_is_called(name: str, runs_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    plan = planned(name)
    assert (plan.run_dir.parent.parent, plan.model) == (runs_folder, name)
    assert plan.run_dir.resolve().is_relative_to(runs_folder.resolve())
    run, other = run_of(plan), run_of(planned("another"))
    folder, run_id = plan.run_dir.parts[-2:]
    for word in (plan.name, f"{plan.name}/{run_id}", f"{plan.name}/{run_id[:-1]}", run_id, folder, f"{folder}/{run_id}", str(plan.run_dir)):
        assert find([word]) == [run], word
    assert newest() == other
    for command in (["watch"], ["summarize"], ["report"], ["compare"]):
        assert main([*command, f"{plan.name}/{run_id}"]) == 0, capsys.readouterr().err


@pytest.mark.parametrize("name", ["-rf", "a\tb", "\x1b[31m"])
def test_a_name_that_no_command_line_can_carry_is_refused(name: str) -> None:
    with pytest.raises(UserError, match="looks like an option or holds control characters"):
        planned(name)


@pytest.mark.parametrize("name", NAMES)
def test_a_models_files_lie_in_the_cache(name: str) -> None:
    plan = planned(name)
    (output,) = plan["model"].task.outputs  # type: ignore[union-attr]
    assert Path(output).parent.parent == plan.cache_dir / "models"
    assert Path(output).resolve().is_relative_to(plan.cache_dir.resolve())


@pytest.mark.parametrize("name", ["../x", "/abs/olute", "a/b", "..", "nightly"])
def test_a_sweep_lies_in_the_runs_folder_whatever_it_is_called(name: str, runs_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    word = f"--name={name}"
    seen: list[Path] = []

    def folder(*args: object) -> list[object]:
        seen.append(args[1])  # type: ignore[arg-type]
        return []

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bench, "_planned", folder)
        assert bench.main(["agg", "+model=tiny-qwen3", word, "--dry-run"]) == 0
    assert seen[0].parent == runs_folder
    write_load(seen[0] / "all/seed-0", [request(0)])
    assert [run.path for run in find([name])] == [seen[0] / "all/seed-0"]


def swept(words: Sequence[str]) -> Path:
    """The folder of a sweep of these words."""
    seen: list[Path] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bench, "_planned", lambda points, sweep, repeats: seen.append(sweep) or [])
        assert bench.main(["agg", "+model=tiny-qwen3", *words, "--dry-run"]) == 0
    return seen[0]


def test_a_sweep_has_the_same_name_wherever_runs_are_kept(runs_folder: Path, tmp_path: Path) -> None:
    assert swept([f"run.dir={tmp_path}/kept"]) == tmp_path / "kept" / swept([]).name


def test_a_sweep_in_two_folders_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"run\.dir: got /one and /two"):
        bench.main(["agg", "+model=tiny-qwen3", "run.dir=/one,/two", "--dry-run"])


@pytest.mark.parametrize(
    ("variable", "word", "folder"),
    [
        (None, None, "here/runs"),
        ("kept", None, "here/kept"),
        ("/kept", None, "/kept"),
        (None, "run.dir=mine", "here/mine"),
        (None, "run.dir=/mine", "/mine"),
        ("/kept", "run.dir=/mine", "/mine"),
        ("/kept", "run.dir=null", "/kept"),
    ],
)
def test_runs_are_kept_where_the_user_says(
    variable: str | None, word: str | None, folder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BUILD_WORKING_DIRECTORY", str(tmp_path / "here"))  # under `bazel run` the user stands elsewhere than the process
    monkeypatch.delenv("ARMATURE_RUNS", raising=False)
    if variable:
        monkeypatch.setenv("ARMATURE_RUNS", variable)
    plan, _ = make_plan(["agg", "+model=tiny-qwen3", *([word] if word else [])])
    assert plan.run_dir.parent.parent == tmp_path / folder


def test_a_sweep_without_a_name_has_one_folder_for_all_lists_of_values(runs_folder: Path) -> None:
    seen: list[Path] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bench, "_planned", lambda points, sweep, repeats: seen.append(sweep) or [])
        for words in (["agg", "load.concurrency=1,4"], ["agg,disagg", "load.concurrency=1,4,16"], ["agg", "load.concurrency=1"]):
            assert bench.main([*words, "+model=tiny-qwen3", "--dry-run"]) == 0
    assert seen[0] == seen[1] != seen[2]


def test_a_sweep_says_that_its_folder_holds_runs_under_other_values(runs_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for value in (1, 4):
        write_load(runs_folder / f"s/agg,load.concurrency={value}/seed-0", [request(i) for i in range(5)])
        summarize_main([str(runs_folder / f"s/agg,load.concurrency={value}/seed-0")])
    run = PointRun("agg,load.concurrency=4/seed-0", runs_folder / "s/agg,load.concurrency=4/seed-0", {})
    bench._show([Outcome(run, "skipped", "up to date")], runs_folder / "s")
    assert f"1 more run of this sweep, with other values: armature report {runs_folder / 's'}" in capsys.readouterr().out


def points(words: Sequence[str], capsys: pytest.CaptureFixture[str], runs_folder: Path) -> list[str]:
    """The names of the runs that a sweep would make."""
    assert main(["bench", "agg", "+model=tiny-qwen3", *words, "--dry-run"]) == 0
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("[")]
    return [line.split("] ", 1)[1].split("/seed-")[0] for line in lines]


@pytest.mark.parametrize(
    ("words", "count"),
    [
        (["load.rate=2,2.0", "load=poisson"], 1),
        (["load.concurrency=4,4"], 1),
        (["load.ignore_eos=true,True,TRUE"], 1),
        (["load.ignore_eos=true,false"], 2),
        (["load.input=128,'128'"], 1),
        (["load.concurrency=8,1"], 2),
        (["engine.args.mem_fraction_static=0.5,0.50"], 1),
        (["model.name=a/b,a_b"], 2),
        (["model.name=A,a"], 2),
        (["model.name='a b','a_b','a/b'"], 3),
        (["load.seed=1,2", "--repeats=2"], 3),
    ],
)
def test_points_are_one_where_their_values_are(words: list[str], count: int, capsys: pytest.CaptureFixture[str], runs_folder: Path) -> None:
    made = points(words, capsys, runs_folder)
    assert len(made) == count
    if "load.seed" not in words[0]:
        assert len({name.casefold() for name in made}) == count


@pytest.mark.parametrize("role", ["a/b", "..", "", "a b", "a.b", "a=b", "a--b", "-a", "x" * 41])
def test_a_group_of_workers_has_a_name_that_a_file_can_have(role: str) -> None:
    from pydantic import ValidationError

    from armature.config.topology import Topology

    with pytest.raises(ValidationError, match="group's name"):
        Topology.model_validate({"name": "own", "roles": {role: {"role": "aggregated"}}})
