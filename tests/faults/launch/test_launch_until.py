"""Plans that end by themselves, with the last of their tasks."""

from __future__ import annotations

import signal

import pytest
from launch_bench import Bench


def report(bench: Bench, load: str = "exit 0", bad: tuple[int, ...] = ()) -> None:
    """A service, a task that needs it, and one that needs only that task."""
    bench.service("front")
    bench.task("load", f"mkdir -p $ROOT/run/load && echo asked > $ROOT/run/load/all; {load}", ["run/load/all"], needs=["front"])
    bench.task("report", "sleep 0.5; cp $ROOT/run/load/all $ROOT/run/report", ["run/report"], needs=["load"])
    task = bench.nodes[1].task
    assert task is not None
    bench.nodes[1] = bench.nodes[1].model_copy(update={"task": task.model_copy(update={"bad": bad})})


def test_it_drains_and_ends_with_its_last_task(bench: Bench) -> None:
    report(bench)
    launcher = bench.launch(until=("report",))
    out, _ = launcher.communicate(timeout=30)
    assert launcher.returncode == 0, out
    assert (bench.root / "run/report").read_text() == "asked\n"
    assert ("front", "end") in bench.times() and not bench.happened("serving") and not bench.alive()


def test_a_service_lives_while_something_that_runs_needs_it(bench: Bench) -> None:
    report(bench)
    bench.launch(until=("report",)).communicate(timeout=30)
    stopping, loaded, reported = (bench.happened(*at) for at in (("stopping", "front"), ("exited", "load"), ("exited", "report")))
    assert stopping and loaded and reported
    assert loaded["elapsed_s"] <= stopping["elapsed_s"] < reported["elapsed_s"]


def test_a_result_that_is_no_good_is_reported_on_and_ends_with_one(bench: Bench) -> None:
    report(bench, "exit 3", bad=(3,))
    launcher = bench.launch(until=("report",))
    out, _ = launcher.communicate(timeout=30)
    assert launcher.returncode == 1 and "invalid result: load" in out, out
    assert (bench.root / "run/report").exists()


@pytest.mark.parametrize(("script", "text"), [("exit 4", "load failed: exit code 4"), ("rm $ROOT/run/load/all; exit 3", "without writing")])
def test_another_code_or_nothing_left_is_a_failure(bench: Bench, script: str, text: str) -> None:
    report(bench, script, bad=(3,))
    launcher = bench.launch(until=("report",))
    out, _ = launcher.communicate(timeout=30)
    assert launcher.returncode == 1 and text in out, out
    assert not (bench.root / "run/report").exists()


def test_a_signal_before_the_end_is_no_good_end(bench: Bench) -> None:
    report(bench, "sleep 60")
    launcher = bench.launch(until=("report",))
    bench.until("started", "load")
    launcher.send_signal(signal.SIGTERM)
    out, _ = launcher.communicate(timeout=30)
    assert launcher.returncode == 128 + signal.SIGTERM and "before everything was done" in out, out


def test_a_service_that_dies_meanwhile_ends_the_run(bench: Bench) -> None:
    report(bench, "sleep 60")
    bench.nodes[0] = bench.nodes[0].model_copy(update={"argv": (*bench.nodes[0].argv, "--die", "1.5:7")})
    launcher = bench.launch(until=("report",))
    out, _ = launcher.communicate(timeout=30)
    assert launcher.returncode == 1 and "front ended while needed" in out, out


@pytest.mark.parametrize(("tells", "first"), [(True, True), (False, False)])
def test_all_that_a_task_tells_is_shown(bench: Bench, tells: bool, first: bool) -> None:
    """A summary's length depends on what is to be said of its figures; the most important line stands first."""
    bench.service("front")
    bench.task("said", "seq -f line-%g 1 60; mkdir -p $ROOT/run; touch $ROOT/run/said; [ $TELLS = 1 ]", ["run/said"], needs=["front"])
    task = bench.nodes[1].task
    assert task is not None
    env = bench.nodes[1].env | {"TELLS": str(int(tells))}
    bench.nodes[1] = bench.nodes[1].model_copy(update={"env": env, "task": task.model_copy(update={"tells": tells})})
    out, _ = bench.launch(until=("said",)).communicate(timeout=30)
    assert ("| line-1\n" in out) == first and "| line-60\n" in out, out
