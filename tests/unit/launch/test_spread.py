"""The runs of a sweep as jobs of a cluster: what is submitted, what is waited for, and what becomes of each."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from armature.launch.spread import Ended, Spread, left_behind
from armature.launch.sweep import FILE, Journal, Outcome, PointRun


class Queue:
    """A cluster whose jobs end in the order of their submission, one a look, and leave what a run leaves."""

    def __init__(self, **codes: int) -> None:
        self.codes = codes
        self.runs: dict[str, PointRun] = {}
        self.live: list[str] = []
        self.results: dict[str, Ended] = {}
        self.cancelled: list[str] = []
        self.unreachable = 0
        self._next = 1

    def submit(self, runs: Sequence[PointRun]) -> list[str]:
        return [self.add(run) for run in runs]

    def add(self, run: PointRun) -> str:
        job, self._next = str(self._next), self._next + 1
        self.runs[job] = run
        self.live.append(job)
        return job

    def states(self) -> Mapping[str, str]:
        if self.unreachable:
            self.unreachable -= 1
            raise OSError("slurmctld is away")
        if self.live:
            self._end(self.live.pop(0))
        return dict.fromkeys(self.live, "RUNNING")

    def _end(self, job: str) -> None:
        run, code = self.runs[job], self.codes.get(self.runs[job].name[0], 0)
        (run.folder / "results").mkdir(parents=True)  # fails where an earlier attempt was left
        for file in ("plan.json", "results/summary.json", "report.html"):
            (run.folder / file).write_text("{}")
        if code == 0:
            run.done()
        self.results[job] = Ended(code)

    def ended(self, job: str, gone: bool) -> Ended | None:
        return self.results.get(job)

    def cancel(self, jobs: Sequence[str]) -> None:
        self.cancelled += jobs


def runs(folder: Path, **made_by: Any) -> list[PointRun]:
    return [PointRun(name, folder / name, {"plan": "p", **made_by}) for name in ("a/seed-0", "b/seed-0", "c/seed-0")]


def no_pause(_: float) -> None:
    pass


def go(
    folder: Path,
    queue: Queue,
    force: bool = False,
    pause: Callable[[float], object] = no_pause,
    said: list[str] | None = None,
    **made_by: Any,
) -> list[Outcome]:
    with Journal(folder) as journal:
        return Spread(runs(folder, **made_by), journal, queue, (said if said is not None else []).append, force).run(
            left_behind(folder), pause
        )


def states(outcomes: Sequence[Outcome]) -> list[str]:
    return [o.state for o in outcomes]


def test_all_are_queued_at_once_and_waited_for(tmp_path: Path) -> None:
    seen: list[int] = []
    queue = Queue()
    assert states(go(tmp_path, queue, pause=lambda _: seen.append(len(queue.live)))) == ["done"] * 3
    assert seen == [3, 2, 1]
    assert not left_behind(tmp_path)


def test_what_is_done_is_not_submitted_again(tmp_path: Path) -> None:
    go(tmp_path, Queue())
    again = go(tmp_path, queue := Queue())
    assert states(again) == ["skipped"] * 3 and not queue.runs


def test_a_run_that_fails_loses_no_other_and_runs_the_next_time(tmp_path: Path) -> None:
    outcomes = go(tmp_path, Queue(b=1))
    assert states(outcomes) == ["done", "failed", "done"]
    assert "exit code 1" in outcomes[1].text
    assert states(go(tmp_path, Queue())) == ["skipped", "done", "skipped"]


def killed_meanwhile(folder: Path, queue: Queue, jobs: int) -> None:
    """What a process leaves that was killed after it had submitted `jobs` jobs."""
    with Journal(folder) as journal:
        for run in runs(folder)[:jobs]:
            journal.write(run, "submitted", reason="no result yet", job=queue.add(run))


def test_jobs_of_a_killed_sweep_are_waited_for_and_not_submitted_again(tmp_path: Path) -> None:
    queue = Queue()
    killed_meanwhile(tmp_path, queue, 2)
    said: list[str] = []
    assert states(go(tmp_path, queue, said=said)) == ["skipped", "skipped", "done"]
    assert [run.name[0] for run in queue.runs.values()] == ["a", "b", "c"]
    assert said[0] == "[1/3] a/seed-0: waiting for job 1, which an earlier call submitted"


def test_a_job_that_ended_while_nobody_waited_counts(tmp_path: Path) -> None:
    queue = Queue()
    killed_meanwhile(tmp_path, queue, 1)
    queue.states()
    assert states(go(tmp_path, queue)) == ["skipped", "done", "done"]
    assert len(queue.runs) == 3


def test_a_job_of_other_settings_is_followed_by_one_of_these(tmp_path: Path) -> None:
    queue = Queue()
    killed_meanwhile(tmp_path, queue, 1)
    assert states(go(tmp_path, queue, rate=2)) == ["done"] * 3
    assert [run.name[0] for run in queue.runs.values()] == ["a", "b", "c", "a"]


def test_force_replaces_jobs_that_still_run(tmp_path: Path) -> None:
    queue = Queue()
    killed_meanwhile(tmp_path, queue, 1)
    queue.live.clear()
    assert states(go(tmp_path, queue, force=True)) == ["done"] * 3
    assert queue.cancelled == ["1"]


def test_an_interruption_cancels_what_is_queued(tmp_path: Path) -> None:
    queue = Queue()

    def interrupted(_: float) -> None:
        if len(queue.live) == 2:
            raise KeyboardInterrupt

    assert states(go(tmp_path, queue, pause=interrupted)) == ["done", "not run", "not run"]
    assert queue.cancelled == ["2", "3"]
    assert not left_behind(tmp_path), "nobody waits for them"


def test_a_controller_that_is_away_changes_nothing(tmp_path: Path) -> None:
    queue = Queue()
    queue.unreachable = 2
    assert states(go(tmp_path, queue)) == ["done"] * 3


def test_half_a_line_of_the_journal_is_no_job(tmp_path: Path) -> None:
    (tmp_path / FILE).write_text(json.dumps({"run": "a", "event": "submitted", "job": "7"}) + '\n{"run": "b", "ev')
    assert left_behind(tmp_path) == {"a": "7"}
